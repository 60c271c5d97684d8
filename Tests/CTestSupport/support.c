// SPDX-License-Identifier: Apache-2.0

#include "CTestSupport.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

// The same number on every architecture but Alpha.
#ifndef __NR_io_uring_setup
#define __NR_io_uring_setup 425
#define __NR_io_uring_enter 426
#endif

int32_t test_open_direct(void) {
    return O_DIRECT;
}

size_t test_allocated_byte_count(void) {
#if __GLIBC__ > 2 || __GLIBC_MINOR__ >= 33
    struct mallinfo2 info = mallinfo2();
#else
    struct mallinfo info = mallinfo();
#endif
    return (size_t)info.uordblks + (size_t)info.hblkhd;
}

static int32_t answer_of(pid_t child) {
    if (child < 0)
        return -errno;
    int status = 0;
    while (waitpid(child, &status, 0) < 0) {
        if (errno != EINTR)
            return -errno;
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -EFAULT;
}

int32_t test_child_maps(const void *address) {
    pid_t child = fork();
    if (child == 0) {
        unsigned char residency;
        void *page = (void *)((uintptr_t)address & ~((uintptr_t)sysconf(_SC_PAGESIZE) - 1));
        _exit(mincore(page, 1, &residency) == 0 ? 1 : errno == ENOMEM ? 0 : 2);
    }
    int32_t answer = answer_of(child);
    return answer == 2 ? -EINVAL : answer;
}

int32_t test_child_submits(int32_t ring) {
    pid_t child = fork();
    if (child == 0) {
        long result = syscall(__NR_io_uring_enter, ring, 1, 0, 0, NULL, 8);
        _exit(result < 0 ? 100 + errno : (int)result);
    }
    int32_t answer = answer_of(child);
    return answer >= 100 ? 100 - answer : answer;
}

int32_t test_forbid_rings(int32_t error) {
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ((unsigned)error & SECCOMP_RET_DATA)),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return -errno;
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0 ? 0 : -errno;
}

static int32_t set_limit(int resource, uint64_t limit) {
    struct rlimit limits;
    if (getrlimit(resource, &limits) != 0)
        return -errno;
    limits.rlim_cur = limit;
    return setrlimit(resource, &limits) == 0 ? 0 : -errno;
}

int32_t test_limit_descriptors(uint64_t limit) { return set_limit(RLIMIT_NOFILE, limit); }

int32_t test_limit_addresses(uint64_t byte_count) { return set_limit(RLIMIT_AS, byte_count); }

int32_t test_limit_locked_memory(uint64_t limit) {
    int32_t status = set_limit(RLIMIT_MEMLOCK, limit);
    if (status != 0)
        return status;
    // The kernel does not count what a process with CAP_IPC_LOCK locks. 65534 is nobody.
    return geteuid() != 0 || setuid(65534) == 0 ? 0 : -errno;
}

int32_t test_listen(void) {
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0)
        return -errno;
    // A name of the family alone has the kernel choose one.
    sa_family_t name = AF_UNIX;
    if (bind(listener, (struct sockaddr *)&name, sizeof(name)) != 0 || listen(listener, 128) != 0) {
        int32_t error = errno;
        close(listener);
        return -error;
    }
    return listener;
}

int32_t test_connect(int32_t listener) {
    struct sockaddr_un name;
    socklen_t size = sizeof(name);
    if (getsockname(listener, (struct sockaddr *)&name, &size) != 0)
        return -errno;
    int peer = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (peer < 0)
        return -errno;
    if (connect(peer, (struct sockaddr *)&name, size) != 0) {
        int32_t error = errno;
        close(peer);
        return -error;
    }
    return peer;
}

int32_t test_eventfd(void) {
    int descriptor = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return descriptor < 0 ? -errno : descriptor;
}

int32_t test_send(int32_t socket, const void *bytes, size_t count) {
    ssize_t sent = send(socket, bytes, count, MSG_NOSIGNAL | MSG_DONTWAIT);
    return sent < 0 ? -errno : (int32_t)sent;
}
