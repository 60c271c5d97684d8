// SPDX-License-Identifier: Apache-2.0

#include "CBaseline.h"
#include "ring.h"

#include <errno.h>
#include <limits.h>
#include <sys/socket.h>

enum { user_data_send, user_data_timeout, user_data_tick };

// A wheel of timers as small as it can be: a list for each tick, of timers that may have been put off.
enum { slot_count = 256, ticks_of_send = 16 };
typedef struct timer {
    struct timer *next;
    long tick, deadline;
} timer;
typedef struct wheel {
    timer *slots[slot_count];
    long now;
} wheel;

static const struct __kernel_timespec tick_time = {.tv_nsec = 100000000};

static void set_timer(wheel *wheel, timer *timer) {
    timer->tick = timer->deadline;
    timer->next = wheel->slots[timer->tick % slot_count];
    wheel->slots[timer->tick % slot_count] = timer;
}

// Gives a timer its time; one that comes too early is set again then.
static inline void put_off(wheel *wheel, timer *timer) {
    timer->deadline = wheel->now + ticks_of_send;
    if (timer->deadline < timer->tick) set_timer(wheel, timer);
}

static int turn(wheel *wheel) {
    wheel->now++;
    timer **link = &wheel->slots[wheel->now % slot_count], *due = *link;
    *link = NULL;
    while (due != NULL) {
        timer *next = due->next;
        due->tick = LONG_MAX;
        if (due->deadline <= wheel->now) return -ETIME;
        if (due->deadline < due->tick) set_timer(wheel, due);
        due = next;
    }
    return 0;
}

static void prepare_tick(struct io_uring *ring) {
    struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
    io_uring_prep_timeout(sqe, (struct __kernel_timespec *)&tick_time, 0, 0);
    io_uring_sqe_set_data64(sqe, user_data_tick);
}

int baseline_receive_byte(int receiver, long number) {
    unsigned char byte;
    ssize_t count = recv(receiver, &byte, 1, 0);
    if (count != 1) return count < 0 ? -errno : -EILSEQ;
    return byte == (unsigned char)number ? 0 : -EILSEQ;
}

// Waits until a send is done, and what is linked to it. Ticks come in between.
static inline int finish(struct io_uring *ring, wheel *wheel, unsigned wanted) {
    bool is_sent = false;
    for (unsigned seen = 0; seen < wanted;) {
        int status = enter(ring, wanted - seen);
        if (status < 0) return status;
        unsigned head, all = 0;
        struct io_uring_cqe *cqe;
        io_uring_for_each_cqe(ring, head, cqe) {
            all++;
            if (cqe->user_data == user_data_tick) {
                if (cqe->res != -ETIME) return -EILSEQ;
                status = turn(wheel);
                if (status < 0) return status;
                prepare_tick(ring);
                continue;
            }
            if (cqe->user_data == user_data_timeout) {
                if (cqe->res != -ECANCELED && cqe->res != -ENOENT) return -EILSEQ;
            } else {
                if (cqe->res != 1) return cqe->res < 0 ? cqe->res : -EILSEQ;
                is_sent = true;
            }
            seen++;
        }
        io_uring_cq_advance(ring, all);
    }
    return is_sent ? 0 : -EILSEQ;
}

int baseline_send_bytes(baseline_ring *baseline, int sender, int receiver, baseline_send_time time, long count) {
    struct io_uring *ring = &baseline->ring;
    struct __kernel_timespec minute = {.tv_sec = 60};
    wheel wheel = {0};
    timer timer = {.tick = LONG_MAX, .deadline = LONG_MAX};
    if (time == baseline_send_wheel) prepare_tick(ring);
    for (long number = 0; number < count; number++) {
        unsigned char byte = (unsigned char)number;
        struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
        io_uring_prep_send(sqe, sender, &byte, 1, MSG_NOSIGNAL);
        io_uring_sqe_set_data64(sqe, user_data_send);
        if (time == baseline_send_linked) {
            sqe->flags |= IOSQE_IO_LINK;
            sqe = io_uring_get_sqe(ring);
            io_uring_prep_link_timeout(sqe, &minute, 0);
            io_uring_sqe_set_data64(sqe, user_data_timeout);
        } else if (time == baseline_send_wheel) {
            put_off(&wheel, &timer);
        }
        int status = finish(ring, &wheel, time == baseline_send_linked ? 2 : 1);
        if (status == 0) status = baseline_receive_byte(receiver, number);
        if (status < 0) return status;
        if (time == baseline_send_wheel) timer.deadline = LONG_MAX;
    }
    return 0;
}
