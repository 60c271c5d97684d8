// SPDX-License-Identifier: Apache-2.0

#include "CProcess.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

// Whoever started the program may have closed standard descriptors. The next file to be opened, such as a copy, would have the number of one, and
// what is meant for people would be written into it. So something else has it, which gives nothing and takes nothing.
__attribute__((constructor)) static void fill_standard_descriptors(void) {
    for (int number = STDIN_FILENO; number <= STDERR_FILENO; number += 1) {
        if (fcntl(number, F_GETFD) < 0 && errno == EBADF) open("/dev/null", number == STDIN_FILENO ? O_WRONLY : O_RDONLY);
    }
}

// The bytes of one character in UTF-8, or 0 if there is none; a text ends with a NUL.
static int character_bytes(const unsigned char *text) {
    int count = text[0] < 0x80 ? 1 : text[0] < 0xC2 ? 0 : text[0] < 0xE0 ? 2 : text[0] < 0xF0 ? 3 : text[0] < 0xF5 ? 4 : 0;
    for (int index = 1; index < count; index += 1) {
        if ((text[index] & 0xC0) != 0x80) return 0;
    }
    // What is longer than it has to be, half of a surrogate pair, and what is beyond the last character.
    if (text[0] == 0xE0 && text[1] < 0xA0) return 0;
    if (text[0] == 0xED && text[1] >= 0xA0) return 0;
    if (text[0] == 0xF0 && text[1] < 0x90) return 0;
    if (text[0] == 0xF4 && text[1] >= 0x90) return 0;
    return count;
}

static void refuse(const char *sentence) {
    ssize_t written = write(STDERR_FILENO, sentence, strlen(sentence));
    (void)written;
    _exit(1);
}

// Swift reads the arguments from /proc, and has none where that is not mounted. In those that are not UTF-8 it replaces what is wrong, and the name
// of one file may become another's.
__attribute__((constructor)) static void check_arguments(int count, char **arguments) {
    if (count > 1 && access("/proc/self/cmdline", R_OK) < 0) refuse("Error: The arguments cannot be read: /proc is not mounted.\n");
    for (int index = 1; index < count; index += 1) {
        const unsigned char *text = (const unsigned char *)arguments[index];
        while (*text != 0) {
            int bytes = character_bytes(text);
            if (bytes == 0) refuse("Error: An argument is not UTF-8, as a name of a file has to be here.\n");
            text += bytes;
        }
    }
}

// Whether the program was started to outlive its terminal, as nohup starts it.
static bool outlives_terminal(void) {
    struct sigaction action;
    return sigaction(SIGHUP, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

// Changes whether SIGINT, SIGTERM and, where it ends the program, SIGHUP are blocked.
static int change_mask(int how, sigset_t *signals) {
    sigemptyset(signals);
    sigaddset(signals, SIGINT);
    sigaddset(signals, SIGTERM);
    if (!outlives_terminal()) sigaddset(signals, SIGHUP);
    return sigprocmask(how, signals, NULL) < 0 ? -errno : 0;
}

int process_stop_descriptor(void) {
    static int descriptor = -1;
    sigset_t signals;
    int status = change_mask(SIG_BLOCK, &signals);
    if (status < 0) return status;
    if (descriptor < 0) descriptor = signalfd(-1, &signals, SFD_CLOEXEC);
    return descriptor < 0 ? -errno : descriptor;
}

void process_allow_end(void) {
    sigset_t signals;
    change_mask(SIG_UNBLOCK, &signals);
}

enum { CHILD_COUNT = 64 };

// Process identifiers, or zero.
static _Atomic pid_t children[CHILD_COUNT];

// Whether a process is being started that is not among them yet, and the signal that came meanwhile, or zero.
static atomic_bool is_starting;
static atomic_int held_signal;

static void end_with_children(int signal_number) {
    if (atomic_load(&is_starting)) {
        atomic_store(&held_signal, signal_number);
        return;
    }
    // The last first: what uses another of them, and was started after it, is not to complain that it is gone.
    for (int index = CHILD_COUNT - 1; index >= 0; index -= 1) {
        pid_t child = atomic_load(&children[index]);
        if (child > 0) kill(child, SIGTERM);
    }
    // What the signal does to any other program, when the handler returns.
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

int process_begin_adoption(void) {
    struct sigaction action = { .sa_handler = end_with_children };
    sigemptyset(&action.sa_mask);
    if (sigaction(SIGINT, &action, NULL) < 0 || sigaction(SIGTERM, &action, NULL) < 0 || sigaction(SIGQUIT, &action, NULL) < 0)
        return -errno;
    if (!outlives_terminal() && sigaction(SIGHUP, &action, NULL) < 0) return -errno;
    // Whoever started this process may have blocked them.
    process_allow_end();
    atomic_store(&is_starting, true);
    return 0;
}

int process_adopt(int child) {
    int status = child > 0 ? -EAGAIN : 0;
    for (int index = 0; index < CHILD_COUNT && status < 0; index += 1) {
        pid_t none = 0;
        if (atomic_compare_exchange_strong(&children[index], &none, child)) status = 0;
    }
    atomic_store(&is_starting, false);
    int signal_number = atomic_exchange(&held_signal, 0);
    if (signal_number != 0) end_with_children(signal_number);
    return status;
}

void process_release(int child) {
    for (int index = 0; index < CHILD_COUNT; index += 1) {
        pid_t present = child;
        if (atomic_compare_exchange_strong(&children[index], &present, 0)) return;
    }
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

long long process_used_time_of(int process) {
    // Linux has no larger identifiers, and the number of a clock has no room for them: it would be another process's.
    if (process <= 0 || process > 1 << 22) return -ESRCH;
    clockid_t clock;
    int status = clock_getcpuclockid(process, &clock);
    struct timespec time;
    if (status == 0 && clock_gettime(clock, &time) < 0) status = errno;
    return status == 0 ? (long long)time.tv_sec * 1000000000 + time.tv_nsec : -status;
}

void process_use_exact_timers(void) {
    prctl(PR_SET_TIMERSLACK, 1UL);
}

long long process_voluntary_switches(void) {
    struct rusage usage = {0};
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_nvcsw;
}
