// SPDX-License-Identifier: Apache-2.0

/// The C side of URing: the io_uring ABI under names of our own.
///
/// No liburing or kernel header is included here. Swift-system declares its own `struct io_uring_sqe`, and a program that
/// imports both would not compile; besides, the header of liburing 2.3 does not know what kernels after 6.0 added. Everything
/// below is the ABI as of Linux 6.18 (with the opcodes, register operations and flags that are newer, so that a probe can name them), and
/// CURing.c checks each size, offset and value against the installed header at compile time, as far as that header reaches.

#ifndef CURING_H
#define CURING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// MARK: - Submission and completion entries

/// A submission queue entry (`struct io_uring_sqe`), flat: each field stands for a union of the kernel's, whose members are
/// listed with it. Sixty-four bytes; on a ring with `CURING_SETUP_SQE128` the eighty bytes from `addr3` on are command data.
struct curing_sqe {
    /// The operation, `CURING_OP_*`.
    uint8_t opcode;
    /// `CURING_SQE_*`.
    uint8_t flags;
    /// The I/O priority, or for the socket operations `CURING_RECVSEND_*`, `CURING_RECV_*`, `CURING_SEND_*` and `CURING_ACCEPT_*`.
    uint16_t ioprio;
    /// The file descriptor, or the slot with `CURING_SQE_FIXED_FILE`; also the futex flags, a socket's domain, the `waitid` identifier, the
    /// number of provided buffers.
    int32_t fd;
    /// `off`, `addr2`; `cmd_op` is the lower-addressed half, `__pad1` the other.
    uint64_t off;
    /// `addr`, `splice_off_in`; `level` is the lower-addressed half, `optname` the other.
    uint64_t addr;
    /// `len`: bytes, entries, a mode, poll's `CURING_POLL_*` flags, cancel's opcode.
    uint32_t len;
    /// `rw_flags`, `fsync_flags`, `poll_events` (the lower-addressed half), `poll32_events` (its halves swapped on big-endian machines),
    /// `sync_range_flags`, `msg_flags`, `timeout_flags`, `accept_flags`, `cancel_flags`, `open_flags`, `statx_flags`,
    /// `fadvise_advice`, `splice_flags`, `rename_flags`, `unlink_flags`, `hardlink_flags`, `xattr_flags`, `msg_ring_flags`,
    /// `uring_cmd_flags`, `waitid_flags`, `futex_flags`, `install_fd_flags`, `nop_flags`, `pipe_flags`.
    uint32_t op_flags;
    /// Comes back in the completion.
    uint64_t user_data;
    /// `buf_index`, `buf_group`.
    uint16_t buf_index;
    /// A registered personality, or 0.
    uint16_t personality;
    /// `splice_fd_in` (signed), `file_index` (slot + 1, 0 for none, or `CURING_FILE_INDEX_ALLOC`), `zcrx_ifq_idx`, `optlen`;
    /// `addr_len` and `write_stream` are the lower-addressed half, `__pad3` the other.
    uint32_t file_index;
    /// `addr3`, `attr_ptr`, `optval`, and the start of `cmd`.
    uint64_t addr3;
    /// `__pad2`, `attr_type_mask`.
    uint64_t pad2;
};

/// A completion queue entry (`struct io_uring_cqe`) without its flexible array: on a ring with `CURING_SETUP_CQE32`, and for an entry
/// with `CURING_CQE_F_32`, sixteen more bytes of result follow it.
struct curing_cqe {
    uint64_t user_data;
    /// The result, or a negative errno.
    int32_t res;
    /// `CURING_CQE_F_*`; the upper half is the buffer's identifier with `CURING_CQE_F_BUFFER`.
    uint32_t flags;
};

// MARK: - Set-up

/// Where the submission ring's words are in its mapping (`struct io_sqring_offsets`).
struct curing_sq_offsets {
    uint32_t head;
    uint32_t tail;
    uint32_t ring_mask;
    uint32_t ring_entries;
    uint32_t flags;
    uint32_t dropped;
    /// 0 with `CURING_SETUP_NO_SQARRAY`.
    uint32_t array;
    uint32_t resv1;
    /// The entries' memory with `CURING_SETUP_NO_MMAP`.
    uint64_t user_addr;
};

/// Where the completion ring's words are in its mapping (`struct io_cqring_offsets`).
struct curing_cq_offsets {
    uint32_t head;
    uint32_t tail;
    uint32_t ring_mask;
    uint32_t ring_entries;
    uint32_t overflow;
    uint32_t cqes;
    /// 0 before Linux 5.8, which has no such word.
    uint32_t flags;
    uint32_t resv1;
    /// The rings' memory with `CURING_SETUP_NO_MMAP`.
    uint64_t user_addr;
};

/// What io_uring_setup(2) is asked for, and what it answers (`struct io_uring_params`).
struct curing_params {
    uint32_t sq_entries;
    /// Read with `CURING_SETUP_CQSIZE`.
    uint32_t cq_entries;
    /// `CURING_SETUP_*`.
    uint32_t flags;
    /// Read with `CURING_SETUP_SQ_AFF`.
    uint32_t sq_thread_cpu;
    /// Milliseconds; 0 means one second.
    uint32_t sq_thread_idle;
    /// `CURING_FEAT_*`, written by the kernel.
    uint32_t features;
    /// Another ring's descriptor, with `CURING_SETUP_ATTACH_WQ`.
    uint32_t wq_fd;
    uint32_t resv[3];
    struct curing_sq_offsets sq_off;
    struct curing_cq_offsets cq_off;
};

// MARK: - Waiting and cancelling

/// Time as the kernel takes it on every architecture (`struct __kernel_timespec`).
struct curing_timespec {
    int64_t seconds;
    int64_t nanoseconds;
};

/// The argument of io_uring_enter(2) with `CURING_ENTER_EXT_ARG` (`struct io_uring_getevents_arg`).
struct curing_getevents_arg {
    /// A `sigset_t *`, or 0.
    uint64_t sigmask;
    /// The kernel's size of a signal mask: 8.
    uint32_t sigmask_sz;
    /// With `CURING_FEAT_MIN_TIMEOUT`; `pad` in headers before 2.8.
    uint32_t min_wait_usec;
    /// A `struct curing_timespec *`, or 0.
    uint64_t ts;
};

/// An entry of a wait region, for `CURING_ENTER_EXT_ARG_REG` (`struct io_uring_reg_wait`).
struct curing_reg_wait {
    struct curing_timespec ts;
    uint32_t min_wait_usec;
    /// `CURING_REG_WAIT_TS`.
    uint32_t flags;
    uint64_t sigmask;
    uint32_t sigmask_sz;
    uint32_t pad[3];
    uint64_t pad2[2];
};

/// The argument of `CURING_REGISTER_SYNC_CANCEL` (`struct io_uring_sync_cancel_reg`).
struct curing_sync_cancel_reg {
    /// The request's user data.
    uint64_t addr;
    int32_t fd;
    /// `CURING_ASYNC_CANCEL_*`.
    uint32_t flags;
    /// Relative; both fields -1 for none.
    struct curing_timespec timeout;
    /// With `CURING_ASYNC_CANCEL_OP`; `pad[0]` in headers before 2.8.
    uint8_t opcode;
    uint8_t pad[7];
    uint64_t pad2[3];
};

/// The argument of `CURING_REGISTER_CLOCK` (`struct io_uring_clock_register`).
struct curing_clock_register {
    uint32_t clockid;
    uint32_t resv[3];
};

