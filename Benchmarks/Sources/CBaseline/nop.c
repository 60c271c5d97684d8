// SPDX-License-Identifier: Apache-2.0

#include "CBaseline.h"
#include "ring.h"

#include <errno.h>

int baseline_nop(baseline_ring *baseline, unsigned batch, long count) {
    struct io_uring *ring = &baseline->ring;
    for (long done = 0; done < count;) {
        unsigned wanted = count - done < batch ? (unsigned)(count - done) : batch;
        for (unsigned slot = 0; slot < wanted; slot++) {
            struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
            io_uring_prep_nop(sqe);
            io_uring_sqe_set_data64(sqe, slot);
        }
        int status = submit_then_wait(ring, wanted);
        if (status < 0) return status;
        unsigned long tags = 0;
        unsigned head, seen = 0;
        struct io_uring_cqe *cqe;
        io_uring_for_each_cqe(ring, head, cqe) {
            if (cqe->res < 0) return cqe->res;
            tags += cqe->user_data;
            seen++;
        }
        io_uring_cq_advance(ring, seen);
        if (seen != wanted || tags != (unsigned long)wanted * (wanted - 1) / 2) return -EILSEQ;
        done += seen;
    }
    return 0;
}
