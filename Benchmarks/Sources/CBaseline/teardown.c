// SPDX-License-Identifier: Apache-2.0

#include "CBaseline.h"
#include "ring.h"

#include <errno.h>
#include <stdlib.h>

// Cancels everything, and takes the completions: only then is the memory free.
static int end_reads(struct io_uring *ring, unsigned reads) {
    struct io_uring_sync_cancel_reg cancel = {
        .flags = IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL, .fd = -1, .timeout = {.tv_sec = -1, .tv_nsec = -1}};
    int status = io_uring_register_sync_cancel(ring, &cancel);
    if (status < 0) return status;
    status = io_uring_submit_and_wait(ring, reads);
    if (status < 0) return status;
    unsigned head, seen = 0;
    struct io_uring_cqe *cqe;
    io_uring_for_each_cqe(ring, head, cqe) {
        if (cqe->res != -ECANCELED) return -EILSEQ;
        seen++;
    }
    io_uring_cq_advance(ring, seen);
    return seen == reads ? 0 : -EILSEQ;
}

int baseline_teardown(unsigned entries, unsigned flags, unsigned reads, int pipe_end, long byte_count, long count) {
    void *memory[reads];
    int status = 0;
    for (long done = 0; done < count && status == 0; done++) {
        struct io_uring ring;
        status = io_uring_queue_init(entries, &ring, flags);
        if (status < 0) return status;
        for (unsigned i = 0; i < reads; i++) {
            memory[i] = malloc((size_t)byte_count);
            io_uring_prep_read(io_uring_get_sqe(&ring), pipe_end, memory[i], (unsigned)byte_count, (__u64)-1);
        }
        status = submit_then_wait(&ring, 0);
        if (status == 0) status = end_reads(&ring, reads);
        io_uring_queue_exit(&ring);
        for (unsigned i = 0; i < reads; i++) free(memory[i]);
    }
    return status;
}