// MARK: - Capabilities and restrictions

/// One opcode of a probe (`struct io_uring_probe_op`).
struct curing_probe_op {
    uint8_t op;
    uint8_t resv;
    /// `CURING_PROBE_OP_SUPPORTED`.
    uint16_t flags;
    uint32_t resv2;
};

/// The head of the argument of `CURING_REGISTER_PROBE` (`struct io_uring_probe`); an array of `struct curing_probe_op` follows.
struct curing_probe {
    uint8_t last_op;
    uint8_t ops_len;
    uint16_t resv;
    uint32_t resv2[3];
};

/// The head of each entry of `CURING_REGISTER_QUERY` (`struct io_uring_query_hdr`).
struct curing_query_hdr {
    /// The next `struct curing_query_hdr *`, or 0.
    uint64_t next_entry;
    uint64_t query_data;
    /// `CURING_QUERY_*`.
    uint32_t query_op;
    uint32_t size;
    int32_t result;
    uint32_t resv[3];
};

/// The answer to `CURING_QUERY_OPCODES` (`struct io_uring_query_opcode`).
struct curing_query_opcode {
    uint32_t nr_request_opcodes;
    uint32_t nr_register_opcodes;
    uint64_t feature_flags;
    uint64_t ring_setup_flags;
    uint64_t enter_flags;
    uint64_t sqe_flags;
    uint32_t nr_query_opcodes;
    uint32_t pad;
};

/// An element of the argument of `CURING_REGISTER_RESTRICTIONS` (`struct io_uring_restriction`).
struct curing_restriction {
    /// `CURING_RESTRICTION_*`.
    uint16_t opcode;
    /// `register_op`, `sqe_op`, `sqe_flags`.
    uint8_t value;
    uint8_t resv;
    uint32_t resv2[3];
};

/// The argument of `CURING_REGISTER_NAPI` and `CURING_UNREGISTER_NAPI` (`struct io_uring_napi`).
struct curing_napi {
    /// Microseconds.
    uint32_t busy_poll_to;
    uint8_t prefer_busy_poll;
    /// `CURING_NAPI_*`; no header of liburing up to 2.15 has it.
    uint8_t opcode;
    uint8_t pad[2];
    /// `CURING_NAPI_TRACKING_*`, or a NAPI identifier.
    uint32_t op_param;
    uint32_t resv;
};

// MARK: - Registered files, buffers and memory

/// The argument of `CURING_REGISTER_FILES2` and `CURING_REGISTER_BUFFERS2` (`struct io_uring_rsrc_register`).
struct curing_rsrc_register {
    uint32_t nr;
    /// `CURING_RSRC_REGISTER_SPARSE`.
    uint32_t flags;
    uint64_t resv2;
    uint64_t data;
    uint64_t tags;
};

/// The argument of `CURING_REGISTER_FILES_UPDATE` and `CURING_REGISTER_RING_FDS` (`struct io_uring_rsrc_update`).
struct curing_rsrc_update {
    uint32_t offset;
    uint32_t resv;
    uint64_t data;
};

/// The argument of `CURING_REGISTER_FILES_UPDATE2` and `CURING_REGISTER_BUFFERS_UPDATE` (`struct io_uring_rsrc_update2`).
struct curing_rsrc_update2 {
    uint32_t offset;
    uint32_t resv;
    uint64_t data;
    uint64_t tags;
    uint32_t nr;
    uint32_t resv2;
};

/// The older name and shape of `struct curing_rsrc_update` (`struct io_uring_files_update`).
struct curing_files_update {
    uint32_t offset;
    uint32_t resv;
    /// An `int32_t *`.
    uint64_t fds;
};

/// The argument of `CURING_REGISTER_FILE_ALLOC_RANGE` (`struct io_uring_file_index_range`).
struct curing_file_index_range {
    uint32_t off;
    uint32_t len;
    uint64_t resv;
};

/// The argument of `CURING_REGISTER_CLONE_BUFFERS` (`struct io_uring_clone_buffers`).
struct curing_clone_buffers {
    uint32_t src_fd;
    /// `CURING_REGISTER_SRC_REGISTERED`, `CURING_REGISTER_DST_REPLACE`.
    uint32_t flags;
    uint32_t src_off;
    uint32_t dst_off;
    uint32_t nr;
    uint32_t pad[3];
};

/// An entry of a provided-buffer ring (`struct io_uring_buf`). The ring's tail lies over entry 0's `resv`, so an entry is
/// written field by field and that one never.
struct curing_buf {
    uint64_t addr;
    uint32_t len;
    uint16_t bid;
    uint16_t resv;
};

/// The argument of `CURING_REGISTER_PBUF_RING` and `CURING_UNREGISTER_PBUF_RING` (`struct io_uring_buf_reg`).
struct curing_buf_reg {
    uint64_t ring_addr;
    /// A power of two, at most 32768.
    uint32_t ring_entries;
    uint16_t bgid;
    /// `CURING_PBUF_RING_*`; `pad` in 2.3's header.
    uint16_t flags;
    /// With `CURING_PBUF_RING_INC`: a buffer with less left than this is finished; part of `resv` in headers before 2.15.
    uint32_t min_left;
    uint32_t resv[5];
};

/// The argument of `CURING_REGISTER_PBUF_STATUS` (`struct io_uring_buf_status`).
struct curing_buf_status {
    uint32_t buf_group;
    /// Written by the kernel.
    uint32_t head;
    uint32_t resv[8];
};

/// A memory region (`struct io_uring_region_desc`).
struct curing_region_desc {
    uint64_t user_addr;
    uint64_t size;
    /// `CURING_MEM_REGION_TYPE_*`.
    uint32_t flags;
    uint32_t id;
    uint64_t mmap_offset;
    uint64_t resv[4];
};

/// The argument of `CURING_REGISTER_MEM_REGION` (`struct io_uring_mem_region_reg`).
struct curing_mem_region_reg {
    /// A `struct curing_region_desc *`.
    uint64_t region_uptr;
    /// `CURING_MEM_REGION_REG_WAIT_ARG`.
    uint64_t flags;
    uint64_t resv[2];
};

// MARK: - What operations point to

/// How openat2(2) opens (`struct open_how`).
struct curing_open_how {
    uint64_t flags;
    uint64_t mode;
    uint64_t resolve;
};

/// A moment as statx(2) gives it (`struct statx_timestamp`), since 1970.
struct curing_statx_timestamp {
    int64_t tv_sec;
    uint32_t tv_nsec;
    int32_t reserved;
};

/// What statx(2) tells (`struct statx`).
struct curing_statx {
    /// `CURING_STATX_*`: which of the fields below are filled in.
    uint32_t mask;
    uint32_t blksize;
    /// `CURING_STATX_ATTR_*`.
    uint64_t attributes;
    uint32_t nlink;
    uint32_t uid;
    uint32_t gid;
    uint16_t mode;
    uint16_t spare0;
    uint64_t ino;
    uint64_t size;
    /// Of 512 bytes.
    uint64_t blocks;
    /// The attributes that the file system knows.
    uint64_t attributes_mask;
    struct curing_statx_timestamp atime;
    struct curing_statx_timestamp btime;
    struct curing_statx_timestamp ctime;
    struct curing_statx_timestamp mtime;
    uint32_t rdev_major;
    uint32_t rdev_minor;
    uint32_t dev_major;
    uint32_t dev_minor;
    uint64_t mnt_id;
    uint32_t dio_mem_align;
    uint32_t dio_offset_align;
    uint64_t subvol;
    uint32_t atomic_write_unit_min;
    uint32_t atomic_write_unit_max;
    uint32_t atomic_write_segments_max;
    uint32_t dio_read_offset_align;
    uint32_t atomic_write_unit_max_opt;
    uint32_t spare2;
    uint64_t spare3[8];
};

