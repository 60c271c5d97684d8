// SPDX-License-Identifier: Apache-2.0

#include "Pipes.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static int (*ends)[2];
static int count;
static long long bytes_read;

int pipes_open(int wanted) {
    pipes_close();
    ends = calloc((size_t)wanted, sizeof *ends);
    if (!ends) return -ENOMEM;
    for (; count < wanted; count += 1) {
        if (pipe2(ends[count], O_CLOEXEC) < 0) {
            int error = errno;
            pipes_close();
            return -error;
        }
    }
    bytes_read = 0;
    return 0;
}

void pipes_close(void) {
    for (int index = 0; index < count; index += 1) {
        close(ends[index][0]);
        close(ends[index][1]);
    }
    free(ends);
    ends = NULL;
    count = 0;
}

int pipes_read_end(int index) {
    return ends[index][0];
}

int pipes_write_end(int index) {
    return ends[index][1];
}

void pipes_read(int read_end) {
    char byte;
    if (read(read_end, &byte, 1) != 1) abort();
    bytes_read += 1;
}

void pipes_write(int write_end) {
    if (write(write_end, "", 1) != 1) abort();
}

long long pipes_bytes_read(void) {
    return bytes_read;
}

int pipes_handler_count(void) {
    return 2 * count;
}

int pipes_descriptor(int handler) {
    return handler < count ? ends[handler][0] : ends[handler - count][1];
}

short pipes_events(int handler) {
    return handler < count ? POLLIN : POLLOUT;
}

void pipes_handle(int handler) {
    if (handler < count) pipes_read(ends[handler][0]);
    else pipes_write(ends[handler - count][1]);
}

double pipes_seconds(void) {
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

void pipes_bind_thread(void) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(sched_getcpu(), &set);
    sched_setaffinity(0, sizeof set, &set);
}
