// SPDX-License-Identifier: Apache-2.0
// Signals are counted by a handler rather than read from a signalfd, which would count several that wait as one.

#include "CEventLoop.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { SIGNAL_COUNT = 65, WAKER_COUNT = 64 };

static _Atomic uint64_t counts[SIGNAL_COUNT];
static _Atomic uint64_t total;
// A waker's number plus one, or zero.
static _Atomic int wakers[WAKER_COUNT];
// How many threads are in the handler.
static _Atomic int handling;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int users[SIGNAL_COUNT];
static struct sigaction previous[SIGNAL_COUNT];

static void handle(int signal) {
    int error = errno;
    atomic_fetch_add(&handling, 1);
    atomic_fetch_add(&counts[signal], 1);
    atomic_fetch_add(&total, 1);
    for (int index = 0; index < WAKER_COUNT; index += 1) {
        int waker = atomic_load(&wakers[index]) - 1;
        // It fails only when the eventfd is full, and that wakes as well.
        if (waker >= 0) (void)!write(waker, &(uint64_t){1}, sizeof(uint64_t));
    }
    atomic_fetch_sub(&handling, 1);
    errno = error;
}

int event_loop_signal_retain(int signal) {
    if (signal < 1 || signal >= SIGNAL_COUNT) return -EINVAL;
    pthread_mutex_lock(&lock);
    int status = 0;
    if (users[signal] == 0) {
        struct sigaction action = { .sa_handler = handle, .sa_flags = SA_RESTART };
        sigfillset(&action.sa_mask);
        if (sigaction(signal, &action, &previous[signal]) < 0) status = -errno;
    }
    if (status == 0) users[signal] += 1;
    pthread_mutex_unlock(&lock);
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, signal);
    if (status == 0) pthread_sigmask(SIG_UNBLOCK, &signals, NULL);
    return status;
}

void event_loop_signal_release(int signal) {
    pthread_mutex_lock(&lock);
    users[signal] -= 1;
    if (users[signal] == 0) sigaction(signal, &previous[signal], NULL);
    pthread_mutex_unlock(&lock);
}

uint64_t event_loop_signal_count(int signal) {
    return atomic_load(&counts[signal]);
}

uint64_t event_loop_signal_total(void) {
    return atomic_load(&total);
}

int event_loop_waker_make(void) {
    int waker = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (waker < 0) return -errno;
    for (int index = 0; index < WAKER_COUNT; index += 1) {
        int none = 0;
        if (atomic_compare_exchange_strong(&wakers[index], &none, waker + 1)) return waker;
    }
    close(waker);
    return -ENFILE;
}

void event_loop_waker_close(int waker) {
    for (int index = 0; index < WAKER_COUNT; index += 1) {
        int number = waker + 1;
        if (atomic_compare_exchange_strong(&wakers[index], &number, 0)) break;
    }
    // A handler on another thread may have read the number before.
    while (atomic_load(&handling) > 0) sched_yield();
    close(waker);
}