/// What a multishot `CURING_OP_RECVMSG` puts at the start of each buffer (`struct io_uring_recvmsg_out`): the name, the control
/// data and the payload follow, the first two in as much room as the request's message header set aside.
struct curing_recvmsg_out {
    uint32_t namelen;
    uint32_t controllen;
    /// The datagram's length, which may be more than what arrived.
    uint32_t payloadlen;
    uint32_t flags;
};

/// One word that `CURING_OP_FUTEX_WAITV` waits for (`struct futex_waitv`).
struct curing_futex_waitv {
    uint64_t val;
    uint64_t uaddr;
    /// `CURING_FUTEX2_*`.
    uint32_t flags;
    uint32_t resv;
};

/// A file of an epoll set and what is said of it (`struct epoll_event`), which is packed on one architecture.
struct curing_epoll_event {
    /// `EPOLL*`.
    uint32_t events;
    uint64_t data;
}
#if defined(__x86_64__)
__attribute__((packed))
#endif
;

/// What `CURING_OP_WAITID` says of a child (`siginfo_t`, whose other uses have other fields).
struct curing_siginfo {
    /// `SIGCHLD`, or 0 when there is nothing to say.
    int32_t signo;
    int32_t error;
    /// `CURING_CLD_*`.
    int32_t code;
#if UINTPTR_MAX > UINT32_MAX
    int32_t pad;
#endif
    int32_t pid;
    uint32_t uid;
    /// An exit status or a signal, by the code.
    int32_t status;
#if UINTPTR_MAX > UINT32_MAX
    int32_t rest[25];
#else
    int32_t rest[26];
#endif
};

/// Protection information of a read or write, with `CURING_RW_ATTR_FLAG_PI` (`struct io_uring_attr_pi`).
struct curing_attr_pi {
    uint16_t flags;
    uint16_t app_tag;
    uint32_t len;
    uint64_t addr;
    uint64_t seed;
    uint64_t resv;
};

// MARK: - Constants of the submission entry

// curing_sqe.opcode
static const uint8_t CURING_OP_NOP = 0;
static const uint8_t CURING_OP_READV = 1;
static const uint8_t CURING_OP_WRITEV = 2;
static const uint8_t CURING_OP_FSYNC = 3;
static const uint8_t CURING_OP_READ_FIXED = 4;
static const uint8_t CURING_OP_WRITE_FIXED = 5;
static const uint8_t CURING_OP_POLL_ADD = 6;
static const uint8_t CURING_OP_POLL_REMOVE = 7;
static const uint8_t CURING_OP_SYNC_FILE_RANGE = 8;
static const uint8_t CURING_OP_SENDMSG = 9;
static const uint8_t CURING_OP_RECVMSG = 10;
static const uint8_t CURING_OP_TIMEOUT = 11;
static const uint8_t CURING_OP_TIMEOUT_REMOVE = 12;
static const uint8_t CURING_OP_ACCEPT = 13;
static const uint8_t CURING_OP_ASYNC_CANCEL = 14;
static const uint8_t CURING_OP_LINK_TIMEOUT = 15;
static const uint8_t CURING_OP_CONNECT = 16;
static const uint8_t CURING_OP_FALLOCATE = 17;
static const uint8_t CURING_OP_OPENAT = 18;
static const uint8_t CURING_OP_CLOSE = 19;
static const uint8_t CURING_OP_FILES_UPDATE = 20;
static const uint8_t CURING_OP_STATX = 21;
static const uint8_t CURING_OP_READ = 22;
static const uint8_t CURING_OP_WRITE = 23;
static const uint8_t CURING_OP_FADVISE = 24;
static const uint8_t CURING_OP_MADVISE = 25;
static const uint8_t CURING_OP_SEND = 26;
static const uint8_t CURING_OP_RECV = 27;
static const uint8_t CURING_OP_OPENAT2 = 28;
static const uint8_t CURING_OP_EPOLL_CTL = 29;
static const uint8_t CURING_OP_SPLICE = 30;
static const uint8_t CURING_OP_PROVIDE_BUFFERS = 31;
static const uint8_t CURING_OP_REMOVE_BUFFERS = 32;
static const uint8_t CURING_OP_TEE = 33;
static const uint8_t CURING_OP_SHUTDOWN = 34;
static const uint8_t CURING_OP_RENAMEAT = 35;
static const uint8_t CURING_OP_UNLINKAT = 36;
static const uint8_t CURING_OP_MKDIRAT = 37;
static const uint8_t CURING_OP_SYMLINKAT = 38;
static const uint8_t CURING_OP_LINKAT = 39;
static const uint8_t CURING_OP_MSG_RING = 40;
static const uint8_t CURING_OP_FSETXATTR = 41;
static const uint8_t CURING_OP_SETXATTR = 42;
static const uint8_t CURING_OP_FGETXATTR = 43;
static const uint8_t CURING_OP_GETXATTR = 44;
static const uint8_t CURING_OP_SOCKET = 45;
static const uint8_t CURING_OP_URING_CMD = 46;
static const uint8_t CURING_OP_SEND_ZC = 47;
static const uint8_t CURING_OP_SENDMSG_ZC = 48;
static const uint8_t CURING_OP_READ_MULTISHOT = 49;
static const uint8_t CURING_OP_WAITID = 50;
static const uint8_t CURING_OP_FUTEX_WAIT = 51;
static const uint8_t CURING_OP_FUTEX_WAKE = 52;
static const uint8_t CURING_OP_FUTEX_WAITV = 53;
static const uint8_t CURING_OP_FIXED_FD_INSTALL = 54;
static const uint8_t CURING_OP_FTRUNCATE = 55;
static const uint8_t CURING_OP_BIND = 56;
static const uint8_t CURING_OP_LISTEN = 57;
static const uint8_t CURING_OP_RECV_ZC = 58;
static const uint8_t CURING_OP_EPOLL_WAIT = 59;
static const uint8_t CURING_OP_READV_FIXED = 60;
static const uint8_t CURING_OP_WRITEV_FIXED = 61;
static const uint8_t CURING_OP_PIPE = 62;
static const uint8_t CURING_OP_NOP128 = 63;
static const uint8_t CURING_OP_URING_CMD128 = 64;

// curing_sqe.flags
static const uint8_t CURING_SQE_FIXED_FILE = 1 << 0;
static const uint8_t CURING_SQE_IO_DRAIN = 1 << 1;
static const uint8_t CURING_SQE_IO_LINK = 1 << 2;
static const uint8_t CURING_SQE_IO_HARDLINK = 1 << 3;
static const uint8_t CURING_SQE_ASYNC = 1 << 4;
static const uint8_t CURING_SQE_BUFFER_SELECT = 1 << 5;
static const uint8_t CURING_SQE_CQE_SKIP_SUCCESS = 1 << 6;

