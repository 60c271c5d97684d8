// SPDX-License-Identifier: Apache-2.0
// The measured loops as a C programmer writes them with liburing: batches of 32, one system call each.
// Usage: hot-path-c nop <count> | hot-path-c read|read-fixed <count> <file of at least 128 KiB>

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { batch = 32, block = 4096 };

static void fail(const char *what, int error) {
    fprintf(stderr, "hot-path-c: %s: %s\n", what, strerror(error));
    exit(1);
}

// The set-up that URing recommends, as far as every liburing from 2.3 on can express it; an older kernel gets the plain one.
static void set_up(struct io_uring *ring) {
    int error = -io_uring_queue_init(
        batch, ring, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL);
    if (error == EINVAL) {
        error = -io_uring_queue_init(batch, ring, 0);
    }
    if (error != 0) {
        fail("io_uring_queue_init", error);
    }
}

// Submits the batch, waits for it, and returns the sum of the results, of which none may be an error. As in the loops in Swift, nobody looks at
// the user data: there it has found the operation, and with it the tag.
static unsigned long finish_batch(struct io_uring *ring) {
    int submitted = io_uring_submit_and_wait(ring, batch);
    if (submitted != batch) {
        fail("io_uring_submit_and_wait", submitted < 0 ? -submitted : EAGAIN);
    }
    unsigned long sum = 0;
    unsigned head, seen = 0;
    struct io_uring_cqe *cqe;
    io_uring_for_each_cqe(ring, head, cqe) {
        if (cqe->res < 0) {
            fail("completion", -cqe->res);
        }
        sum += (unsigned)cqe->res;
        seen++;
    }
    io_uring_cq_advance(ring, seen);
    if (seen != batch) {
        fail("completions", EAGAIN);
    }
    return sum;
}

static unsigned long nop(struct io_uring *ring, long batches) {
    unsigned long sum = 0;
    for (long i = 0; i < batches; i++) {
        for (unsigned slot = 0; slot < batch; slot++) {
            struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
            io_uring_prep_nop(sqe);
            io_uring_sqe_set_data64(sqe, slot);
        }
        sum += finish_batch(ring);
    }
    return sum;
}

static unsigned long read_blocks(struct io_uring *ring, long batches, const char *path, int is_fixed) {
    static char buffers[batch][block] __attribute__((aligned(4096)));
    struct iovec vectors[batch];
    for (unsigned slot = 0; slot < batch; slot++) {
        vectors[slot] = (struct iovec){buffers[slot], block};
    }
    int error = is_fixed ? -io_uring_register_buffers(ring, vectors, batch) : 0;
    if (error != 0) {
        fail("io_uring_register_buffers", error);
    }
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        fail(path, errno);
    }
    unsigned long sum = 0;
    for (long i = 0; i < batches; i++) {
        for (unsigned slot = 0; slot < batch; slot++) {
            struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
            if (is_fixed) {
                io_uring_prep_read_fixed(sqe, file, buffers[slot], block, (unsigned long long)slot * block, (int)slot);
            } else {
                io_uring_prep_read(sqe, file, buffers[slot], block, (unsigned long long)slot * block);
            }
            io_uring_sqe_set_data64(sqe, slot);
        }
        sum += finish_batch(ring);
    }
    return sum;
}

int main(int argc, char **argv) {
    long batches = argc < 3 ? 0 : (atol(argv[2]) + batch - 1) / batch;
    struct io_uring ring;
    set_up(&ring);
    if (argc == 3 && strcmp(argv[1], "nop") == 0) {
        printf("%lu\n", nop(&ring, batches));
    } else if (argc == 4 && strcmp(argv[1], "read") == 0) {
        printf("%lu\n", read_blocks(&ring, batches, argv[3], 0));
    } else if (argc == 4 && strcmp(argv[1], "read-fixed") == 0) {
        printf("%lu\n", read_blocks(&ring, batches, argv[3], 1));
    } else {
        fail("usage: hot-path-c nop <count> | read|read-fixed <count> <file>", EINVAL);
    }
    io_uring_queue_exit(&ring);
}
