// SPDX-License-Identifier: Apache-2.0
// What the loops share.

#ifndef RING_H
#define RING_H

#include <liburing.h>

struct baseline_ring {
    struct io_uring ring;
};

// Submits what is prepared, which is so many entries, and waits for so many completions.
static inline int submit_and_wait(struct io_uring *ring, unsigned prepared, unsigned wait) {
    int submitted = io_uring_submit_and_wait(ring, wait);
    if (submitted < 0) return submitted;
    return (unsigned)submitted == prepared ? 0 : -EAGAIN;
}

#endif