// curing_sqe.ioprio of the send and receive operations
static const uint16_t CURING_RECVSEND_POLL_FIRST = 1 << 0;
static const uint16_t CURING_RECV_MULTISHOT = 1 << 1;
static const uint16_t CURING_RECVSEND_FIXED_BUF = 1 << 2;
static const uint16_t CURING_SEND_ZC_REPORT_USAGE = 1 << 3;
static const uint16_t CURING_RECVSEND_BUNDLE = 1 << 4;
static const uint16_t CURING_SEND_VECTORIZED = 1 << 5;

// curing_sqe.ioprio of CURING_OP_ACCEPT
static const uint16_t CURING_ACCEPT_MULTISHOT = 1 << 0;
static const uint16_t CURING_ACCEPT_DONTWAIT = 1 << 1;
static const uint16_t CURING_ACCEPT_POLL_FIRST = 1 << 2;

// curing_sqe.len of CURING_OP_POLL_ADD and CURING_OP_POLL_REMOVE; no kernel takes ADD_LEVEL
static const uint32_t CURING_POLL_ADD_MULTI = 1 << 0;
static const uint32_t CURING_POLL_UPDATE_EVENTS = 1 << 1;
static const uint32_t CURING_POLL_UPDATE_USER_DATA = 1 << 2;
static const uint32_t CURING_POLL_ADD_LEVEL = 1 << 3;

// curing_sqe.op_flags of CURING_OP_NOP
static const uint32_t CURING_NOP_INJECT_RESULT = 1 << 0;
static const uint32_t CURING_NOP_FILE = 1 << 1;
static const uint32_t CURING_NOP_FIXED_FILE = 1 << 2;
static const uint32_t CURING_NOP_FIXED_BUFFER = 1 << 3;
static const uint32_t CURING_NOP_TW = 1 << 4;
static const uint32_t CURING_NOP_CQE32 = 1 << 5;

// curing_sqe.op_flags of CURING_OP_FSYNC
static const uint32_t CURING_FSYNC_DATASYNC = 1 << 0;

// curing_sqe.op_flags of CURING_OP_TIMEOUT, CURING_OP_TIMEOUT_REMOVE and CURING_OP_LINK_TIMEOUT
static const uint32_t CURING_TIMEOUT_ABS = 1 << 0;
static const uint32_t CURING_TIMEOUT_UPDATE = 1 << 1;
static const uint32_t CURING_TIMEOUT_BOOTTIME = 1 << 2;
static const uint32_t CURING_TIMEOUT_REALTIME = 1 << 3;
static const uint32_t CURING_LINK_TIMEOUT_UPDATE = 1 << 4;
static const uint32_t CURING_TIMEOUT_ETIME_SUCCESS = 1 << 5;
static const uint32_t CURING_TIMEOUT_MULTISHOT = 1 << 6;
static const uint32_t CURING_TIMEOUT_IMMEDIATE_ARG = 1 << 7;
static const uint32_t CURING_TIMEOUT_CLOCK_MASK = (1 << 2) | (1 << 3);
static const uint32_t CURING_TIMEOUT_UPDATE_MASK = (1 << 1) | (1 << 4);

// curing_sqe.op_flags of CURING_OP_ASYNC_CANCEL, and curing_sync_cancel_reg.flags
static const uint32_t CURING_ASYNC_CANCEL_ALL = 1 << 0;
static const uint32_t CURING_ASYNC_CANCEL_FD = 1 << 1;
static const uint32_t CURING_ASYNC_CANCEL_ANY = 1 << 2;
static const uint32_t CURING_ASYNC_CANCEL_FD_FIXED = 1 << 3;
static const uint32_t CURING_ASYNC_CANCEL_USERDATA = 1 << 4;
static const uint32_t CURING_ASYNC_CANCEL_OP = 1 << 5;

// curing_sqe.op_flags of CURING_OP_SPLICE and CURING_OP_TEE
static const uint32_t CURING_SPLICE_F_MOVE = 1 << 0;
static const uint32_t CURING_SPLICE_F_NONBLOCK = 1 << 1;
static const uint32_t CURING_SPLICE_F_MORE = 1 << 2;
static const uint32_t CURING_SPLICE_F_FD_IN_FIXED = UINT32_C(1) << 31;

// curing_cqe.res of CURING_OP_SPLICE and CURING_OP_TEE that a signal to the worker has ended: the kernel's own number, in no header
static const int32_t CURING_ERESTARTSYS = -512;

// curing_sqe.op_flags of CURING_OP_SYNC_FILE_RANGE
static const uint32_t CURING_SYNC_FILE_RANGE_WAIT_BEFORE = 1 << 0;
static const uint32_t CURING_SYNC_FILE_RANGE_WRITE = 1 << 1;
static const uint32_t CURING_SYNC_FILE_RANGE_WAIT_AFTER = 1 << 2;

// curing_sqe.op_flags of CURING_OP_FADVISE
static const uint32_t CURING_FADV_NORMAL = 0;
static const uint32_t CURING_FADV_RANDOM = 1;
static const uint32_t CURING_FADV_SEQUENTIAL = 2;
static const uint32_t CURING_FADV_WILLNEED = 3;
static const uint32_t CURING_FADV_DONTNEED = 4;
static const uint32_t CURING_FADV_NOREUSE = 5;

// curing_sqe.op_flags of CURING_OP_MSG_RING
static const uint32_t CURING_MSG_RING_CQE_SKIP = 1 << 0;
static const uint32_t CURING_MSG_RING_FLAGS_PASS = 1 << 1;

// curing_sqe.op_flags of CURING_OP_FIXED_FD_INSTALL
static const uint32_t CURING_FIXED_FD_NO_CLOEXEC = 1 << 0;

// curing_sqe.op_flags of CURING_OP_URING_CMD
static const uint32_t CURING_URING_CMD_FIXED = 1 << 0;
static const uint32_t CURING_URING_CMD_MULTISHOT = 1 << 1;

// curing_sqe.addr of CURING_OP_MSG_RING: what is sent
static const uint64_t CURING_MSG_DATA = 0;
static const uint64_t CURING_MSG_SEND_FD = 1;

// curing_sqe.off of CURING_OP_URING_CMD on a socket, in the half that is cmd_op
static const uint32_t CURING_SOCKET_OP_SIOCINQ = 0;
static const uint32_t CURING_SOCKET_OP_SIOCOUTQ = 1;
static const uint32_t CURING_SOCKET_OP_GETSOCKOPT = 2;
static const uint32_t CURING_SOCKET_OP_SETSOCKOPT = 3;
static const uint32_t CURING_SOCKET_OP_TX_TIMESTAMP = 4;
static const uint32_t CURING_SOCKET_OP_GETSOCKNAME = 5;

// curing_sqe.file_index: the kernel picks the slot
static const uint32_t CURING_FILE_INDEX_ALLOC = UINT32_MAX;

// curing_sqe.pad2 (attr_type_mask) of the read and write operations
static const uint64_t CURING_RW_ATTR_FLAG_PI = 1 << 0;

// curing_sqe.fd of CURING_OP_FUTEX_WAIT and CURING_OP_FUTEX_WAKE, and curing_futex_waitv.flags
static const uint32_t CURING_FUTEX2_SIZE_U32 = 2;
static const uint32_t CURING_FUTEX2_PRIVATE = 128;

// curing_sqe.len of CURING_OP_EPOLL_CTL
static const uint32_t CURING_EPOLL_CTL_ADD = 1;
static const uint32_t CURING_EPOLL_CTL_DEL = 2;
static const uint32_t CURING_EPOLL_CTL_MOD = 3;

