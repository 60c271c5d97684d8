// SPDX-License-Identifier: Apache-2.0

#include "CBaseline.h"
#include "ring.h"

#include <errno.h>
#include <stdlib.h>

int baseline_ring_open(unsigned entries, unsigned flags, baseline_ring **ring) {
    baseline_ring *made = malloc(sizeof *made);
    if (made == NULL) return -ENOMEM;
    int status = io_uring_queue_init(entries, &made->ring, flags);
    if (status < 0) {
        free(made);
        return status;
    }
    *ring = made;
    return 0;
}

void baseline_ring_close(baseline_ring *ring) {
    io_uring_queue_exit(&ring->ring);
    free(ring);
}
