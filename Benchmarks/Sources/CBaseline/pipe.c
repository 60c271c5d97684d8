// SPDX-License-Identifier: Apache-2.0

#include "CBaseline.h"
#include "ring.h"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

int baseline_pipe_event(const baseline_pipes *pipes, unsigned pipe, unsigned char *expected) {
    unsigned char byte;
    if (read(pipes->ends[2 * pipe], &byte, 1) != 1) return -errno;
    if (byte != (*expected)++) return -EILSEQ;
    byte++;
    return write(pipes->ends[2 * pipe + 1], &byte, 1) == 1 ? 0 : -errno;
}

// Puts the first byte, which is zero, into every pipe.
static int fill(const baseline_pipes *pipes) {
    if (pipes->count > baseline_most_pipes) return -EINVAL;
    for (unsigned pipe = 0; pipe < pipes->count; pipe++) {
        if (write(pipes->ends[2 * pipe + 1], &(char){0}, 1) != 1) return -errno;
    }
    return 0;
}

int baseline_pipe_uring(baseline_ring *baseline, const baseline_pipes *pipes, long count) {
    struct io_uring *ring = &baseline->ring;
    unsigned char expected[baseline_most_pipes] = {0};
    int status = fill(pipes);
    if (status < 0) return status;
    for (unsigned pipe = 0; pipe < pipes->count; pipe++) {
        struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
        io_uring_prep_poll_add(sqe, pipes->ends[2 * pipe], POLLIN);
        io_uring_sqe_set_data64(sqe, pipe);
    }
    for (long done = 0; done < count; done++) {
        struct io_uring_cqe *cqe;
        if (io_uring_peek_cqe(ring, &cqe) != 0) {
            int submitted = io_uring_submit_and_wait(ring, 1);
            if (submitted < 0) return submitted;
            status = io_uring_peek_cqe(ring, &cqe);
            if (status < 0) return status;
        }
        if (cqe->res < 0) return cqe->res;
        unsigned pipe = (unsigned)cqe->user_data;
        io_uring_cqe_seen(ring, cqe);
        status = baseline_pipe_event(pipes, pipe, &expected[pipe]);
        if (status < 0) return status;
        struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
        io_uring_prep_poll_add(sqe, pipes->ends[2 * pipe], POLLIN);
        io_uring_sqe_set_data64(sqe, pipe);
    }
    return 0;
}

int baseline_pipe_epoll(const baseline_pipes *pipes, long count) {
    unsigned char expected[baseline_most_pipes] = {0};
    int status = fill(pipes);
    if (status < 0) return status;
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0) return -errno;
    for (unsigned pipe = 0; pipe < pipes->count && status == 0; pipe++) {
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = pipe};
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, pipes->ends[2 * pipe], &event) < 0) status = -errno;
    }
    for (long done = 0; done < count && status == 0; done++) {
        struct epoll_event event;
        int ready = epoll_wait(epoll, &event, 1, -1);
        if (ready == 1) {
            status = baseline_pipe_event(pipes, event.data.u32, &expected[event.data.u32]);
        } else {
            status = ready < 0 ? -errno : -EILSEQ;
        }
    }
    close(epoll);
    return status;
}

int baseline_pipe_poll(const baseline_pipes *pipes, long count) {
    unsigned char expected[baseline_most_pipes] = {0};
    int status = fill(pipes);
    if (status < 0) return status;
    struct pollfd polls[baseline_most_pipes];
    for (unsigned pipe = 0; pipe < pipes->count; pipe++) {
        polls[pipe] = (struct pollfd){.fd = pipes->ends[2 * pipe], .events = POLLIN};
    }
    unsigned next = 0;
    for (long done = 0; done < count; done++) {
        if (poll(polls, pipes->count, -1) < 1) return -errno;
        while ((polls[next].revents & POLLIN) == 0) next = (next + 1) % pipes->count;
        status = baseline_pipe_event(pipes, next, &expected[next]);
        if (status < 0) return status;
        next = (next + 1) % pipes->count;
    }
    return 0;
}