// curing_epoll_event.events that only epoll knows
static const uint32_t CURING_EPOLLONESHOT = 1u << 30;
static const uint32_t CURING_EPOLLET = 1u << 31;

// curing_open_how.resolve
static const uint64_t CURING_RESOLVE_NO_XDEV = 1 << 0;
static const uint64_t CURING_RESOLVE_NO_MAGICLINKS = 1 << 1;
static const uint64_t CURING_RESOLVE_NO_SYMLINKS = 1 << 2;
static const uint64_t CURING_RESOLVE_BENEATH = 1 << 3;
static const uint64_t CURING_RESOLVE_IN_ROOT = 1 << 4;
static const uint64_t CURING_RESOLVE_CACHED = 1 << 5;

// curing_sqe.op_flags of CURING_OP_SETXATTR and CURING_OP_FSETXATTR
static const uint32_t CURING_XATTR_CREATE = 1;
static const uint32_t CURING_XATTR_REPLACE = 2;

// curing_sqe.len of CURING_OP_WAITID: what the descriptor names
static const uint32_t CURING_P_ALL = 0;
static const uint32_t CURING_P_PID = 1;
static const uint32_t CURING_P_PGID = 2;
static const uint32_t CURING_P_PIDFD = 3;

// curing_sqe.file_index of CURING_OP_WAITID
static const uint32_t CURING_WNOHANG = 0x1;
static const uint32_t CURING_WSTOPPED = 0x2;
static const uint32_t CURING_WEXITED = 0x4;
static const uint32_t CURING_WCONTINUED = 0x8;
static const uint32_t CURING_WNOWAIT = 0x1000000;

// curing_siginfo.code that CURING_OP_WAITID gives
static const int32_t CURING_CLD_EXITED = 1;
static const int32_t CURING_CLD_KILLED = 2;
static const int32_t CURING_CLD_DUMPED = 3;
static const int32_t CURING_CLD_STOPPED = 5;
static const int32_t CURING_CLD_CONTINUED = 6;

// In place of a directory's descriptor
static const int32_t CURING_AT_FDCWD = -100;

// curing_sqe.op_flags of CURING_OP_STATX, CURING_OP_UNLINKAT and CURING_OP_LINKAT
static const uint32_t CURING_AT_SYMLINK_NOFOLLOW = 0x100;
static const uint32_t CURING_AT_REMOVEDIR = 0x200;
static const uint32_t CURING_AT_SYMLINK_FOLLOW = 0x400;
static const uint32_t CURING_AT_NO_AUTOMOUNT = 0x800;
static const uint32_t CURING_AT_EMPTY_PATH = 0x1000;
static const uint32_t CURING_AT_STATX_FORCE_SYNC = 0x2000;
static const uint32_t CURING_AT_STATX_DONT_SYNC = 0x4000;

// curing_sqe.op_flags of CURING_OP_OPENAT, and curing_open_how.flags
static const uint32_t CURING_O_RDONLY = 0;
static const uint32_t CURING_O_WRONLY = 01;
static const uint32_t CURING_O_RDWR = 02;
static const uint32_t CURING_O_CREAT = 0100;
static const uint32_t CURING_O_EXCL = 0200;
static const uint32_t CURING_O_NOCTTY = 0400;
static const uint32_t CURING_O_TRUNC = 01000;
static const uint32_t CURING_O_APPEND = 02000;
static const uint32_t CURING_O_NONBLOCK = 04000;
static const uint32_t CURING_O_DSYNC = 010000;
#if defined(__arm__) || defined(__aarch64__)
static const uint32_t CURING_O_DIRECT = 0200000;
static const uint32_t CURING_O_DIRECTORY = 040000;
static const uint32_t CURING_O_NOFOLLOW = 0100000;
static const uint32_t CURING_O_TMPFILE = 020040000;
#else
static const uint32_t CURING_O_DIRECT = 040000;
static const uint32_t CURING_O_DIRECTORY = 0200000;
static const uint32_t CURING_O_NOFOLLOW = 0400000;
static const uint32_t CURING_O_TMPFILE = 020200000;
#endif
static const uint32_t CURING_O_NOATIME = 01000000;
static const uint32_t CURING_O_CLOEXEC = 02000000;
static const uint32_t CURING_O_SYNC = 04010000;
static const uint32_t CURING_O_PATH = 010000000;

// curing_sqe.len of CURING_OP_STATX, and curing_statx.mask
static const uint32_t CURING_STATX_TYPE = 0x1;
static const uint32_t CURING_STATX_MODE = 0x2;
static const uint32_t CURING_STATX_NLINK = 0x4;
static const uint32_t CURING_STATX_UID = 0x8;
static const uint32_t CURING_STATX_GID = 0x10;
static const uint32_t CURING_STATX_ATIME = 0x20;
static const uint32_t CURING_STATX_MTIME = 0x40;
static const uint32_t CURING_STATX_CTIME = 0x80;
static const uint32_t CURING_STATX_INO = 0x100;
static const uint32_t CURING_STATX_SIZE = 0x200;
static const uint32_t CURING_STATX_BLOCKS = 0x400;
static const uint32_t CURING_STATX_BASIC_STATS = 0x7ff;
static const uint32_t CURING_STATX_BTIME = 0x800;
static const uint32_t CURING_STATX_MNT_ID = 0x1000;
static const uint32_t CURING_STATX_DIOALIGN = 0x2000;
static const uint32_t CURING_STATX_MNT_ID_UNIQUE = 0x4000;
static const uint32_t CURING_STATX_SUBVOL = 0x8000;
static const uint32_t CURING_STATX_WRITE_ATOMIC = 0x10000;
static const uint32_t CURING_STATX_DIO_READ_ALIGN = 0x20000;

// curing_statx.attributes and curing_statx.attributes_mask
static const uint64_t CURING_STATX_ATTR_COMPRESSED = 0x4;
static const uint64_t CURING_STATX_ATTR_IMMUTABLE = 0x10;
static const uint64_t CURING_STATX_ATTR_APPEND = 0x20;
static const uint64_t CURING_STATX_ATTR_NODUMP = 0x40;
static const uint64_t CURING_STATX_ATTR_ENCRYPTED = 0x800;
static const uint64_t CURING_STATX_ATTR_AUTOMOUNT = 0x1000;
static const uint64_t CURING_STATX_ATTR_MOUNT_ROOT = 0x2000;
static const uint64_t CURING_STATX_ATTR_VERITY = 0x100000;
static const uint64_t CURING_STATX_ATTR_DAX = 0x200000;
static const uint64_t CURING_STATX_ATTR_WRITE_ATOMIC = 0x400000;

// curing_sqe.op_flags of CURING_OP_RENAMEAT
static const uint32_t CURING_RENAME_NOREPLACE = 1 << 0;
static const uint32_t CURING_RENAME_EXCHANGE = 1 << 1;
static const uint32_t CURING_RENAME_WHITEOUT = 1 << 2;

// curing_sqe.len of CURING_OP_FALLOCATE
static const uint32_t CURING_FALLOC_FL_KEEP_SIZE = 0x1;
static const uint32_t CURING_FALLOC_FL_PUNCH_HOLE = 0x2;
static const uint32_t CURING_FALLOC_FL_COLLAPSE_RANGE = 0x8;
static const uint32_t CURING_FALLOC_FL_ZERO_RANGE = 0x10;
static const uint32_t CURING_FALLOC_FL_INSERT_RANGE = 0x20;
static const uint32_t CURING_FALLOC_FL_UNSHARE_RANGE = 0x40;
static const uint32_t CURING_FALLOC_FL_WRITE_ZEROES = 0x80;

