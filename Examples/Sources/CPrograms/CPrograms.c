// SPDX-License-Identifier: Apache-2.0

#include "CPrograms.h"

#include <errno.h>
#include <liburing.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int programs_try_tracepoint_program(void) {
    // r0 = 0; exit
    struct bpf_insn instructions[] = {
        { .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0 },
        { .code = BPF_JMP | BPF_EXIT },
    };
    union bpf_attr attributes = {
        .prog_type = BPF_PROG_TYPE_RAW_TRACEPOINT,
        .insn_cnt = 2,
        .insns = (uint64_t)(uintptr_t)instructions,
        .license = (uint64_t)(uintptr_t)"GPL",
    };
    long program = syscall(SYS_bpf, BPF_PROG_LOAD, &attributes, sizeof attributes);
    if (program < 0) return -errno;
    close((int)program);
    return 0;
}

int programs_forbid_entering(void) {
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_enter, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { .len = sizeof filter / sizeof filter[0], .filter = filter };
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return -errno;
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0) return -errno;
    return 0;
}

int programs_give_up_rights(void) {
    struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {0};
    return syscall(SYS_capset, &header, none) < 0 ? -errno : 0;
}

static long long nanoseconds(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

struct pipes {
    int there[2];
    int back[2];
    long long count;
};

static void *send_back(void *argument) {
    struct pipes *pipes = argument;
    char byte;
    for (long long index = 0; index < pipes->count; index++) {
        if (read(pipes->there[0], &byte, 1) != 1 || write(pipes->back[1], &byte, 1) != 1) break;
    }
    close(pipes->back[1]);
    return NULL;
}

long long programs_ping_pong_through_pipes(long long count) {
    struct pipes pipes = { .count = count };
    if (pipe(pipes.there) < 0) return -errno;
    if (pipe(pipes.back) < 0) return -errno;
    pthread_t thread;
    int status = pthread_create(&thread, NULL, send_back, &pipes);
    if (status != 0) return -status;
    char byte = 0;
    long long start = nanoseconds();
    for (long long index = 0; index < count; index++) {
        if (write(pipes.there[1], &byte, 1) != 1 || read(pipes.back[0], &byte, 1) != 1) break;
    }
    long long end = nanoseconds();
    close(pipes.there[1]);
    pthread_join(thread, NULL);
    close(pipes.there[0]);
    close(pipes.back[0]);
    return end - start;
}

int programs_copy(int source, int destination, size_t block_byte_count) {
    char *block = malloc(block_byte_count);
    if (block == NULL) return -ENOMEM;
    int status = 0;
    for (off_t offset = 0;;) {
        ssize_t count = pread(source, block, block_byte_count, offset);
        if (count > 0) count = pwrite(destination, block, (size_t)count, offset);
        if (count < 0) status = -errno;
        if (count <= 0) break;
        offset += count;
    }
    free(block);
    return status;
}

// Queues operations, each but the last linked to the next if they are to be.
static void queue_nops(struct io_uring *ring, unsigned size, bool is_linked) {
    for (unsigned index = 0; index < size; index++) {
        struct io_uring_sqe *entry = io_uring_get_sqe(ring);
        io_uring_prep_nop(entry);
        if (is_linked && index + 1 < size) entry->flags |= IOSQE_IO_LINK;
    }
}

// Takes what has completed: how many, or a negated error number.
static int take_nops(struct io_uring *ring) {
    struct io_uring_cqe *completion;
    unsigned head;
    int count = 0, status = 0;
    io_uring_for_each_cqe(ring, head, completion) {
        if (completion->res < 0) status = completion->res;
        count++;
    }
    io_uring_cq_advance(ring, (unsigned)count);
    return status < 0 ? status : count;
}

// The flags of the programs' rings, of which the installed liburing may not know all.
enum {
    SETUP_SUBMIT_ALL = 1 << 7,
    SETUP_SINGLE_ISSUER = 1 << 12,
    SETUP_DEFER_TASKRUN = 1 << 13,
};

long long programs_run_nops(long long count, unsigned size, bool is_linked, bool polls) {
    struct io_uring_params parameters = {
        .flags = SETUP_SUBMIT_ALL | SETUP_SINGLE_ISSUER | (polls ? IORING_SETUP_SQPOLL : SETUP_DEFER_TASKRUN),
        .sq_thread_idle = 1000,
    };
    struct io_uring ring;
    int status = io_uring_queue_init_params(64, &ring, &parameters);
    if (status < 0) return status;
    long long start = nanoseconds();
    while (count > 0 && status >= 0) {
        unsigned missing = count < size ? (unsigned)count : size;
        count -= missing;
        queue_nops(&ring, missing, is_linked);
        while (missing > 0 && status >= 0) {
            status = polls ? io_uring_submit(&ring) : io_uring_submit_and_wait(&ring, missing);
            if (polls) sched_yield();
            if (status >= 0) status = take_nops(&ring);
            if (status > 0) missing -= (unsigned)status;
        }
    }
    long long end = nanoseconds();
    io_uring_queue_exit(&ring);
    return status < 0 ? status : end - start;
}
