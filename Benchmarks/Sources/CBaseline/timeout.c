// SPDX-License-Identifier: Apache-2.0

#include "CBaseline.h"
#include "ring.h"

#include <errno.h>

enum { user_data_operation = 1, user_data_timeout = 2 };

int baseline_linked_timeout(baseline_ring *baseline, unsigned batch, long count) {
    struct io_uring *ring = &baseline->ring;
    struct __kernel_timespec minute = {.tv_sec = 60};
    for (long done = 0; done < count;) {
        unsigned wanted = count - done < batch ? (unsigned)(count - done) : batch;
        for (unsigned i = 0; i < wanted; i++) {
            struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
            io_uring_prep_nop(sqe);
            io_uring_sqe_set_data64(sqe, user_data_operation);
            sqe->flags |= IOSQE_IO_LINK;
            sqe = io_uring_get_sqe(ring);
            io_uring_prep_link_timeout(sqe, &minute, 0);
            io_uring_sqe_set_data64(sqe, user_data_timeout);
        }
        int status = submit_then_wait(ring, 2 * wanted);
        if (status < 0) return status;
        unsigned head, seen = 0, operations = 0;
        struct io_uring_cqe *cqe;
        io_uring_for_each_cqe(ring, head, cqe) {
            seen++;
            if (cqe->user_data == user_data_operation) {
                if (cqe->res < 0) return cqe->res;
                operations++;
            } else if (cqe->res != -ECANCELED && cqe->res != -ENOENT) {
                return -EILSEQ;
            }
        }
        io_uring_cq_advance(ring, seen);
        if (seen != 2 * wanted || operations != wanted) return -EILSEQ;
        done += wanted;
    }
    return 0;
}