// curing_sqe.op_flags of the read and write operations
static const uint32_t CURING_RWF_HIPRI = 0x1;
static const uint32_t CURING_RWF_DSYNC = 0x2;
static const uint32_t CURING_RWF_SYNC = 0x4;
static const uint32_t CURING_RWF_NOWAIT = 0x8;
static const uint32_t CURING_RWF_APPEND = 0x10;
static const uint32_t CURING_RWF_NOAPPEND = 0x20;
static const uint32_t CURING_RWF_ATOMIC = 0x40;
static const uint32_t CURING_RWF_DONTCACHE = 0x80;
static const uint32_t CURING_RWF_NOSIGNAL = 0x100;

// MARK: - Constants of the completion entry

// curing_cqe.flags
static const uint32_t CURING_CQE_F_BUFFER = 1 << 0;
static const uint32_t CURING_CQE_F_MORE = 1 << 1;
static const uint32_t CURING_CQE_F_SOCK_NONEMPTY = 1 << 2;
static const uint32_t CURING_CQE_F_NOTIF = 1 << 3;
static const uint32_t CURING_CQE_F_BUF_MORE = 1 << 4;
static const uint32_t CURING_CQE_F_SKIP = 1 << 5;
static const uint32_t CURING_CQE_F_32 = 1 << 15;
static const uint32_t CURING_CQE_F_TSTAMP_HW = 1 << 16;

// curing_cqe.flags that no kernel sets: what the ring itself has to say of a linked operation
static const uint32_t CURING_NOTE_CANCELLED_BY_LINK = 1 << 13;
static const uint32_t CURING_NOTE_TIMED_OUT = 1 << 14;

// curing_cqe.flags: where the buffer's identifier, and for a transmit timestamp its type, begin
static const uint32_t CURING_CQE_BUFFER_SHIFT = 16;
static const uint32_t CURING_TIMESTAMP_HW_SHIFT = 16;
static const uint32_t CURING_TIMESTAMP_TYPE_SHIFT = 17;

// curing_cqe.res, as a bit pattern, of a notification that was asked for with CURING_SEND_ZC_REPORT_USAGE
static const uint32_t CURING_NOTIF_USAGE_ZC_COPIED = UINT32_C(1) << 31;

// MARK: - Constants of the ring

// curing_params.flags
static const uint32_t CURING_SETUP_IOPOLL = 1 << 0;
static const uint32_t CURING_SETUP_SQPOLL = 1 << 1;
static const uint32_t CURING_SETUP_SQ_AFF = 1 << 2;
static const uint32_t CURING_SETUP_CQSIZE = 1 << 3;
static const uint32_t CURING_SETUP_CLAMP = 1 << 4;
static const uint32_t CURING_SETUP_ATTACH_WQ = 1 << 5;
static const uint32_t CURING_SETUP_R_DISABLED = 1 << 6;
static const uint32_t CURING_SETUP_SUBMIT_ALL = 1 << 7;
static const uint32_t CURING_SETUP_COOP_TASKRUN = 1 << 8;
static const uint32_t CURING_SETUP_TASKRUN_FLAG = 1 << 9;
static const uint32_t CURING_SETUP_SQE128 = 1 << 10;
static const uint32_t CURING_SETUP_CQE32 = 1 << 11;
static const uint32_t CURING_SETUP_SINGLE_ISSUER = 1 << 12;
static const uint32_t CURING_SETUP_DEFER_TASKRUN = 1 << 13;
static const uint32_t CURING_SETUP_NO_MMAP = 1 << 14;
static const uint32_t CURING_SETUP_REGISTERED_FD_ONLY = 1 << 15;
static const uint32_t CURING_SETUP_NO_SQARRAY = 1 << 16;
static const uint32_t CURING_SETUP_HYBRID_IOPOLL = 1 << 17;
static const uint32_t CURING_SETUP_CQE_MIXED = 1 << 18;
static const uint32_t CURING_SETUP_SQE_MIXED = 1 << 19;
static const uint32_t CURING_SETUP_SQ_REWIND = 1 << 20;

// curing_params.features
static const uint32_t CURING_FEAT_SINGLE_MMAP = 1 << 0;
static const uint32_t CURING_FEAT_NODROP = 1 << 1;
static const uint32_t CURING_FEAT_SUBMIT_STABLE = 1 << 2;
static const uint32_t CURING_FEAT_RW_CUR_POS = 1 << 3;
static const uint32_t CURING_FEAT_CUR_PERSONALITY = 1 << 4;
static const uint32_t CURING_FEAT_FAST_POLL = 1 << 5;
static const uint32_t CURING_FEAT_POLL_32BITS = 1 << 6;
static const uint32_t CURING_FEAT_SQPOLL_NONFIXED = 1 << 7;
static const uint32_t CURING_FEAT_EXT_ARG = 1 << 8;
static const uint32_t CURING_FEAT_NATIVE_WORKERS = 1 << 9;
static const uint32_t CURING_FEAT_RSRC_TAGS = 1 << 10;
static const uint32_t CURING_FEAT_CQE_SKIP = 1 << 11;
static const uint32_t CURING_FEAT_LINKED_FILE = 1 << 12;
static const uint32_t CURING_FEAT_REG_REG_RING = 1 << 13;
static const uint32_t CURING_FEAT_RECVSEND_BUNDLE = 1 << 14;
static const uint32_t CURING_FEAT_MIN_TIMEOUT = 1 << 15;
static const uint32_t CURING_FEAT_RW_ATTR = 1 << 16;
static const uint32_t CURING_FEAT_NO_IOWAIT = 1 << 17;

// The flags of io_uring_enter(2); EXT_ARG_REG is ignored unless EXT_ARG is given too
static const uint32_t CURING_ENTER_GETEVENTS = 1 << 0;
static const uint32_t CURING_ENTER_SQ_WAKEUP = 1 << 1;
static const uint32_t CURING_ENTER_SQ_WAIT = 1 << 2;
static const uint32_t CURING_ENTER_EXT_ARG = 1 << 3;
static const uint32_t CURING_ENTER_REGISTERED_RING = 1 << 4;
static const uint32_t CURING_ENTER_ABS_TIMER = 1 << 5;
static const uint32_t CURING_ENTER_EXT_ARG_REG = 1 << 6;
static const uint32_t CURING_ENTER_NO_IOWAIT = 1 << 7;

// curing_reg_wait.flags
static const uint32_t CURING_REG_WAIT_TS = 1 << 0;

// *curing_ring.sq_flags, written by the kernel
static const uint32_t CURING_SQ_NEED_WAKEUP = 1 << 0;
static const uint32_t CURING_SQ_CQ_OVERFLOW = 1 << 1;
static const uint32_t CURING_SQ_TASKRUN = 1 << 2;

// *curing_ring.cq_flags, written by us
static const uint32_t CURING_CQ_EVENTFD_DISABLED = 1 << 0;

