// SPDX-License-Identifier: Apache-2.0
// What the loops share.

#ifndef RING_H
#define RING_H

#include <errno.h>
#include <liburing.h>

struct baseline_ring {
    struct io_uring ring;
};

// Submits what is prepared and waits for so many completions; a signal that ends the wait too early is nothing.
static inline int enter(struct io_uring *ring, unsigned wait) {
    int submitted = io_uring_submit_and_wait(ring, wait);
    return submitted == -EINTR ? 0 : submitted;
}

// The same for so many entries that are prepared.
static inline int submit_and_wait(struct io_uring *ring, unsigned prepared, unsigned wait) {
    int submitted = enter(ring, wait);
    if (submitted < 0) return submitted;
    return (unsigned)submitted == prepared ? 0 : -EAGAIN;
}

#endif
