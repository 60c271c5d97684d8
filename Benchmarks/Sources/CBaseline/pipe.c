// SPDX-License-Identifier: Apache-2.0

#include "CBaseline.h"
#include "ring.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

// Newer headers have a name for it.
enum { op_epoll_wait = 59, epoll_wait_most = 64 };

int baseline_pipe_event(const baseline_pipes *pipes, unsigned pipe, unsigned char *expected) {
    unsigned char byte;
    if (read(pipes->ends[2 * pipe], &byte, 1) != 1) return -errno;
    if (byte != (*expected)++) return -EILSEQ;
    byte++;
    return write(pipes->ends[2 * pipe + 1], &byte, 1) == 1 ? 0 : -errno;
}

int baseline_pipe_fill(const baseline_pipes *pipes) {
    if (pipes->count > baseline_most_pipes) return -EINVAL;
    for (unsigned pipe = 0; pipe < pipes->count; pipe++) {
        if (write(pipes->ends[2 * pipe + 1], &(char){0}, 1) != 1) return -errno;
    }
    return 0;
}

int baseline_pipe_epoll_set(const baseline_pipes *pipes) {
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0) return -errno;
    for (unsigned pipe = 0; pipe < pipes->count; pipe++) {
        struct epoll_event event = {.events = EPOLLIN, .data.u64 = pipe};
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, pipes->ends[2 * pipe], &event) < 0) {
            int status = -errno;
            close(epoll);
            return status;
        }
    }
    return epoll;
}

// A completion's user data, result and flags, taken out of the queue; submits when there is none, and waits only if nothing of that is
// complete at once.
typedef struct taken {
    uint64_t user_data;
    int result;
    unsigned flags;
} taken;

static inline int take(struct io_uring *ring, taken *taken) {
    struct io_uring_cqe *cqe;
    if (io_uring_peek_cqe(ring, &cqe) != 0) {
        int status = io_uring_submit(ring);
        if (status < 0) return status;
        status = io_uring_wait_cqe(ring, &cqe);
        if (status < 0) return status;
    }
    taken->user_data = cqe->user_data;
    taken->result = cqe->res;
    taken->flags = cqe->flags;
    io_uring_cqe_seen(ring, cqe);
    return taken->result < 0 ? taken->result : 0;
}

static inline void prepare_poll(struct io_uring *ring, const baseline_pipes *pipes, unsigned pipe, bool is_fixed, bool is_multishot) {
    struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
    int file = is_fixed ? (int)(2 * pipe) : pipes->ends[2 * pipe];
    if (is_multishot) {
        io_uring_prep_poll_multishot(sqe, file, POLLIN);
    } else {
        io_uring_prep_poll_add(sqe, file, POLLIN);
    }
    if (is_fixed) sqe->flags |= IOSQE_FIXED_FILE;
    io_uring_sqe_set_data64(sqe, pipe);
}

static int run_polls(struct io_uring *ring, const baseline_pipes *pipes, baseline_pipe_style style, unsigned char *expected, long count) {
    bool is_multishot = style == baseline_pipe_multishot;
    bool is_fixed = is_multishot || style == baseline_pipe_lazy_fixed;
    for (unsigned pipe = 0; pipe < pipes->count; pipe++) prepare_poll(ring, pipes, pipe, is_fixed, is_multishot);
    for (long done = 0; done < count; done++) {
        if (style == baseline_pipe_eager) {
            int submitted = io_uring_submit_and_wait(ring, 1);
            if (submitted < 0) return submitted;
        }
        taken taken;
        int status = take(ring, &taken);
        if (status < 0) return status;
        unsigned pipe = (unsigned)taken.user_data;
        status = baseline_pipe_event(pipes, pipe, &expected[pipe]);
        if (status < 0) return status;
        if ((taken.flags & IORING_CQE_F_MORE) == 0) prepare_poll(ring, pipes, pipe, is_fixed, is_multishot);
    }
    return 0;
}