// The offset of mmap(2) on the ring's descriptor; a buffer ring is at OFF_PBUF_RING | group << OFF_PBUF_SHIFT
static const uint64_t CURING_OFF_SQ_RING = 0;
static const uint64_t CURING_OFF_CQ_RING = 0x8000000;
static const uint64_t CURING_OFF_SQES = 0x10000000;
static const uint64_t CURING_OFF_PBUF_RING = 0x80000000;
static const uint64_t CURING_OFF_PBUF_SHIFT = 16;
static const uint64_t CURING_OFF_MMAP_MASK = 0xf8000000;

// MARK: - Constants of io_uring_register(2)

// The opcode of io_uring_register(2)
static const uint32_t CURING_REGISTER_BUFFERS = 0;
static const uint32_t CURING_UNREGISTER_BUFFERS = 1;
static const uint32_t CURING_REGISTER_FILES = 2;
static const uint32_t CURING_UNREGISTER_FILES = 3;
static const uint32_t CURING_REGISTER_EVENTFD = 4;
static const uint32_t CURING_UNREGISTER_EVENTFD = 5;
static const uint32_t CURING_REGISTER_FILES_UPDATE = 6;
static const uint32_t CURING_REGISTER_EVENTFD_ASYNC = 7;
static const uint32_t CURING_REGISTER_PROBE = 8;
static const uint32_t CURING_REGISTER_PERSONALITY = 9;
static const uint32_t CURING_UNREGISTER_PERSONALITY = 10;
static const uint32_t CURING_REGISTER_RESTRICTIONS = 11;
static const uint32_t CURING_REGISTER_ENABLE_RINGS = 12;
static const uint32_t CURING_REGISTER_FILES2 = 13;
static const uint32_t CURING_REGISTER_FILES_UPDATE2 = 14;
static const uint32_t CURING_REGISTER_BUFFERS2 = 15;
static const uint32_t CURING_REGISTER_BUFFERS_UPDATE = 16;
static const uint32_t CURING_REGISTER_IOWQ_AFF = 17;
static const uint32_t CURING_UNREGISTER_IOWQ_AFF = 18;
static const uint32_t CURING_REGISTER_IOWQ_MAX_WORKERS = 19;
static const uint32_t CURING_REGISTER_RING_FDS = 20;
static const uint32_t CURING_UNREGISTER_RING_FDS = 21;
static const uint32_t CURING_REGISTER_PBUF_RING = 22;
static const uint32_t CURING_UNREGISTER_PBUF_RING = 23;
static const uint32_t CURING_REGISTER_SYNC_CANCEL = 24;
static const uint32_t CURING_REGISTER_FILE_ALLOC_RANGE = 25;
static const uint32_t CURING_REGISTER_PBUF_STATUS = 26;
static const uint32_t CURING_REGISTER_NAPI = 27;
static const uint32_t CURING_UNREGISTER_NAPI = 28;
static const uint32_t CURING_REGISTER_CLOCK = 29;
static const uint32_t CURING_REGISTER_CLONE_BUFFERS = 30;
static const uint32_t CURING_REGISTER_SEND_MSG_RING = 31;
static const uint32_t CURING_REGISTER_ZCRX_IFQ = 32;
static const uint32_t CURING_REGISTER_RESIZE_RINGS = 33;
static const uint32_t CURING_REGISTER_MEM_REGION = 34;
static const uint32_t CURING_REGISTER_QUERY = 35;
static const uint32_t CURING_REGISTER_ZCRX_CTRL = 36;
static const uint32_t CURING_REGISTER_BPF_FILTER = 37;

// Added to the opcode of io_uring_register(2): the descriptor is a registered ring's index
static const uint32_t CURING_REGISTER_USE_REGISTERED_RING = UINT32_C(1) << 31;

// curing_probe_op.flags
static const uint16_t CURING_PROBE_OP_SUPPORTED = 1 << 0;

// curing_query_hdr.query_op
static const uint32_t CURING_QUERY_OPCODES = 0;
static const uint32_t CURING_QUERY_ZCRX = 1;
static const uint32_t CURING_QUERY_SCQ = 2;

// curing_rsrc_register.flags
static const uint32_t CURING_RSRC_REGISTER_SPARSE = 1 << 0;

// In an array of descriptors for CURING_REGISTER_FILES_UPDATE: leave this slot alone
static const int32_t CURING_REGISTER_FILES_SKIP = -2;

// curing_clone_buffers.flags
static const uint32_t CURING_REGISTER_SRC_REGISTERED = 1 << 0;
static const uint32_t CURING_REGISTER_DST_REPLACE = 1 << 1;

// curing_buf_reg.flags
static const uint16_t CURING_PBUF_RING_MMAP = 1 << 0;
static const uint16_t CURING_PBUF_RING_INC = 1 << 1;

// Bytes from the start of a buffer ring to its 16-bit tail
static const uint32_t CURING_BUF_RING_TAIL_OFFSET = 14;

// curing_region_desc.flags
static const uint32_t CURING_MEM_REGION_TYPE_USER = 1 << 0;

// curing_mem_region_reg.flags
static const uint64_t CURING_MEM_REGION_REG_WAIT_ARG = 1 << 0;

// curing_restriction.opcode
static const uint16_t CURING_RESTRICTION_REGISTER_OP = 0;
static const uint16_t CURING_RESTRICTION_SQE_OP = 1;
static const uint16_t CURING_RESTRICTION_SQE_FLAGS_ALLOWED = 2;
static const uint16_t CURING_RESTRICTION_SQE_FLAGS_REQUIRED = 3;

// Indexes into the two counts of CURING_REGISTER_IOWQ_MAX_WORKERS
static const uint32_t CURING_WQ_BOUND = 0;
static const uint32_t CURING_WQ_UNBOUND = 1;

// curing_napi.opcode
static const uint8_t CURING_NAPI_REGISTER_OP = 0;
static const uint8_t CURING_NAPI_STATIC_ADD_ID = 1;
static const uint8_t CURING_NAPI_STATIC_DEL_ID = 2;

// curing_napi.op_param with CURING_NAPI_REGISTER_OP
static const uint32_t CURING_NAPI_TRACKING_DYNAMIC = 0;
static const uint32_t CURING_NAPI_TRACKING_STATIC = 1;
static const uint32_t CURING_NAPI_TRACKING_INACTIVE = 255;

// MARK: - Memory ordering

/// Reads a word the kernel publishes, such as the completion tail or the submission head. Acquire: whatever the kernel wrote
/// before it stored the word (the completions up to the tail) is visible after this read, and what it had read before (the
/// submission entries up to the head) may be overwritten after it.
static inline uint32_t curing_load_acquire_u32(const uint32_t *address) {
    return __atomic_load_n(address, __ATOMIC_ACQUIRE);
}

/// Reads a word whose neighbours do not matter: one that this side alone writes, or flags that are only a hint to enter the
/// kernel. Relaxed: the value is whole, nothing else is ordered by it.
static inline uint32_t curing_load_relaxed_u32(const uint32_t *address) {
    return __atomic_load_n(address, __ATOMIC_RELAXED);
}

/// Publishes the submission tail or the completion head. Release: the entries written before it are complete when the kernel
/// sees the new tail, and the completions read before it are done with when the kernel sees the new head.
static inline void curing_store_release_u32(uint32_t *address, uint32_t value) {
    __atomic_store_n(address, value, __ATOMIC_RELEASE);
}

/// Writes a word that publishes nothing, such as the eventfd flag of the completion ring. Relaxed: the store is whole, nothing
/// else is ordered by it.
static inline void curing_store_relaxed_u32(uint32_t *address, uint32_t value) {
    __atomic_store_n(address, value, __ATOMIC_RELAXED);
}

