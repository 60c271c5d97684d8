// SPDX-License-Identifier: Apache-2.0

#include "CEventLoop.h"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

void event_loop_clear(int event_descriptor) {
    uint64_t count;
    (void)!read(event_descriptor, &count, sizeof count);
}

uint32_t event_loop_readiness(int descriptor, uint32_t events) {
    struct pollfd poll_descriptor = { .fd = descriptor, .events = (short)events };
    int count;
    do count = poll(&poll_descriptor, 1, 0); while (count < 0 && errno == EINTR);
    return count > 0 ? (uint16_t)poll_descriptor.revents : 0;
}

static int control(int epoll, int operation, int descriptor, uint32_t events, uint64_t data) {
    struct epoll_event event = { .events = events, .data.u64 = data };
    return epoll_ctl(epoll, operation, descriptor, &event) < 0 ? -errno : 0;
}

int event_loop_epoll_add(int epoll, int descriptor, uint32_t events, uint64_t data) {
    return control(epoll, EPOLL_CTL_ADD, descriptor, events, data);
}

int event_loop_epoll_change(int epoll, int descriptor, uint32_t events, uint64_t data) {
    return control(epoll, EPOLL_CTL_MOD, descriptor, events, data);
}

int event_loop_epoll_remove(int epoll, int descriptor) {
    return control(epoll, EPOLL_CTL_DEL, descriptor, 0, 0);
}