static int run_epoll_set(struct io_uring *ring, const baseline_pipes *pipes, int epoll, unsigned char *expected, long count) {
    struct epoll_event events[epoll_wait_most];
    for (long done = 0; done < count;) {
        struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
        io_uring_prep_rw(op_epoll_wait, sqe, epoll, events, epoll_wait_most, 0);
        taken taken;
        int status = take(ring, &taken);
        if (status < 0) return status;
        for (int index = 0; index < taken.result && done < count; index++, done++) {
            unsigned pipe = events[index].data.u32;
            status = baseline_pipe_event(pipes, pipe, &expected[pipe]);
            if (status < 0) return status;
        }
    }
    return 0;
}

static inline void prepare_transfer(struct io_uring *ring, unsigned pipe, bool is_write, unsigned char *byte) {
    struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
    if (is_write) {
        io_uring_prep_write(sqe, (int)(2 * pipe + 1), byte, 1, (uint64_t)-1);
    } else {
        io_uring_prep_read(sqe, (int)(2 * pipe), byte, 1, (uint64_t)-1);
    }
    sqe->flags |= IOSQE_FIXED_FILE;
    io_uring_sqe_set_data64(sqe, 2 * pipe + is_write);
}

static int run_transfers(struct io_uring *ring, const baseline_pipes *pipes, unsigned char *expected, long count) {
    unsigned char read[baseline_most_pipes], written[baseline_most_pipes];
    for (unsigned pipe = 0; pipe < pipes->count; pipe++) prepare_transfer(ring, pipe, false, &read[pipe]);
    for (long done = 0; done < count;) {
        taken taken;
        int status = take(ring, &taken);
        if (status < 0) return status;
        if (taken.result != 1) return -EILSEQ;
        if (taken.user_data & 1) continue;
        unsigned pipe = (unsigned)(taken.user_data / 2);
        if (read[pipe] != expected[pipe]++) return -EILSEQ;
        written[pipe] = (unsigned char)(read[pipe] + 1);
        prepare_transfer(ring, pipe, true, &written[pipe]);
        prepare_transfer(ring, pipe, false, &read[pipe]);
        done++;
    }
    // What was prepared last uses memory that is about to go.
    int submitted = io_uring_submit(ring);
    if (submitted < 0) return submitted;
    struct io_uring_sync_cancel_reg cancel = {
        .flags = IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL, .fd = -1, .timeout = {.tv_sec = -1, .tv_nsec = -1}};
    int status = io_uring_register_sync_cancel(ring, &cancel);
    return status < 0 && status != -ENOENT ? status : 0;
}

int baseline_pipe_uring(baseline_ring *baseline, const baseline_pipes *pipes, baseline_pipe_style style, long count) {
    struct io_uring *ring = &baseline->ring;
    unsigned char expected[baseline_most_pipes] = {0};
    int status = baseline_pipe_fill(pipes);
    if (status < 0) return status;
    switch (style) {
    case baseline_pipe_eager:
    case baseline_pipe_lazy:
        return run_polls(ring, pipes, style, expected, count);
    case baseline_pipe_epoll_wait: {
        int epoll = baseline_pipe_epoll_set(pipes);
        if (epoll < 0) return epoll;
        status = run_epoll_set(ring, pipes, epoll, expected, count);
        close(epoll);
        return status;
    }
    case baseline_pipe_lazy_fixed:
    case baseline_pipe_multishot:
    case baseline_pipe_transfers:
        status = io_uring_register_files(ring, pipes->ends, 2 * pipes->count);
        if (status < 0) return status;
        status = io_uring_register_ring_fd(ring);
        if (status < 0) return status;
        return style == baseline_pipe_transfers ? run_transfers(ring, pipes, expected, count)
                                                : run_polls(ring, pipes, style, expected, count);
    }
    return -EINVAL;
}

int baseline_pipe_epoll(const baseline_pipes *pipes, long count) {
    unsigned char expected[baseline_most_pipes] = {0};
    int status = baseline_pipe_fill(pipes);
    if (status < 0) return status;
    int epoll = baseline_pipe_epoll_set(pipes);
    if (epoll < 0) return epoll;
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
    int status = baseline_pipe_fill(pipes);
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