/// Sets a word that threads share, and returns what it was. Acquire and release: whatever happened before the word was set to what is
/// returned has happened before this, and this before whoever reads what is set.
static inline uint32_t curing_exchange_u32(uint32_t *address, uint32_t value) {
    return __atomic_exchange_n(address, value, __ATOMIC_ACQ_REL);
}

/// Sets such a word if it is the expected one, and returns what it was. Ordered likewise.
static inline uint32_t curing_compare_exchange_u32(uint32_t *address, uint32_t expected, uint32_t desired) {
    __atomic_compare_exchange_n(address, &expected, desired, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
    return expected;
}

/// Adds to such a word, and returns what it was. Ordered likewise.
static inline uint32_t curing_fetch_add_u32(uint32_t *address, uint32_t operand) {
    return __atomic_fetch_add(address, operand, __ATOMIC_ACQ_REL);
}

/// Publishes the tail of a provided-buffer ring. Release: the buffer entries written before it are complete when the kernel sees
/// the new tail.
static inline void curing_store_release_u16(uint16_t *address, uint16_t value) {
    __atomic_store_n(address, value, __ATOMIC_RELEASE);
}

/// Stands between the store of the submission tail and the load of the submission flags. Sequentially consistent, because only that
/// keeps a store before a later load: without it this side could miss NEED_WAKEUP while the polling thread misses the tail, and
/// both would sleep.
static inline void curing_full_fence(void) {
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

// MARK: - The ring

/// A ring's mapped memory as Swift reads it. The pointers stay valid until `curing_ring_destroy`.
struct curing_ring {
    uint32_t *sq_head;
    uint32_t *sq_tail;
    uint32_t *sq_flags;
    uint32_t *sq_dropped;
    /// Entry `i` is at `sqes[(i & sq_mask) << sqe_shift]`.
    struct curing_sqe *sqes;
    uint32_t sq_entries;
    uint32_t sq_mask;
    /// 1 with `CURING_SETUP_SQE128`, else 0.
    uint32_t sqe_shift;
    uint32_t *cq_head;
    uint32_t *cq_tail;
    /// NULL before Linux 5.8.
    uint32_t *cq_flags;
    uint32_t *cq_overflow;
    /// Entry `i` is at `cqes[(i & cq_mask) << cqe_shift]`.
    struct curing_cqe *cqes;
    uint32_t cq_entries;
    uint32_t cq_mask;
    /// 1 with `CURING_SETUP_CQE32`, else 0; also 0 with `CURING_SETUP_CQE_MIXED`, where an entry tells its own size.
    uint32_t cqe_shift;
    /// `CURING_SETUP_*`, as asked for.
    uint32_t setup_flags;
    /// `CURING_FEAT_*`, as answered.
    uint32_t features;
    int32_t fd;
    /// The `struct io_uring` that liburing mapped; nobody else's business.
    void *state;
};

/// Creates a ring and maps it. The kernel makes the descriptor close-on-exec. Unless `keep_on_fork` is true, a forked child does not
/// inherit the mappings: one that used them would move the parent's indexes.
///
/// Returns 0 and fills `out` and `params`, or returns a negative errno with `out` cleared, `params` untouched and everything
/// released; only `out->features` tells then whether the kernel had made the ring, whose mapping failed. `CURING_SETUP_NO_MMAP` and
/// `CURING_SETUP_REGISTERED_FD_ONLY` are not supported yet: -EINVAL.
int curing_ring_create(struct curing_ring *out, uint32_t entries, struct curing_params *params, bool keep_on_fork);

/// Gives a ring queues of other sizes (`CURING_REGISTER_RESIZE_RINGS`), and maps them in place of the old ones. All entries up to `sq_tail`
/// are copied here, also those behind the published tail, and all completions; the kernel's own copies of large ones may be wrong. With
/// `cq_entries` 0 the completion queue has twice the entries of the other.
///
/// Returns 0 with the pointers and sizes in `ring` changed, or a negative errno with nothing changed: -EINVAL unless the ring has
/// `CURING_SETUP_DEFER_TASKRUN` and `CURING_SETUP_NO_SQARRAY`, -EOVERFLOW if the new queues cannot hold what the old ones do.
int curing_ring_resize(struct curing_ring *ring, uint32_t sq_entries, uint32_t cq_entries, uint32_t sq_tail, bool keep_on_fork);

/// Unmaps the ring, closes its descriptor and clears the structure; does nothing on a cleared one. The kernel cancels what is in flight
/// only after this has returned: memory that requests refer to must outlive them.
void curing_ring_destroy(struct curing_ring *ring);

/// Is io_uring_enter(2): returns the count of entries consumed, or a negative errno. `arg` and `size` are a signal mask, with
/// `CURING_ENTER_EXT_ARG` a `struct curing_getevents_arg`, and with `CURING_ENTER_EXT_ARG_REG` as well an offset into the wait
/// region and 64.
int curing_enter(int fd, uint32_t to_submit, uint32_t min_complete, uint32_t flags, const void *arg, size_t size);

/// Is io_uring_register(2): returns what the kernel does, or a negative errno.
int curing_register(int fd, uint32_t opcode, const void *arg, uint32_t nr_args);

/// The version of the liburing that is loaded, if compiled against 2.4 or newer. 2.3 cannot say: compiled against it, the answer
/// is 2 and 3, whatever is loaded.
int curing_liburing_major_version(void);
int curing_liburing_minor_version(void);

/// A number that no other ring of this process got (until 2^32 - 1 of them were made), never 0.
uint32_t curing_next_ring_identity(void);

/// How many forks are between this process and the one that first asked. A child that was made without fork(3), by a system call of its own,
/// has the number of its parent.
uint32_t curing_process_identity(void);

/// A number that no other thread of this process gets, never 0.
uint64_t curing_thread_identity(void);

/// The only processor that the calling thread may run on, or -1 if there are several.
int32_t curing_only_processor(void);

/// Another number for an open descriptor, close-on-exec, which `curing_replace` can be called for. Returns it, or a negative errno.
int curing_duplicate(int fd);

/// Has a number that `curing_duplicate` returned mean a file that does nothing.
void curing_replace(int fd);

/// Are futex(2) with FUTEX_WAKE_PRIVATE and FUTEX_WAIT_PRIVATE, whose time is relative, or NULL for none. They return what the kernel does,
/// or a negative errno.
int32_t curing_futex_wake(uint32_t *word, int32_t count);
int32_t curing_futex_wait(uint32_t *word, uint32_t value, const struct curing_timespec *timeout);

/// Is pipe2(2), which Swift's Glibc module does not have; returns 0 or a negative errno.
int curing_pipe(int32_t *pair, int32_t flags);

/// Is epoll_create1(2), with close-on-exec; returns the number or a negative errno.
int curing_epoll_create(void);

/// Is pidfd_open(2), which glibc 2.36 and newer have; returns the number or a negative errno.
int curing_pidfd_open(int32_t process, uint32_t flags);

/// Makes an eventfd that is non-blocking and close-on-exec; returns its number or a negative errno.
int curing_eventfd(uint32_t count);

/// The limit on locked memory in bytes (RLIMIT_MEMLOCK, which Swift's Glibc module does not have), or -1 when there is none.
int64_t curing_locked_memory_limit(void);

#endif
