// SPDX-License-Identifier: Apache-2.0

#include "CProcess.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

int process_stop_descriptor(void) {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    if (sigprocmask(SIG_BLOCK, &signals, NULL) < 0) return -errno;
    int descriptor = signalfd(-1, &signals, SFD_CLOEXEC);
    return descriptor < 0 ? -errno : descriptor;
}

void process_raise_file_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return;
    limit.rlim_cur = limit.rlim_max;
    // A process may always raise the one limit to the other.
    setrlimit(RLIMIT_NOFILE, &limit);
}

static long long microseconds(struct timeval time) {
    return (long long)time.tv_sec * 1000000 + time.tv_usec;
}

process_time process_used_time(void) {
    struct rusage usage = {0};
    getrusage(RUSAGE_SELF, &usage);
    return (process_time){ .user = microseconds(usage.ru_utime), .system = microseconds(usage.ru_stime) };
}

long long process_voluntary_switches(void) {
    struct rusage usage = {0};
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_nvcsw;
}
