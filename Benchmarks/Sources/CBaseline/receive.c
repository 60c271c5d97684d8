// SPDX-License-Identifier: Apache-2.0

#include "CBaseline.h"
#include "ring.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

// Twice a burst, a power of two.
enum { buffer_count = 2 * baseline_burst, buffer_mask = buffer_count - 1, buffer_group = 0 };

int baseline_send(int socket, long first, unsigned count) {
    for (long number = first; number < first + count; number++) {
        const void *message = baseline_contents((unsigned long)number);
        if (send(socket, message, baseline_message, MSG_NOSIGNAL) != baseline_message) return -errno;
    }
    return 0;
}

static inline int check(const void *bytes, int byte_count, long number) {
    if (byte_count != baseline_message) return -EILSEQ;
    return baseline_expect(bytes, (unsigned long)number, byte_count);
}

static unsigned burst(long left) {
    return left < baseline_burst ? (unsigned)left : baseline_burst;
}

static void prepare(struct io_uring *ring, int receiver) {
    struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
    io_uring_prep_recv_multishot(sqe, receiver, NULL, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = buffer_group;
}

static int receive(struct io_uring *ring, struct io_uring_buf_ring *pool, char *memory, int sender, int receiver, long count) {
    for (int i = 0; i < buffer_count; i++) {
        io_uring_buf_ring_add(pool, memory + i * baseline_message, baseline_message, (unsigned short)i, buffer_mask, i);
    }
    io_uring_buf_ring_advance(pool, buffer_count);
    prepare(ring, receiver);
    for (long done = 0; done < count;) {
        unsigned wanted = burst(count - done);
        int status = baseline_send(sender, done, wanted);
        if (status < 0) return status;
        for (unsigned received = 0; received < wanted;) {
            status = enter(ring, wanted - received);
            if (status < 0) return status;
            unsigned head, seen = 0;
            struct io_uring_cqe *cqe;
            io_uring_for_each_cqe(ring, head, cqe) {
                if (cqe->res < 0) return cqe->res;
                if ((cqe->flags & IORING_CQE_F_BUFFER) == 0) return -EILSEQ;
                unsigned short id = (unsigned short)(cqe->flags >> IORING_CQE_BUFFER_SHIFT);
                status = check(memory + id * baseline_message, cqe->res, done + received + seen);
                if (status < 0) return status;
                if ((cqe->flags & IORING_CQE_F_MORE) == 0) prepare(ring, receiver);
                io_uring_buf_ring_add(pool, memory + id * baseline_message, baseline_message, id, buffer_mask, 0);
                io_uring_buf_ring_advance(pool, 1);
                seen++;
            }
            io_uring_cq_advance(ring, seen);
            received += seen;
        }
        done += wanted;
    }
    return 0;
}

int baseline_receive_uring(baseline_ring *baseline, int sender, int receiver, long count) {
    struct io_uring *ring = &baseline->ring;
    void *pool, *memory;
    if (posix_memalign(&pool, 4096, buffer_count * sizeof(struct io_uring_buf)) != 0) return -ENOMEM;
    if (posix_memalign(&memory, 4096, buffer_count * baseline_message) != 0) {
        free(pool);
        return -ENOMEM;
    }
    io_uring_buf_ring_init(pool);
    struct io_uring_buf_reg registration = {
        .ring_addr = (uintptr_t)pool, .ring_entries = buffer_count, .bgid = buffer_group};
    int status = io_uring_register_buf_ring(ring, &registration, 0);
    if (status == 0) {
        status = receive(ring, pool, memory, sender, receiver, count);
        // The operation that still waits takes no buffer any more.
        io_uring_unregister_buf_ring(ring, buffer_group);
    }
    free(memory);
    free(pool);
    return status;
}

int baseline_receive_epoll(int sender, int receiver, long count) {
    uint64_t message[baseline_message / sizeof(uint64_t)];
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0) return -errno;
    struct epoll_event event = {.events = EPOLLIN};
    int status = epoll_ctl(epoll, EPOLL_CTL_ADD, receiver, &event) < 0 ? -errno : 0;
    for (long done = 0; done < count && status == 0;) {
        unsigned wanted = burst(count - done);
        status = baseline_send(sender, done, wanted);
        if (status == 0 && epoll_wait(epoll, &event, 1, -1) != 1) status = -errno;
        for (unsigned received = 0; received < wanted && status == 0; received++) {
            ssize_t byte_count = recv(receiver, message, sizeof message, 0);
            status = byte_count < 0 ? -errno : check(message, (int)byte_count, done + received);
        }
        done += wanted;
    }
    close(epoll);
    return status;
}
