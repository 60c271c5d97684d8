// SPDX-License-Identifier: Apache-2.0
// What the loops share.

#ifndef RING_H
#define RING_H

#include <errno.h>
#include <liburing.h>

struct baseline_ring {
    struct io_uring ring;
};

// Submits what is prepared and waits for so many completions, in one call; a signal that ends the wait too early is nothing.
static inline int enter(struct io_uring *ring, unsigned wait) {
    int submitted = io_uring_submit_and_wait(ring, wait);
    return submitted == -EINTR ? 0 : submitted;
}

// The same, but calls once more to wait, and only if not so many completions are there at once. Where they always are, a call that need not look
// for more is the cheaper one.
static inline int submit_then_wait(struct io_uring *ring, unsigned wait) {
    unsigned prepared = io_uring_sq_ready(ring);
    int submitted = io_uring_submit(ring);
    if (submitted < 0) return submitted;
    if ((unsigned)submitted != prepared) return -EAGAIN;
    int status = io_uring_cq_ready(ring) >= wait ? 0 : enter(ring, wait);
    return status < 0 ? status : 0;
}

#endif
