// SPDX-License-Identifier: Apache-2.0
// poll(2) and epoll, with one handler for each call of the kernel.

#include "Pipes.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

double pipes_run_poll(long long calls) {
    int count = pipes_handler_count();
    struct pollfd *descriptors = calloc((size_t)count, sizeof *descriptors);
    if (!descriptors) return -ENOMEM;
    for (int index = 0; index < count; index += 1) {
        descriptors[index] = (struct pollfd){ .fd = pipes_descriptor(index), .events = pipes_events(index) };
    }
    int next = 0;
    double start = pipes_seconds();
    for (long long call = 0; call < calls; call += 1) {
        if (poll(descriptors, (nfds_t)count, -1) < 1) abort();
        // The search goes on behind the handler that was called last, so that each has its turn.
        while (!descriptors[next].revents) next = next + 1 < count ? next + 1 : 0;
        pipes_handle(next);
        next = next + 1 < count ? next + 1 : 0;
    }
    double seconds = pipes_seconds() - start;
    free(descriptors);
    return seconds;
}

double pipes_run_epoll(long long calls) {
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0) return -errno;
    for (int index = 0; index < pipes_handler_count(); index += 1) {
        struct epoll_event event = { .events = (uint32_t)pipes_events(index), .data.u32 = (uint32_t)index };
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, pipes_descriptor(index), &event) < 0) abort();
    }
    double start = pipes_seconds();
    for (long long call = 0; call < calls; call += 1) {
        struct epoll_event event;
        if (epoll_wait(epoll, &event, 1, -1) != 1) abort();
        pipes_handle((int)event.data.u32);
    }
    double seconds = pipes_seconds() - start;
    close(epoll);
    return seconds;
}
