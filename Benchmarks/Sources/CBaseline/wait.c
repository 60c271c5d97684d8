// SPDX-License-Identifier: Apache-2.0

#include "CBaseline.h"
#include "ring.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// What newer headers have: `struct io_uring_reg_wait`, `struct io_uring_region_desc` and `struct io_uring_mem_region_reg`.
enum { register_mem_region = 34, enter_ext_arg_reg = 1 << 6, wait_has_time = 1, region_is_user_memory = 1, region_is_for_waits = 1 };
typedef struct registered_wait {
    struct __kernel_timespec time;
    uint32_t minimum_microseconds, flags;
    uint64_t signals;
    uint32_t signals_size, pad[3];
    uint64_t pad2[2];
} registered_wait;
typedef struct region_description {
    uint64_t address, size;
    uint32_t flags, id;
    uint64_t offset, reserved[4];
} region_description;
typedef struct region_registration {
    uint64_t region, flags, reserved[2];
} region_registration;

static const struct __kernel_timespec minute = {.tv_sec = 60};

// Describes a wait of a minute at the beginning of a page, registers that, and enables the ring.
static int register_wait(struct io_uring *ring, void *page, size_t size) {
    memset(page, 0, size);
    *(registered_wait *)page = (registered_wait){.time = minute, .flags = wait_has_time, .signals_size = 8};
    region_description region = {.address = (uintptr_t)page, .size = size, .flags = region_is_user_memory};
    region_registration registration = {.region = (uintptr_t)&region, .flags = region_is_for_waits};
    int status = io_uring_register((unsigned)ring->ring_fd, register_mem_region, &registration, 1);
    // liburing 2.3 declares a function for it, and does not export that.
    return status < 0 ? status : io_uring_register((unsigned)ring->ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
}

// What newer liburings have as `io_uring_submit_and_wait_reg`.
static inline int enter_registered(struct io_uring *ring) {
    unsigned tail = ring->sq.sqe_tail, prepared = tail - ring->sq.sqe_head;
    ring->sq.sqe_head = tail;
    io_uring_smp_store_release(ring->sq.ktail, tail);
    // The wait is at offset 0 of the region.
    return io_uring_enter2(
        (unsigned)ring->enter_ring_fd, prepared, 1, IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG | enter_ext_arg_reg, NULL,
        sizeof(registered_wait));
}

static inline __attribute__((always_inline)) int wait(struct io_uring *ring, baseline_wait_style style, long count) {
    struct __kernel_timespec time = minute;
    struct io_uring_cqe *cqe;
    for (long done = 0; done < count; done++) {
        struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
        io_uring_prep_nop(sqe);
        io_uring_sqe_set_data64(sqe, (uint64_t)done);
        int submitted = style == baseline_wait_timeout  ? io_uring_submit_and_wait_timeout(ring, &cqe, 1, &time, NULL)
                        : style == baseline_wait_region ? enter_registered(ring)
                                                        : io_uring_submit_and_wait(ring, 1);
        if (submitted != 1) return submitted < 0 ? submitted : -EAGAIN;
        if (io_uring_peek_cqe(ring, &cqe) != 0) return -EILSEQ;
        if (cqe->res < 0) return cqe->res;
        if (cqe->user_data != (uint64_t)done) return -EILSEQ;
        io_uring_cqe_seen(ring, cqe);
    }
    return 0;
}

static int wait_registered(struct io_uring *ring, long count) {
    size_t size = (size_t)sysconf(_SC_PAGESIZE);
    void *page = aligned_alloc(size, size);
    if (page == NULL) return -ENOMEM;
    int status = register_wait(ring, page, size);
    if (status == 0) status = wait(ring, baseline_wait_region, count);
    // The kernel has pinned the page, and looks at it only in calls that wait.
    free(page);
    return status;
}

int baseline_wait(baseline_ring *baseline, baseline_wait_style style, long count) {
    struct io_uring *ring = &baseline->ring;
    switch (style) {
    case baseline_wait_plain:
        return wait(ring, baseline_wait_plain, count);
    case baseline_wait_timeout:
        return wait(ring, baseline_wait_timeout, count);
    case baseline_wait_region:
        return wait_registered(ring, count);
    case baseline_wait_registered: {
        int status = io_uring_register_ring_fd(ring);
        return status < 0 ? status : wait(ring, baseline_wait_plain, count);
    }
    }
    return -EINVAL;
}
