// SPDX-License-Identifier: Apache-2.0

// The only file that sees liburing's header: it proves CURing.h right against it, and calls the library.

#include "CURing.h"

#if !__has_include(<liburing.h>)
#error "URing needs liburing 2.3 or newer, with its header; on Debian and Ubuntu: apt-get install liburing-dev"
#endif

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

// The version macros exist from 2.4 on.
#ifdef IO_URING_VERSION_MAJOR
#define HEADER_SINCE(major, minor) \
    (IO_URING_VERSION_MAJOR > (major) || (IO_URING_VERSION_MAJOR == (major) && IO_URING_VERSION_MINOR >= (minor)))
#else
#define HEADER_SINCE(major, minor) ((major) == 2 && (minor) <= 3)
#endif

// MARK: - Layout

/// A structure has the size of the kernel's.
#define SAME_SIZE(ours, theirs) _Static_assert(sizeof(struct ours) == sizeof(struct theirs), #ours " is not as large as " #theirs)

/// A field of ours starts where a member of the kernel's does.
#define SAME_START(ours, field, theirs, member) \
    _Static_assert( \
        offsetof(struct ours, field) == offsetof(struct theirs, member), \
        #ours "." #field " does not start where " #theirs "." #member " does")

/// A field of ours has the place and the size of a member of the kernel's.
#define SAME_FIELD(ours, field, theirs, member) \
    SAME_START(ours, field, theirs, member); \
    _Static_assert( \
        sizeof(((struct ours *)0)->field) == sizeof(((struct theirs *)0)->member), \
        #ours "." #field " is not as large as " #theirs "." #member)

/// The size of a structure, for those that an old header does not have.
#define SIZE(ours, bytes) _Static_assert(sizeof(struct ours) == (bytes), #ours " is not " #bytes " bytes")

SIZE(curing_sqe, 64);
SIZE(curing_cqe, 16);
SIZE(curing_sq_offsets, 40);
SIZE(curing_cq_offsets, 40);
SIZE(curing_params, 120);
SIZE(curing_timespec, 16);
SIZE(curing_getevents_arg, 24);
SIZE(curing_reg_wait, 64);
SIZE(curing_sync_cancel_reg, 64);
SIZE(curing_clock_register, 16);
SIZE(curing_probe_op, 8);
SIZE(curing_probe, 16);
SIZE(curing_query_hdr, 40);
SIZE(curing_query_opcode, 48);
SIZE(curing_restriction, 16);
SIZE(curing_napi, 16);
SIZE(curing_rsrc_register, 32);
SIZE(curing_rsrc_update, 16);
SIZE(curing_rsrc_update2, 32);
SIZE(curing_files_update, 16);
SIZE(curing_file_index_range, 16);
SIZE(curing_clone_buffers, 32);
SIZE(curing_buf, 16);
SIZE(curing_buf_reg, 40);
SIZE(curing_buf_status, 40);
SIZE(curing_region_desc, 64);
SIZE(curing_mem_region_reg, 32);
SIZE(curing_open_how, 24);
SIZE(curing_recvmsg_out, 16);
SIZE(curing_futex_waitv, 24);
SIZE(curing_attr_pi, 32);

SAME_SIZE(curing_sqe, io_uring_sqe);
SAME_FIELD(curing_sqe, opcode, io_uring_sqe, opcode);
SAME_FIELD(curing_sqe, flags, io_uring_sqe, flags);
SAME_FIELD(curing_sqe, ioprio, io_uring_sqe, ioprio);
SAME_FIELD(curing_sqe, fd, io_uring_sqe, fd);
SAME_FIELD(curing_sqe, off, io_uring_sqe, off);
SAME_FIELD(curing_sqe, off, io_uring_sqe, addr2);
SAME_START(curing_sqe, off, io_uring_sqe, cmd_op);
SAME_FIELD(curing_sqe, addr, io_uring_sqe, addr);
SAME_FIELD(curing_sqe, addr, io_uring_sqe, splice_off_in);
SAME_FIELD(curing_sqe, len, io_uring_sqe, len);
SAME_FIELD(curing_sqe, op_flags, io_uring_sqe, rw_flags);
SAME_FIELD(curing_sqe, op_flags, io_uring_sqe, fsync_flags);
SAME_START(curing_sqe, op_flags, io_uring_sqe, poll_events);
SAME_FIELD(curing_sqe, op_flags, io_uring_sqe, poll32_events);
SAME_FIELD(curing_sqe, op_flags, io_uring_sqe, sync_range_flags);
SAME_FIELD(curing_sqe, op_flags, io_uring_sqe, msg_flags);
SAME_FIELD(curing_sqe, op_flags, io_uring_sqe, timeout_flags);
SAME_FIELD(curing_sqe, op_flags, io_uring_sqe, accept_flags);
SAME_FIELD(curing_sqe, op_flags, io_uring_sqe, cancel_flags);
SAME_FIELD(curing_sqe, op_flags, io_uring_sqe, open_flags);
SAME_FIELD(curing_sqe, op_flags, io_uring_sqe, statx_flags);
SAME_FIELD(curing_sqe, op_flags, io_uring_sqe, fadvise_advice);
SAME_FIELD(curing_sqe, op_flags, io_uring_sqe, splice_flags);
SAME_FIELD(curing_sqe, op_flags, io_uring_sqe, rename_flags);
SAME_FIELD(curing_sqe, op_flags, io_uring_sqe, unlink_flags);
SAME_FIELD(curing_sqe, op_flags, io_uring_sqe, hardlink_flags);
SAME_FIELD(curing_sqe, op_flags, io_uring_sqe, xattr_flags);
SAME_FIELD(curing_sqe, op_flags, io_uring_sqe, msg_ring_flags);
SAME_FIELD(curing_sqe, op_flags, io_uring_sqe, uring_cmd_flags);
SAME_FIELD(curing_sqe, user_data, io_uring_sqe, user_data);
SAME_FIELD(curing_sqe, buf_index, io_uring_sqe, buf_index);
SAME_FIELD(curing_sqe, buf_index, io_uring_sqe, buf_group);
SAME_FIELD(curing_sqe, personality, io_uring_sqe, personality);
SAME_FIELD(curing_sqe, file_index, io_uring_sqe, splice_fd_in);
SAME_FIELD(curing_sqe, file_index, io_uring_sqe, file_index);
SAME_START(curing_sqe, file_index, io_uring_sqe, addr_len);
SAME_FIELD(curing_sqe, addr3, io_uring_sqe, addr3);
SAME_START(curing_sqe, addr3, io_uring_sqe, cmd);
SAME_START(curing_sqe, pad2, io_uring_sqe, __pad2);

SAME_SIZE(curing_cqe, io_uring_cqe);
SAME_FIELD(curing_cqe, user_data, io_uring_cqe, user_data);
SAME_FIELD(curing_cqe, res, io_uring_cqe, res);
SAME_FIELD(curing_cqe, flags, io_uring_cqe, flags);

SAME_SIZE(curing_sq_offsets, io_sqring_offsets);
SAME_FIELD(curing_sq_offsets, head, io_sqring_offsets, head);
SAME_FIELD(curing_sq_offsets, tail, io_sqring_offsets, tail);
SAME_FIELD(curing_sq_offsets, ring_mask, io_sqring_offsets, ring_mask);
SAME_FIELD(curing_sq_offsets, ring_entries, io_sqring_offsets, ring_entries);
SAME_FIELD(curing_sq_offsets, flags, io_sqring_offsets, flags);
SAME_FIELD(curing_sq_offsets, dropped, io_sqring_offsets, dropped);
SAME_FIELD(curing_sq_offsets, array, io_sqring_offsets, array);
SAME_FIELD(curing_sq_offsets, resv1, io_sqring_offsets, resv1);

SAME_SIZE(curing_cq_offsets, io_cqring_offsets);
SAME_FIELD(curing_cq_offsets, head, io_cqring_offsets, head);
SAME_FIELD(curing_cq_offsets, tail, io_cqring_offsets, tail);
SAME_FIELD(curing_cq_offsets, ring_mask, io_cqring_offsets, ring_mask);
SAME_FIELD(curing_cq_offsets, ring_entries, io_cqring_offsets, ring_entries);
SAME_FIELD(curing_cq_offsets, overflow, io_cqring_offsets, overflow);
SAME_FIELD(curing_cq_offsets, cqes, io_cqring_offsets, cqes);
SAME_FIELD(curing_cq_offsets, flags, io_cqring_offsets, flags);
SAME_FIELD(curing_cq_offsets, resv1, io_cqring_offsets, resv1);

SAME_SIZE(curing_params, io_uring_params);
SAME_FIELD(curing_params, sq_entries, io_uring_params, sq_entries);
SAME_FIELD(curing_params, cq_entries, io_uring_params, cq_entries);
SAME_FIELD(curing_params, flags, io_uring_params, flags);
SAME_FIELD(curing_params, sq_thread_cpu, io_uring_params, sq_thread_cpu);
SAME_FIELD(curing_params, sq_thread_idle, io_uring_params, sq_thread_idle);
SAME_FIELD(curing_params, features, io_uring_params, features);
SAME_FIELD(curing_params, wq_fd, io_uring_params, wq_fd);
SAME_FIELD(curing_params, resv, io_uring_params, resv);
SAME_FIELD(curing_params, sq_off, io_uring_params, sq_off);
SAME_FIELD(curing_params, cq_off, io_uring_params, cq_off);

SAME_SIZE(curing_timespec, __kernel_timespec);
SAME_FIELD(curing_timespec, seconds, __kernel_timespec, tv_sec);
SAME_FIELD(curing_timespec, nanoseconds, __kernel_timespec, tv_nsec);

SAME_SIZE(curing_getevents_arg, io_uring_getevents_arg);
SAME_FIELD(curing_getevents_arg, sigmask, io_uring_getevents_arg, sigmask);
SAME_FIELD(curing_getevents_arg, sigmask_sz, io_uring_getevents_arg, sigmask_sz);
SAME_FIELD(curing_getevents_arg, ts, io_uring_getevents_arg, ts);

SAME_SIZE(curing_sync_cancel_reg, io_uring_sync_cancel_reg);
SAME_FIELD(curing_sync_cancel_reg, addr, io_uring_sync_cancel_reg, addr);
SAME_FIELD(curing_sync_cancel_reg, fd, io_uring_sync_cancel_reg, fd);
SAME_FIELD(curing_sync_cancel_reg, flags, io_uring_sync_cancel_reg, flags);
SAME_FIELD(curing_sync_cancel_reg, timeout, io_uring_sync_cancel_reg, timeout);

SAME_SIZE(curing_probe_op, io_uring_probe_op);
SAME_FIELD(curing_probe_op, op, io_uring_probe_op, op);
SAME_FIELD(curing_probe_op, resv, io_uring_probe_op, resv);
SAME_FIELD(curing_probe_op, flags, io_uring_probe_op, flags);
SAME_FIELD(curing_probe_op, resv2, io_uring_probe_op, resv2);

SAME_SIZE(curing_probe, io_uring_probe);
SAME_FIELD(curing_probe, last_op, io_uring_probe, last_op);
SAME_FIELD(curing_probe, ops_len, io_uring_probe, ops_len);
SAME_FIELD(curing_probe, resv, io_uring_probe, resv);
SAME_FIELD(curing_probe, resv2, io_uring_probe, resv2);
_Static_assert(offsetof(struct io_uring_probe, ops) == sizeof(struct curing_probe), "a probe's opcodes do not follow its head");

SAME_SIZE(curing_restriction, io_uring_restriction);
SAME_FIELD(curing_restriction, opcode, io_uring_restriction, opcode);
SAME_FIELD(curing_restriction, value, io_uring_restriction, register_op);
SAME_FIELD(curing_restriction, value, io_uring_restriction, sqe_op);
SAME_FIELD(curing_restriction, value, io_uring_restriction, sqe_flags);
SAME_FIELD(curing_restriction, resv, io_uring_restriction, resv);
SAME_FIELD(curing_restriction, resv2, io_uring_restriction, resv2);

SAME_SIZE(curing_rsrc_register, io_uring_rsrc_register);
SAME_FIELD(curing_rsrc_register, nr, io_uring_rsrc_register, nr);
SAME_FIELD(curing_rsrc_register, flags, io_uring_rsrc_register, flags);
SAME_FIELD(curing_rsrc_register, resv2, io_uring_rsrc_register, resv2);
SAME_FIELD(curing_rsrc_register, data, io_uring_rsrc_register, data);
SAME_FIELD(curing_rsrc_register, tags, io_uring_rsrc_register, tags);

SAME_SIZE(curing_rsrc_update, io_uring_rsrc_update);
SAME_FIELD(curing_rsrc_update, offset, io_uring_rsrc_update, offset);
SAME_FIELD(curing_rsrc_update, resv, io_uring_rsrc_update, resv);
SAME_FIELD(curing_rsrc_update, data, io_uring_rsrc_update, data);

SAME_SIZE(curing_rsrc_update2, io_uring_rsrc_update2);
SAME_FIELD(curing_rsrc_update2, offset, io_uring_rsrc_update2, offset);
SAME_FIELD(curing_rsrc_update2, resv, io_uring_rsrc_update2, resv);
SAME_FIELD(curing_rsrc_update2, data, io_uring_rsrc_update2, data);
SAME_FIELD(curing_rsrc_update2, tags, io_uring_rsrc_update2, tags);
SAME_FIELD(curing_rsrc_update2, nr, io_uring_rsrc_update2, nr);
SAME_FIELD(curing_rsrc_update2, resv2, io_uring_rsrc_update2, resv2);

SAME_SIZE(curing_files_update, io_uring_files_update);
SAME_FIELD(curing_files_update, offset, io_uring_files_update, offset);
SAME_FIELD(curing_files_update, resv, io_uring_files_update, resv);
SAME_FIELD(curing_files_update, fds, io_uring_files_update, fds);

SAME_SIZE(curing_file_index_range, io_uring_file_index_range);
SAME_FIELD(curing_file_index_range, off, io_uring_file_index_range, off);
SAME_FIELD(curing_file_index_range, len, io_uring_file_index_range, len);
SAME_FIELD(curing_file_index_range, resv, io_uring_file_index_range, resv);

SAME_SIZE(curing_buf, io_uring_buf);
SAME_FIELD(curing_buf, addr, io_uring_buf, addr);
SAME_FIELD(curing_buf, len, io_uring_buf, len);
SAME_FIELD(curing_buf, bid, io_uring_buf, bid);
SAME_FIELD(curing_buf, resv, io_uring_buf, resv);
SAME_START(curing_buf, resv, io_uring_buf_ring, tail);

SAME_SIZE(curing_buf_reg, io_uring_buf_reg);
SAME_FIELD(curing_buf_reg, ring_addr, io_uring_buf_reg, ring_addr);
SAME_FIELD(curing_buf_reg, ring_entries, io_uring_buf_reg, ring_entries);
SAME_FIELD(curing_buf_reg, bgid, io_uring_buf_reg, bgid);

SAME_SIZE(curing_open_how, open_how);
SAME_FIELD(curing_open_how, flags, open_how, flags);
SAME_FIELD(curing_open_how, mode, open_how, mode);
SAME_FIELD(curing_open_how, resolve, open_how, resolve);

SAME_SIZE(curing_recvmsg_out, io_uring_recvmsg_out);
SAME_FIELD(curing_recvmsg_out, namelen, io_uring_recvmsg_out, namelen);
SAME_FIELD(curing_recvmsg_out, controllen, io_uring_recvmsg_out, controllen);
SAME_FIELD(curing_recvmsg_out, payloadlen, io_uring_recvmsg_out, payloadlen);
SAME_FIELD(curing_recvmsg_out, flags, io_uring_recvmsg_out, flags);

SAME_SIZE(curing_epoll_event, epoll_event);
SAME_FIELD(curing_epoll_event, events, epoll_event, events);
SAME_FIELD(curing_epoll_event, data, epoll_event, data);

// siginfo_t has no tag.
#define SAME_INFO(field, member) \
    _Static_assert(offsetof(struct curing_siginfo, field) == offsetof(siginfo_t, member), #field " does not start where " #member " does")
_Static_assert(sizeof(struct curing_siginfo) == sizeof(siginfo_t), "curing_siginfo is not as large as siginfo_t");
SAME_INFO(signo, si_signo);
SAME_INFO(error, si_errno);
SAME_INFO(code, si_code);
SAME_INFO(pid, si_pid);
SAME_INFO(uid, si_uid);
SAME_INFO(status, si_status);

// Defined by the kernel's futex header together with the structure, from Linux 5.16 on.
#ifdef FUTEX_32
SAME_SIZE(curing_futex_waitv, futex_waitv);
SAME_FIELD(curing_futex_waitv, val, futex_waitv, val);
SAME_FIELD(curing_futex_waitv, uaddr, futex_waitv, uaddr);
SAME_FIELD(curing_futex_waitv, flags, futex_waitv, flags);
SAME_FIELD(curing_futex_waitv, resv, futex_waitv, __reserved);
#endif

// Fields that newer kernels carved out of padding, under the padding's name in the headers that had only that.
#if HEADER_SINCE(2, 4)
SAME_FIELD(curing_buf_reg, flags, io_uring_buf_reg, flags);
#else
SAME_FIELD(curing_buf_reg, flags, io_uring_buf_reg, pad);
#endif

#if HEADER_SINCE(2, 5)
SAME_FIELD(curing_sq_offsets, user_addr, io_sqring_offsets, user_addr);
SAME_FIELD(curing_cq_offsets, user_addr, io_cqring_offsets, user_addr);
#else
SAME_FIELD(curing_sq_offsets, user_addr, io_sqring_offsets, resv2);
SAME_FIELD(curing_cq_offsets, user_addr, io_cqring_offsets, resv2);
#endif

#if HEADER_SINCE(2, 8)
SAME_FIELD(curing_getevents_arg, min_wait_usec, io_uring_getevents_arg, min_wait_usec);
SAME_FIELD(curing_sync_cancel_reg, opcode, io_uring_sync_cancel_reg, opcode);
SAME_FIELD(curing_sync_cancel_reg, pad, io_uring_sync_cancel_reg, pad);
SAME_FIELD(curing_sync_cancel_reg, pad2, io_uring_sync_cancel_reg, pad2);
#else
SAME_FIELD(curing_getevents_arg, min_wait_usec, io_uring_getevents_arg, pad);
SAME_START(curing_sync_cancel_reg, opcode, io_uring_sync_cancel_reg, pad);
SAME_START(curing_sync_cancel_reg, pad2, io_uring_sync_cancel_reg, pad[1]);
#endif

#if HEADER_SINCE(2, 15)
SAME_FIELD(curing_buf_reg, min_left, io_uring_buf_reg, min_left);
SAME_FIELD(curing_buf_reg, resv, io_uring_buf_reg, resv);
#else
SAME_START(curing_buf_reg, min_left, io_uring_buf_reg, resv);
#endif

// Members that a newer header added to the entry's unions.
#if HEADER_SINCE(2, 6)
SAME_START(curing_sqe, addr, io_uring_sqe, level);
SAME_FIELD(curing_sqe, op_flags, io_uring_sqe, waitid_flags);
SAME_FIELD(curing_sqe, op_flags, io_uring_sqe, futex_flags);
SAME_FIELD(curing_sqe, op_flags, io_uring_sqe, install_fd_flags);
SAME_FIELD(curing_sqe, file_index, io_uring_sqe, optlen);
SAME_FIELD(curing_sqe, addr3, io_uring_sqe, optval);
_Static_assert(
    offsetof(struct io_uring_sqe, optname) == offsetof(struct curing_sqe, addr) + 4, "optname is not the second half of addr");
#endif
#if HEADER_SINCE(2, 7)
SAME_FIELD(curing_sqe, op_flags, io_uring_sqe, nop_flags);
#endif
#if HEADER_SINCE(2, 10)
SAME_FIELD(curing_sqe, file_index, io_uring_sqe, zcrx_ifq_idx);
#endif
#if HEADER_SINCE(2, 12)
SAME_FIELD(curing_sqe, op_flags, io_uring_sqe, pipe_flags);
#endif
#if HEADER_SINCE(2, 13)
SAME_FIELD(curing_sqe, addr3, io_uring_sqe, attr_ptr);
SAME_FIELD(curing_sqe, pad2, io_uring_sqe, attr_type_mask);
#endif

// Structures that a newer header added.
#if HEADER_SINCE(2, 6)
SAME_SIZE(curing_buf_status, io_uring_buf_status);
SAME_FIELD(curing_buf_status, buf_group, io_uring_buf_status, buf_group);
SAME_FIELD(curing_buf_status, head, io_uring_buf_status, head);
SAME_FIELD(curing_buf_status, resv, io_uring_buf_status, resv);
SAME_SIZE(curing_napi, io_uring_napi);
SAME_FIELD(curing_napi, busy_poll_to, io_uring_napi, busy_poll_to);
SAME_FIELD(curing_napi, prefer_busy_poll, io_uring_napi, prefer_busy_poll);
SAME_START(curing_napi, op_param, io_uring_napi, resv);
// The header has three bytes of padding where the kernel has the opcode and two.
_Static_assert(
    offsetof(struct curing_napi, opcode) == offsetof(struct io_uring_napi, pad), "the NAPI opcode is not where the padding starts");
#endif
#if HEADER_SINCE(2, 8)
SAME_SIZE(curing_clock_register, io_uring_clock_register);
SAME_FIELD(curing_clock_register, clockid, io_uring_clock_register, clockid);
SAME_FIELD(curing_clock_register, resv, io_uring_clock_register, __resv);
SAME_SIZE(curing_clone_buffers, io_uring_clone_buffers);
SAME_FIELD(curing_clone_buffers, src_fd, io_uring_clone_buffers, src_fd);
SAME_FIELD(curing_clone_buffers, flags, io_uring_clone_buffers, flags);
#endif
#if HEADER_SINCE(2, 9)
SAME_FIELD(curing_clone_buffers, src_off, io_uring_clone_buffers, src_off);
SAME_FIELD(curing_clone_buffers, dst_off, io_uring_clone_buffers, dst_off);
SAME_FIELD(curing_clone_buffers, nr, io_uring_clone_buffers, nr);
SAME_FIELD(curing_clone_buffers, pad, io_uring_clone_buffers, pad);
SAME_SIZE(curing_reg_wait, io_uring_reg_wait);
SAME_FIELD(curing_reg_wait, ts, io_uring_reg_wait, ts);
SAME_FIELD(curing_reg_wait, min_wait_usec, io_uring_reg_wait, min_wait_usec);
SAME_FIELD(curing_reg_wait, flags, io_uring_reg_wait, flags);
SAME_FIELD(curing_reg_wait, sigmask, io_uring_reg_wait, sigmask);
SAME_FIELD(curing_reg_wait, sigmask_sz, io_uring_reg_wait, sigmask_sz);
SAME_FIELD(curing_reg_wait, pad, io_uring_reg_wait, pad);
SAME_FIELD(curing_reg_wait, pad2, io_uring_reg_wait, pad2);
SAME_SIZE(curing_region_desc, io_uring_region_desc);
SAME_FIELD(curing_region_desc, user_addr, io_uring_region_desc, user_addr);
SAME_FIELD(curing_region_desc, size, io_uring_region_desc, size);
SAME_FIELD(curing_region_desc, flags, io_uring_region_desc, flags);
SAME_FIELD(curing_region_desc, id, io_uring_region_desc, id);
SAME_FIELD(curing_region_desc, mmap_offset, io_uring_region_desc, mmap_offset);
SAME_FIELD(curing_region_desc, resv, io_uring_region_desc, __resv);
SAME_SIZE(curing_mem_region_reg, io_uring_mem_region_reg);
SAME_FIELD(curing_mem_region_reg, region_uptr, io_uring_mem_region_reg, region_uptr);
SAME_FIELD(curing_mem_region_reg, flags, io_uring_mem_region_reg, flags);
SAME_FIELD(curing_mem_region_reg, resv, io_uring_mem_region_reg, __resv);
#endif
#if HEADER_SINCE(2, 13)
SAME_SIZE(curing_attr_pi, io_uring_attr_pi);
SAME_FIELD(curing_attr_pi, flags, io_uring_attr_pi, flags);
SAME_FIELD(curing_attr_pi, app_tag, io_uring_attr_pi, app_tag);
SAME_FIELD(curing_attr_pi, len, io_uring_attr_pi, len);
SAME_FIELD(curing_attr_pi, addr, io_uring_attr_pi, addr);
SAME_FIELD(curing_attr_pi, seed, io_uring_attr_pi, seed);
SAME_FIELD(curing_attr_pi, resv, io_uring_attr_pi, rsvd);
#endif
#if HEADER_SINCE(2, 13)
SAME_SIZE(curing_query_hdr, io_uring_query_hdr);
SAME_FIELD(curing_query_hdr, next_entry, io_uring_query_hdr, next_entry);
SAME_FIELD(curing_query_hdr, query_data, io_uring_query_hdr, query_data);
SAME_FIELD(curing_query_hdr, query_op, io_uring_query_hdr, query_op);
SAME_FIELD(curing_query_hdr, size, io_uring_query_hdr, size);
SAME_FIELD(curing_query_hdr, result, io_uring_query_hdr, result);
SAME_FIELD(curing_query_hdr, resv, io_uring_query_hdr, __resv);
SAME_FIELD(curing_query_opcode, nr_request_opcodes, io_uring_query_opcode, nr_request_opcodes);
SAME_FIELD(curing_query_opcode, nr_register_opcodes, io_uring_query_opcode, nr_register_opcodes);
SAME_FIELD(curing_query_opcode, feature_flags, io_uring_query_opcode, feature_flags);
SAME_FIELD(curing_query_opcode, ring_setup_flags, io_uring_query_opcode, ring_setup_flags);
SAME_FIELD(curing_query_opcode, enter_flags, io_uring_query_opcode, enter_flags);
SAME_FIELD(curing_query_opcode, sqe_flags, io_uring_query_opcode, sqe_flags);
#endif
#if HEADER_SINCE(2, 15)
SAME_SIZE(curing_query_opcode, io_uring_query_opcode);
SAME_FIELD(curing_query_opcode, nr_query_opcodes, io_uring_query_opcode, nr_query_opcodes);
SAME_FIELD(curing_query_opcode, pad, io_uring_query_opcode, __pad);
#endif

// What statx(2) writes; what the installed header calls spare is checked by the size alone.
SAME_SIZE(curing_statx, statx);
SIZE(curing_statx, 256);
SAME_FIELD(curing_statx, mask, statx, stx_mask);
SAME_FIELD(curing_statx, blksize, statx, stx_blksize);
SAME_FIELD(curing_statx, attributes, statx, stx_attributes);
SAME_FIELD(curing_statx, nlink, statx, stx_nlink);
SAME_FIELD(curing_statx, uid, statx, stx_uid);
SAME_FIELD(curing_statx, gid, statx, stx_gid);
SAME_FIELD(curing_statx, mode, statx, stx_mode);
SAME_FIELD(curing_statx, ino, statx, stx_ino);
SAME_FIELD(curing_statx, size, statx, stx_size);
SAME_FIELD(curing_statx, blocks, statx, stx_blocks);
SAME_FIELD(curing_statx, attributes_mask, statx, stx_attributes_mask);
SAME_FIELD(curing_statx, rdev_major, statx, stx_rdev_major);
SAME_FIELD(curing_statx, rdev_minor, statx, stx_rdev_minor);
SAME_FIELD(curing_statx, dev_major, statx, stx_dev_major);
SAME_FIELD(curing_statx, dev_minor, statx, stx_dev_minor);
SAME_FIELD(curing_statx, atime, statx, stx_atime);
SAME_FIELD(curing_statx, btime, statx, stx_btime);
SAME_FIELD(curing_statx, ctime, statx, stx_ctime);
SAME_FIELD(curing_statx, mtime, statx, stx_mtime);
SAME_FIELD(curing_statx_timestamp, tv_sec, statx_timestamp, tv_sec);
SAME_FIELD(curing_statx_timestamp, tv_nsec, statx_timestamp, tv_nsec);
#ifdef STATX_MNT_ID
SAME_FIELD(curing_statx, mnt_id, statx, stx_mnt_id);
#endif
#ifdef STATX_DIOALIGN
SAME_FIELD(curing_statx, dio_mem_align, statx, stx_dio_mem_align);
SAME_FIELD(curing_statx, dio_offset_align, statx, stx_dio_offset_align);
#endif
#ifdef STATX_SUBVOL
SAME_FIELD(curing_statx, subvol, statx, stx_subvol);
#endif
#ifdef STATX_WRITE_ATOMIC
SAME_FIELD(curing_statx, atomic_write_unit_min, statx, stx_atomic_write_unit_min);
SAME_FIELD(curing_statx, atomic_write_unit_max, statx, stx_atomic_write_unit_max);
SAME_FIELD(curing_statx, atomic_write_segments_max, statx, stx_atomic_write_segments_max);
#endif
#ifdef STATX_DIO_READ_ALIGN
SAME_FIELD(curing_statx, dio_read_offset_align, statx, stx_dio_read_offset_align);
#endif

// MARK: - Values

// Clang folds a `static const` into a constant expression, GCC does not. SwiftPM compiles with Clang.
#ifdef __clang__

/// A constant of ours has the value of the header's.
#define SAME(ours, theirs) _Static_assert((uint64_t)(ours) == (uint64_t)(theirs), #ours " differs from " #theirs)

/// The same, for the many whose names differ only in the prefix.
#define SAME_NAME(name) SAME(CURING_##name, IORING_##name)

SAME_NAME(OP_NOP);
SAME_NAME(OP_READV);
SAME_NAME(OP_WRITEV);
SAME_NAME(OP_FSYNC);
SAME_NAME(OP_READ_FIXED);
SAME_NAME(OP_WRITE_FIXED);
SAME_NAME(OP_POLL_ADD);
SAME_NAME(OP_POLL_REMOVE);
SAME_NAME(OP_SYNC_FILE_RANGE);
SAME_NAME(OP_SENDMSG);
SAME_NAME(OP_RECVMSG);
SAME_NAME(OP_TIMEOUT);
SAME_NAME(OP_TIMEOUT_REMOVE);
SAME_NAME(OP_ACCEPT);
SAME_NAME(OP_ASYNC_CANCEL);
SAME_NAME(OP_LINK_TIMEOUT);
SAME_NAME(OP_CONNECT);
SAME_NAME(OP_FALLOCATE);
SAME_NAME(OP_OPENAT);
SAME_NAME(OP_CLOSE);
SAME_NAME(OP_FILES_UPDATE);
SAME_NAME(OP_STATX);
SAME_NAME(OP_READ);
SAME_NAME(OP_WRITE);
SAME_NAME(OP_FADVISE);
SAME_NAME(OP_MADVISE);
SAME_NAME(OP_SEND);
SAME_NAME(OP_RECV);
SAME_NAME(OP_OPENAT2);
SAME_NAME(OP_EPOLL_CTL);
SAME_NAME(OP_SPLICE);
SAME_NAME(OP_PROVIDE_BUFFERS);
SAME_NAME(OP_REMOVE_BUFFERS);
SAME_NAME(OP_TEE);
SAME_NAME(OP_SHUTDOWN);
SAME_NAME(OP_RENAMEAT);
SAME_NAME(OP_UNLINKAT);
SAME_NAME(OP_MKDIRAT);
SAME_NAME(OP_SYMLINKAT);
SAME_NAME(OP_LINKAT);
SAME_NAME(OP_MSG_RING);
SAME_NAME(OP_FSETXATTR);
SAME_NAME(OP_SETXATTR);
SAME_NAME(OP_FGETXATTR);
SAME_NAME(OP_GETXATTR);
SAME_NAME(OP_SOCKET);
SAME_NAME(OP_URING_CMD);
SAME_NAME(OP_SEND_ZC);
SAME_NAME(OP_SENDMSG_ZC);
SAME(CURING_SQE_FIXED_FILE, IOSQE_FIXED_FILE);
SAME(CURING_SQE_IO_DRAIN, IOSQE_IO_DRAIN);
SAME(CURING_SQE_IO_LINK, IOSQE_IO_LINK);
SAME(CURING_SQE_IO_HARDLINK, IOSQE_IO_HARDLINK);
SAME(CURING_SQE_ASYNC, IOSQE_ASYNC);
SAME(CURING_SQE_BUFFER_SELECT, IOSQE_BUFFER_SELECT);
SAME(CURING_SQE_CQE_SKIP_SUCCESS, IOSQE_CQE_SKIP_SUCCESS);
SAME_NAME(RECVSEND_POLL_FIRST);
SAME_NAME(RECV_MULTISHOT);
SAME_NAME(RECVSEND_FIXED_BUF);
SAME_NAME(ACCEPT_MULTISHOT);
SAME_NAME(POLL_ADD_MULTI);
SAME_NAME(POLL_UPDATE_EVENTS);
SAME_NAME(POLL_UPDATE_USER_DATA);
SAME_NAME(POLL_ADD_LEVEL);
SAME_NAME(FSYNC_DATASYNC);
SAME_NAME(TIMEOUT_ABS);
SAME_NAME(TIMEOUT_UPDATE);
SAME_NAME(TIMEOUT_BOOTTIME);
SAME_NAME(TIMEOUT_REALTIME);
SAME_NAME(LINK_TIMEOUT_UPDATE);
SAME_NAME(TIMEOUT_ETIME_SUCCESS);
SAME_NAME(TIMEOUT_CLOCK_MASK);
SAME_NAME(TIMEOUT_UPDATE_MASK);
SAME_NAME(ASYNC_CANCEL_ALL);
SAME_NAME(ASYNC_CANCEL_FD);
SAME_NAME(ASYNC_CANCEL_ANY);
SAME_NAME(ASYNC_CANCEL_FD_FIXED);
SAME(CURING_SPLICE_F_FD_IN_FIXED, SPLICE_F_FD_IN_FIXED);
SAME_NAME(MSG_RING_CQE_SKIP);
SAME_NAME(URING_CMD_FIXED);
SAME_NAME(MSG_DATA);
SAME_NAME(MSG_SEND_FD);
SAME_NAME(FILE_INDEX_ALLOC);
SAME_NAME(CQE_F_BUFFER);
SAME_NAME(CQE_F_MORE);
SAME_NAME(CQE_F_SOCK_NONEMPTY);
SAME_NAME(CQE_F_NOTIF);
_Static_assert(
    ((CURING_NOTE_CANCELLED_BY_LINK | CURING_NOTE_TIMED_OUT) &
     (CURING_CQE_F_BUFFER | CURING_CQE_F_MORE | CURING_CQE_F_SOCK_NONEMPTY | CURING_CQE_F_NOTIF | CURING_CQE_F_BUF_MORE | CURING_CQE_F_SKIP |
      CURING_CQE_F_32)) == 0,
    "the kernel uses a flag that the ring uses for itself");
SAME_NAME(CQE_BUFFER_SHIFT);
SAME_NAME(SETUP_IOPOLL);
SAME_NAME(SETUP_SQPOLL);
SAME_NAME(SETUP_SQ_AFF);
SAME_NAME(SETUP_CQSIZE);
SAME_NAME(SETUP_CLAMP);
SAME_NAME(SETUP_ATTACH_WQ);
SAME_NAME(SETUP_R_DISABLED);
SAME_NAME(SETUP_SUBMIT_ALL);
SAME_NAME(SETUP_COOP_TASKRUN);
SAME_NAME(SETUP_TASKRUN_FLAG);
SAME_NAME(SETUP_SQE128);
SAME_NAME(SETUP_CQE32);
SAME_NAME(SETUP_SINGLE_ISSUER);
SAME_NAME(SETUP_DEFER_TASKRUN);
SAME_NAME(FEAT_SINGLE_MMAP);
SAME_NAME(FEAT_NODROP);
SAME_NAME(FEAT_SUBMIT_STABLE);
SAME_NAME(FEAT_RW_CUR_POS);
SAME_NAME(FEAT_CUR_PERSONALITY);
SAME_NAME(FEAT_FAST_POLL);
SAME_NAME(FEAT_POLL_32BITS);
SAME_NAME(FEAT_SQPOLL_NONFIXED);
SAME_NAME(FEAT_EXT_ARG);
SAME_NAME(FEAT_NATIVE_WORKERS);
SAME_NAME(FEAT_RSRC_TAGS);
SAME_NAME(FEAT_CQE_SKIP);
SAME_NAME(FEAT_LINKED_FILE);
SAME_NAME(ENTER_GETEVENTS);
SAME_NAME(ENTER_SQ_WAKEUP);
SAME_NAME(ENTER_SQ_WAIT);
SAME_NAME(ENTER_EXT_ARG);
SAME_NAME(ENTER_REGISTERED_RING);
SAME_NAME(SQ_NEED_WAKEUP);
SAME_NAME(SQ_CQ_OVERFLOW);
SAME_NAME(SQ_TASKRUN);
SAME_NAME(CQ_EVENTFD_DISABLED);
SAME_NAME(OFF_SQ_RING);
SAME_NAME(OFF_CQ_RING);
SAME_NAME(OFF_SQES);
SAME_NAME(REGISTER_BUFFERS);
SAME_NAME(UNREGISTER_BUFFERS);
SAME_NAME(REGISTER_FILES);
SAME_NAME(UNREGISTER_FILES);
SAME_NAME(REGISTER_EVENTFD);
SAME_NAME(UNREGISTER_EVENTFD);
SAME_NAME(REGISTER_FILES_UPDATE);
SAME_NAME(REGISTER_EVENTFD_ASYNC);
SAME_NAME(REGISTER_PROBE);
SAME_NAME(REGISTER_PERSONALITY);
SAME_NAME(UNREGISTER_PERSONALITY);
SAME_NAME(REGISTER_RESTRICTIONS);
SAME_NAME(REGISTER_ENABLE_RINGS);
SAME_NAME(REGISTER_FILES2);
SAME_NAME(REGISTER_FILES_UPDATE2);
SAME_NAME(REGISTER_BUFFERS2);
SAME_NAME(REGISTER_BUFFERS_UPDATE);
SAME_NAME(REGISTER_IOWQ_AFF);
SAME_NAME(UNREGISTER_IOWQ_AFF);
SAME_NAME(REGISTER_IOWQ_MAX_WORKERS);
SAME_NAME(REGISTER_RING_FDS);
SAME_NAME(UNREGISTER_RING_FDS);
SAME_NAME(REGISTER_PBUF_RING);
SAME_NAME(UNREGISTER_PBUF_RING);
SAME_NAME(REGISTER_SYNC_CANCEL);
SAME_NAME(REGISTER_FILE_ALLOC_RANGE);
SAME(CURING_PROBE_OP_SUPPORTED, IO_URING_OP_SUPPORTED);
SAME_NAME(RSRC_REGISTER_SPARSE);
SAME_NAME(REGISTER_FILES_SKIP);
SAME_NAME(RESTRICTION_REGISTER_OP);
SAME_NAME(RESTRICTION_SQE_OP);
SAME_NAME(RESTRICTION_SQE_FLAGS_ALLOWED);
SAME_NAME(RESTRICTION_SQE_FLAGS_REQUIRED);
SAME(CURING_WQ_BOUND, IO_WQ_BOUND);
SAME(CURING_WQ_UNBOUND, IO_WQ_UNBOUND);
SAME(CURING_BUF_RING_TAIL_OFFSET, offsetof(struct io_uring_buf_ring, tail));

#if HEADER_SINCE(2, 4)
SAME_NAME(SEND_ZC_REPORT_USAGE);
SAME_NAME(TIMEOUT_MULTISHOT);
SAME_NAME(MSG_RING_FLAGS_PASS);
SAME_NAME(NOTIF_USAGE_ZC_COPIED);
SAME_NAME(FEAT_REG_REG_RING);
SAME_NAME(OFF_PBUF_RING);
SAME_NAME(OFF_PBUF_SHIFT);
SAME_NAME(OFF_MMAP_MASK);
SAME_NAME(REGISTER_USE_REGISTERED_RING);
SAME(CURING_PBUF_RING_MMAP, IOU_PBUF_RING_MMAP);
#endif

#if HEADER_SINCE(2, 5)
SAME(CURING_SOCKET_OP_SIOCINQ, SOCKET_URING_OP_SIOCINQ);
SAME(CURING_SOCKET_OP_SIOCOUTQ, SOCKET_URING_OP_SIOCOUTQ);
SAME_NAME(SETUP_NO_MMAP);
SAME_NAME(SETUP_REGISTERED_FD_ONLY);
#endif

#if HEADER_SINCE(2, 6)
SAME_NAME(OP_READ_MULTISHOT);
SAME_NAME(OP_WAITID);
SAME_NAME(OP_FUTEX_WAIT);
SAME_NAME(OP_FUTEX_WAKE);
SAME_NAME(OP_FUTEX_WAITV);
SAME_NAME(OP_FIXED_FD_INSTALL);
SAME_NAME(OP_FTRUNCATE);
SAME_NAME(FIXED_FD_NO_CLOEXEC);
SAME(CURING_SOCKET_OP_GETSOCKOPT, SOCKET_URING_OP_GETSOCKOPT);
SAME(CURING_SOCKET_OP_SETSOCKOPT, SOCKET_URING_OP_SETSOCKOPT);
SAME_NAME(SETUP_NO_SQARRAY);
SAME_NAME(REGISTER_PBUF_STATUS);
SAME_NAME(REGISTER_NAPI);
SAME_NAME(UNREGISTER_NAPI);
#endif

#if HEADER_SINCE(2, 7)
SAME_NAME(OP_BIND);
SAME_NAME(OP_LISTEN);
SAME_NAME(RECVSEND_BUNDLE);
SAME_NAME(ACCEPT_DONTWAIT);
SAME_NAME(ACCEPT_POLL_FIRST);
SAME_NAME(NOP_INJECT_RESULT);
SAME_NAME(FEAT_RECVSEND_BUNDLE);
#endif

#if HEADER_SINCE(2, 8)
SAME_NAME(ASYNC_CANCEL_USERDATA);
SAME_NAME(ASYNC_CANCEL_OP);
SAME_NAME(CQE_F_BUF_MORE);
SAME_NAME(FEAT_MIN_TIMEOUT);
SAME_NAME(ENTER_ABS_TIMER);
SAME_NAME(REGISTER_CLOCK);
SAME_NAME(REGISTER_CLONE_BUFFERS);
SAME_NAME(REGISTER_SRC_REGISTERED);
SAME(CURING_PBUF_RING_INC, IOU_PBUF_RING_INC);
#endif

#if HEADER_SINCE(2, 9)
SAME_NAME(SETUP_HYBRID_IOPOLL);
SAME_NAME(ENTER_EXT_ARG_REG);
SAME_NAME(REG_WAIT_TS);
SAME_NAME(REGISTER_RESIZE_RINGS);
SAME_NAME(REGISTER_MEM_REGION);
SAME_NAME(REGISTER_DST_REPLACE);
SAME_NAME(MEM_REGION_TYPE_USER);
SAME_NAME(MEM_REGION_REG_WAIT_ARG);
#endif

#if HEADER_SINCE(2, 10)
SAME_NAME(OP_RECV_ZC);
SAME_NAME(OP_EPOLL_WAIT);
SAME_NAME(OP_READV_FIXED);
SAME_NAME(OP_WRITEV_FIXED);
SAME_NAME(FEAT_RW_ATTR);
SAME_NAME(FEAT_NO_IOWAIT);
SAME_NAME(ENTER_NO_IOWAIT);
SAME_NAME(REGISTER_SEND_MSG_RING);
SAME_NAME(REGISTER_ZCRX_IFQ);
#endif

#if HEADER_SINCE(2, 12)
SAME_NAME(OP_PIPE);
SAME_NAME(SEND_VECTORIZED);
SAME(CURING_SOCKET_OP_TX_TIMESTAMP, SOCKET_URING_OP_TX_TIMESTAMP);
SAME_NAME(CQE_F_TSTAMP_HW);
SAME_NAME(TIMESTAMP_HW_SHIFT);
SAME_NAME(TIMESTAMP_TYPE_SHIFT);
#endif

#if HEADER_SINCE(2, 13)
SAME_NAME(OP_NOP128);
SAME_NAME(OP_URING_CMD128);
SAME_NAME(NOP_CQE32);
SAME_NAME(RW_ATTR_FLAG_PI);
SAME_NAME(CQE_F_SKIP);
SAME_NAME(CQE_F_32);
SAME_NAME(SETUP_CQE_MIXED);
SAME_NAME(SETUP_SQE_MIXED);
SAME_NAME(REGISTER_QUERY);
SAME(CURING_QUERY_OPCODES, IO_URING_QUERY_OPCODES);
#endif

#if HEADER_SINCE(2, 14)
SAME_NAME(SETUP_SQ_REWIND);
// In 2.13, but not in its release candidate of the same number.
SAME(CURING_SOCKET_OP_GETSOCKNAME, SOCKET_URING_OP_GETSOCKNAME);
#endif

#if HEADER_SINCE(2, 15)
SAME_NAME(TIMEOUT_IMMEDIATE_ARG);
SAME_NAME(REGISTER_ZCRX_CTRL);
SAME_NAME(REGISTER_BPF_FILTER);
SAME(CURING_QUERY_ZCRX, IO_URING_QUERY_ZCRX);
SAME(CURING_QUERY_SCQ, IO_URING_QUERY_SCQ);
#endif

// The kernel's own headers, where the installed ones have the names.
SAME(CURING_RESOLVE_NO_XDEV, RESOLVE_NO_XDEV);
SAME(CURING_RESOLVE_NO_MAGICLINKS, RESOLVE_NO_MAGICLINKS);
SAME(CURING_RESOLVE_NO_SYMLINKS, RESOLVE_NO_SYMLINKS);
SAME(CURING_RESOLVE_BENEATH, RESOLVE_BENEATH);
SAME(CURING_RESOLVE_IN_ROOT, RESOLVE_IN_ROOT);
#ifdef RESOLVE_CACHED
SAME(CURING_RESOLVE_CACHED, RESOLVE_CACHED);
#endif

// Files and paths; what older headers lack is left out there.
SAME(CURING_AT_FDCWD, AT_FDCWD);
SAME(CURING_AT_SYMLINK_NOFOLLOW, AT_SYMLINK_NOFOLLOW);
SAME(CURING_AT_REMOVEDIR, AT_REMOVEDIR);
SAME(CURING_AT_SYMLINK_FOLLOW, AT_SYMLINK_FOLLOW);
SAME(CURING_AT_NO_AUTOMOUNT, AT_NO_AUTOMOUNT);
SAME(CURING_AT_EMPTY_PATH, AT_EMPTY_PATH);
SAME(CURING_AT_STATX_FORCE_SYNC, AT_STATX_FORCE_SYNC);
SAME(CURING_AT_STATX_DONT_SYNC, AT_STATX_DONT_SYNC);
SAME(CURING_SPLICE_F_MOVE, SPLICE_F_MOVE);
SAME(CURING_SPLICE_F_NONBLOCK, SPLICE_F_NONBLOCK);
SAME(CURING_SPLICE_F_MORE, SPLICE_F_MORE);
SAME(CURING_SYNC_FILE_RANGE_WAIT_BEFORE, SYNC_FILE_RANGE_WAIT_BEFORE);
SAME(CURING_SYNC_FILE_RANGE_WRITE, SYNC_FILE_RANGE_WRITE);
SAME(CURING_SYNC_FILE_RANGE_WAIT_AFTER, SYNC_FILE_RANGE_WAIT_AFTER);
SAME(CURING_FADV_NORMAL, POSIX_FADV_NORMAL);
SAME(CURING_FADV_RANDOM, POSIX_FADV_RANDOM);
SAME(CURING_FADV_SEQUENTIAL, POSIX_FADV_SEQUENTIAL);
SAME(CURING_FADV_WILLNEED, POSIX_FADV_WILLNEED);
SAME(CURING_FADV_DONTNEED, POSIX_FADV_DONTNEED);
SAME(CURING_FADV_NOREUSE, POSIX_FADV_NOREUSE);
SAME(CURING_O_RDONLY, O_RDONLY);
SAME(CURING_O_WRONLY, O_WRONLY);
SAME(CURING_O_RDWR, O_RDWR);
SAME(CURING_O_CREAT, O_CREAT);
SAME(CURING_O_EXCL, O_EXCL);
SAME(CURING_O_NOCTTY, O_NOCTTY);
SAME(CURING_O_TRUNC, O_TRUNC);
SAME(CURING_O_APPEND, O_APPEND);
SAME(CURING_O_NONBLOCK, O_NONBLOCK);
SAME(CURING_O_DSYNC, O_DSYNC);
SAME(CURING_O_DIRECT, O_DIRECT);
SAME(CURING_O_DIRECTORY, O_DIRECTORY);
SAME(CURING_O_NOFOLLOW, O_NOFOLLOW);
SAME(CURING_O_TMPFILE, O_TMPFILE);
SAME(CURING_O_NOATIME, O_NOATIME);
SAME(CURING_O_CLOEXEC, O_CLOEXEC);
SAME(CURING_O_SYNC, O_SYNC);
SAME(CURING_O_PATH, O_PATH);
SAME(CURING_STATX_TYPE, STATX_TYPE);
SAME(CURING_STATX_MODE, STATX_MODE);
SAME(CURING_STATX_NLINK, STATX_NLINK);
SAME(CURING_STATX_UID, STATX_UID);
SAME(CURING_STATX_GID, STATX_GID);
SAME(CURING_STATX_ATIME, STATX_ATIME);
SAME(CURING_STATX_MTIME, STATX_MTIME);
SAME(CURING_STATX_CTIME, STATX_CTIME);
SAME(CURING_STATX_INO, STATX_INO);
SAME(CURING_STATX_SIZE, STATX_SIZE);
SAME(CURING_STATX_BLOCKS, STATX_BLOCKS);
SAME(CURING_STATX_BASIC_STATS, STATX_BASIC_STATS);
SAME(CURING_STATX_BTIME, STATX_BTIME);
#ifdef STATX_MNT_ID
SAME(CURING_STATX_MNT_ID, STATX_MNT_ID);
#endif
#ifdef STATX_DIOALIGN
SAME(CURING_STATX_DIOALIGN, STATX_DIOALIGN);
#endif
#ifdef STATX_MNT_ID_UNIQUE
SAME(CURING_STATX_MNT_ID_UNIQUE, STATX_MNT_ID_UNIQUE);
#endif
#ifdef STATX_SUBVOL
SAME(CURING_STATX_SUBVOL, STATX_SUBVOL);
#endif
#ifdef STATX_WRITE_ATOMIC
SAME(CURING_STATX_WRITE_ATOMIC, STATX_WRITE_ATOMIC);
#endif
#ifdef STATX_DIO_READ_ALIGN
SAME(CURING_STATX_DIO_READ_ALIGN, STATX_DIO_READ_ALIGN);
#endif
SAME(CURING_STATX_ATTR_COMPRESSED, STATX_ATTR_COMPRESSED);
SAME(CURING_STATX_ATTR_IMMUTABLE, STATX_ATTR_IMMUTABLE);
SAME(CURING_STATX_ATTR_APPEND, STATX_ATTR_APPEND);
SAME(CURING_STATX_ATTR_NODUMP, STATX_ATTR_NODUMP);
SAME(CURING_STATX_ATTR_ENCRYPTED, STATX_ATTR_ENCRYPTED);
SAME(CURING_STATX_ATTR_AUTOMOUNT, STATX_ATTR_AUTOMOUNT);
#ifdef STATX_ATTR_MOUNT_ROOT
SAME(CURING_STATX_ATTR_MOUNT_ROOT, STATX_ATTR_MOUNT_ROOT);
#endif
#ifdef STATX_ATTR_VERITY
SAME(CURING_STATX_ATTR_VERITY, STATX_ATTR_VERITY);
#endif
#ifdef STATX_ATTR_DAX
SAME(CURING_STATX_ATTR_DAX, STATX_ATTR_DAX);
#endif
#ifdef STATX_ATTR_WRITE_ATOMIC
SAME(CURING_STATX_ATTR_WRITE_ATOMIC, STATX_ATTR_WRITE_ATOMIC);
#endif
SAME(CURING_EPOLL_CTL_ADD, EPOLL_CTL_ADD);
SAME(CURING_EPOLL_CTL_DEL, EPOLL_CTL_DEL);
SAME(CURING_EPOLL_CTL_MOD, EPOLL_CTL_MOD);
SAME(CURING_EPOLLONESHOT, EPOLLONESHOT);
SAME(CURING_EPOLLET, EPOLLET);
SAME(CURING_XATTR_CREATE, XATTR_CREATE);
SAME(CURING_XATTR_REPLACE, XATTR_REPLACE);
SAME(CURING_P_ALL, P_ALL);
SAME(CURING_P_PID, P_PID);
SAME(CURING_P_PGID, P_PGID);
#if __GLIBC__ > 2 || __GLIBC_MINOR__ >= 36
SAME(CURING_P_PIDFD, P_PIDFD);
#endif
SAME(CURING_WNOHANG, WNOHANG);
SAME(CURING_WSTOPPED, WSTOPPED);
SAME(CURING_WEXITED, WEXITED);
SAME(CURING_WCONTINUED, WCONTINUED);
SAME(CURING_WNOWAIT, WNOWAIT);
SAME(CURING_CLD_EXITED, CLD_EXITED);
SAME(CURING_CLD_KILLED, CLD_KILLED);
SAME(CURING_CLD_DUMPED, CLD_DUMPED);
SAME(CURING_CLD_STOPPED, CLD_STOPPED);
SAME(CURING_CLD_CONTINUED, CLD_CONTINUED);
SAME(CURING_RENAME_NOREPLACE, RENAME_NOREPLACE);
SAME(CURING_RENAME_EXCHANGE, RENAME_EXCHANGE);
SAME(CURING_RENAME_WHITEOUT, RENAME_WHITEOUT);
SAME(CURING_FALLOC_FL_KEEP_SIZE, FALLOC_FL_KEEP_SIZE);
SAME(CURING_FALLOC_FL_PUNCH_HOLE, FALLOC_FL_PUNCH_HOLE);
SAME(CURING_FALLOC_FL_COLLAPSE_RANGE, FALLOC_FL_COLLAPSE_RANGE);
SAME(CURING_FALLOC_FL_ZERO_RANGE, FALLOC_FL_ZERO_RANGE);
SAME(CURING_FALLOC_FL_INSERT_RANGE, FALLOC_FL_INSERT_RANGE);
SAME(CURING_FALLOC_FL_UNSHARE_RANGE, FALLOC_FL_UNSHARE_RANGE);
#ifdef FALLOC_FL_WRITE_ZEROES
SAME(CURING_FALLOC_FL_WRITE_ZEROES, FALLOC_FL_WRITE_ZEROES);
#endif
SAME(CURING_RWF_HIPRI, RWF_HIPRI);
SAME(CURING_RWF_DSYNC, RWF_DSYNC);
SAME(CURING_RWF_SYNC, RWF_SYNC);
SAME(CURING_RWF_NOWAIT, RWF_NOWAIT);
SAME(CURING_RWF_APPEND, RWF_APPEND);
#ifdef RWF_NOAPPEND
SAME(CURING_RWF_NOAPPEND, RWF_NOAPPEND);
#endif
#ifdef RWF_ATOMIC
SAME(CURING_RWF_ATOMIC, RWF_ATOMIC);
#endif
#ifdef RWF_DONTCACHE
SAME(CURING_RWF_DONTCACHE, RWF_DONTCACHE);
#endif
#ifdef RWF_NOSIGNAL
SAME(CURING_RWF_NOSIGNAL, RWF_NOSIGNAL);
#endif
#ifdef FUTEX2_SIZE_U32
SAME(CURING_FUTEX2_SIZE_U32, FUTEX2_SIZE_U32);
#endif
SAME(CURING_FUTEX2_PRIVATE, FUTEX_PRIVATE_FLAG);

#endif

// MARK: - The ring

/// Unmaps whole pages, as the kernel does with any size. The thread sanitizer forgets who used them only when it is told so; the next ring
/// at these addresses, in another thread, would look to it like a race.
static void unmap(void *start, size_t size) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    munmap(start, (size + page - 1) & ~(page - 1));
}

/// Undoes io_uring_queue_mmap and io_uring_setup. Not io_uring_queue_exit: that of 2.5 to 2.8 unmaps only half of the entries of an
/// SQE128 ring, and a mapping that is left holds the ring's file, so that the kernel would never cancel what is in flight.
static void release(struct io_uring *ring) {
    size_t entry_size = sizeof(struct io_uring_sqe) << (ring->flags & CURING_SETUP_SQE128 ? 1 : 0);
    unmap(ring->sq.sqes, ring->sq.ring_entries * entry_size);
    // The two rings share a mapping since Linux 5.4.
    if (ring->cq.ring_ptr != ring->sq.ring_ptr)
        unmap(ring->cq.ring_ptr, ring->cq.ring_sz);
    unmap(ring->sq.ring_ptr, ring->sq.ring_sz);
    close(ring->ring_fd);
    free(ring);
}

int curing_ring_create(struct curing_ring *out, uint32_t entries, struct curing_params *params, bool keep_on_fork) {
    memset(out, 0, sizeof(*out));

    // What a newer kernel makes of other flags may change how the queues are used. Of those that are known and not here, the first two want
    // the memory for the rings from the caller, which liburing 2.3 neither fills in nor stays away from unmapping: NO_MMAP,
    // REGISTERED_FD_ONLY, SQE_MIXED, SQ_REWIND.
    const uint32_t supported = CURING_SETUP_IOPOLL | CURING_SETUP_SQPOLL | CURING_SETUP_SQ_AFF | CURING_SETUP_CQSIZE | CURING_SETUP_CLAMP |
        CURING_SETUP_ATTACH_WQ | CURING_SETUP_R_DISABLED | CURING_SETUP_SUBMIT_ALL | CURING_SETUP_COOP_TASKRUN |
        CURING_SETUP_TASKRUN_FLAG | CURING_SETUP_SQE128 | CURING_SETUP_CQE32 | CURING_SETUP_SINGLE_ISSUER | CURING_SETUP_DEFER_TASKRUN |
        CURING_SETUP_NO_SQARRAY | CURING_SETUP_HYBRID_IOPOLL | CURING_SETUP_CQE_MIXED;
    if (params->flags & ~supported)
        return -EINVAL;

    struct io_uring *ring = calloc(1, sizeof(*ring));
    if (!ring)
        return -ENOMEM;

    struct io_uring_params answer;
    memcpy(&answer, params, sizeof(answer));
    int fd = io_uring_setup(entries, &answer);
    if (fd < 0) {
        free(ring);
        return fd;
    }

    // Known from here on, also when the rest fails.
    out->features = answer.features;

    // Not io_uring_queue_init_params: that of 2.3 writes an identity array over the ring's header with NO_SQARRAY, and that of 2.6 and
    // newer asks for flags of its own.
    int result = io_uring_queue_mmap(fd, &answer, ring);
    if (result < 0) {
        close(fd);
        free(ring);
        return result;
    }

    // io_uring_ring_dontfork takes the size of an entry from here; the mapping function of 2.5 to 2.14 leaves it 0.
    ring->flags = answer.flags;
    ring->features = answer.features;
    ring->ring_fd = fd;
    ring->enter_ring_fd = fd;

    if (!keep_on_fork) {
        result = io_uring_ring_dontfork(ring);
        if (result < 0) {
            release(ring);
            return result;
        }
    }

    // The array never changes: entry i of the ring is entry i of the memory. With NO_SQARRAY there is none, though the mapping function of
    // 2.3 makes up a pointer (to the ring's header).
    if (!(answer.flags & CURING_SETUP_NO_SQARRAY) && ring->sq.array) {
        for (uint32_t index = 0; index < answer.sq_entries; index++)
            ring->sq.array[index] = index;
    }

    out->sq_head = ring->sq.khead;
    out->sq_tail = ring->sq.ktail;
    out->sq_flags = ring->sq.kflags;
    out->sq_dropped = ring->sq.kdropped;
    out->sqes = (struct curing_sqe *)ring->sq.sqes;
    out->sq_entries = answer.sq_entries;
    out->sq_mask = *ring->sq.kring_mask;
    out->sqe_shift = answer.flags & CURING_SETUP_SQE128 ? 1 : 0;
    out->cq_head = ring->cq.khead;
    out->cq_tail = ring->cq.ktail;
    out->cq_flags = ring->cq.kflags;
    out->cq_overflow = ring->cq.koverflow;
    out->cqes = (struct curing_cqe *)ring->cq.cqes;
    out->cq_entries = answer.cq_entries;
    out->cq_mask = *ring->cq.kring_mask;
    out->cqe_shift = answer.flags & CURING_SETUP_CQE32 ? 1 : 0;
    out->setup_flags = answer.flags;
    out->fd = fd;
    out->state = ring;
    memcpy(params, &answer, sizeof(*params));
    return 0;
}

/// The smallest power of two that is not less.
static uint32_t rounded_up(uint32_t count) {
    uint32_t power = 1;
    while (power < count)
        power <<= 1;
    return power;
}

/// Reserves addresses, and a mapping: a private one would become a part of a neighbour, and where a process has as many mappings as it may,
/// could not be taken out again.
static void *reserve(size_t size) {
    return mmap(NULL, size, PROT_NONE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

/// Maps a part of the ring in place of a reservation of the same size. The kernel chooses other addresses (it refuses given ones).
static char *map_for(void *reservation, size_t size, int fd, uint64_t offset) {
    unmap(reservation, size);
    return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, (off_t)offset);
}

/// Copies the entries from one position up to another to their places in a queue of another size.
static void copy_entries(char *to, uint32_t to_count, const void *from, uint32_t from_count, size_t size, uint32_t start, uint32_t end) {
    for (uint32_t index = start; index != end; index++)
        memcpy(to + (index & (to_count - 1)) * size, (const char *)from + (index & (from_count - 1)) * size, size);
}

int curing_ring_resize(struct curing_ring *ring, uint32_t sq_entries, uint32_t cq_entries, uint32_t sq_tail, bool keep_on_fork) {
    struct io_uring *state = ring->state;
    // Of a ring with an array, the kernel says that the new array is at offset 0, which is the ring's header.
    if (!(ring->setup_flags & CURING_SETUP_NO_SQARRAY) || sq_entries < 1 || sq_entries > 1u << 15 || cq_entries > 1u << 16)
        return -EINVAL;
    uint32_t sq_count = rounded_up(sq_entries);
    uint32_t cq_count = cq_entries ? rounded_up(cq_entries) : 2 * sq_count;
    // The kernel counts only what was published.
    if (sq_tail - __atomic_load_n(ring->sq_head, __ATOMIC_ACQUIRE) > sq_count)
        return -EOVERFLOW;

    // The queues' header is as large as before.
    size_t cqe_size = sizeof(struct curing_cqe) << ring->cqe_shift;
    size_t sqe_size = sizeof(struct curing_sqe) << ring->sqe_shift;
    size_t rings_size = state->sq.ring_sz - ring->cq_entries * cqe_size + cq_count * cqe_size;
    size_t sqes_size = sq_count * sqe_size;
    // There is no way back once the kernel has changed the queues: see beforehand that there is room for them.
    char *rings = reserve(rings_size);
    if (rings == MAP_FAILED)
        return -errno;
    char *sqes = reserve(sqes_size);
    if (sqes == MAP_FAILED) {
        int error = -errno;
        unmap(rings, rings_size);
        return error;
    }

    struct curing_params answer = {
        .sq_entries = sq_count, .cq_entries = cq_count, .flags = CURING_SETUP_CQSIZE,
    };
    int result = curing_register(ring->fd, CURING_REGISTER_RESIZE_RINGS, &answer, 1);
    if (result < 0) {
        unmap(rings, rings_size);
        unmap(sqes, sqes_size);
        return result;
    }
    rings = map_for(rings, rings_size, ring->fd, CURING_OFF_SQ_RING);
    sqes = map_for(sqes, sqes_size, ring->fd, CURING_OFF_SQES);
    if (rings == MAP_FAILED || sqes == MAP_FAILED) {
        static const char sentence[] = "URing: another thread took the memory for the queues of a ring that was being resized.\n";
        if (write(STDERR_FILENO, sentence, sizeof(sentence) - 1) < 0) {
            // There is nobody to tell.
        }
        abort();
    }
    if (!keep_on_fork) {
        madvise(rings, rings_size, MADV_DONTFORK);
        madvise(sqes, sqes_size, MADV_DONTFORK);
    }
    // Not only what the kernel does not know of: up to its commit 45cd95763e19 (7.1, and stable versions of 2026) it takes large entries for
    // small ones, and it copies nothing when the positions wrap. What it posts by now lies behind the old tail.
    copy_entries(sqes, sq_count, ring->sqes, ring->sq_entries, sqe_size, *ring->sq_head, sq_tail);
    copy_entries(rings + answer.cq_off.cqes, cq_count, ring->cqes, ring->cq_entries, cqe_size, *ring->cq_head, *ring->cq_tail);
    unmap(state->sq.sqes, ring->sq_entries * sqe_size);
    unmap(state->sq.ring_ptr, state->sq.ring_sz);

    // What `release` looks at.
    state->sq.sqes = (struct io_uring_sqe *)(void *)sqes;
    state->sq.ring_entries = sq_count;
    state->sq.ring_ptr = state->cq.ring_ptr = rings;
    state->sq.ring_sz = state->cq.ring_sz = rings_size;

    ring->sq_head = (uint32_t *)(void *)(rings + answer.sq_off.head);
    ring->sq_tail = (uint32_t *)(void *)(rings + answer.sq_off.tail);
    ring->sq_flags = (uint32_t *)(void *)(rings + answer.sq_off.flags);
    ring->sq_dropped = (uint32_t *)(void *)(rings + answer.sq_off.dropped);
    ring->sqes = (struct curing_sqe *)(void *)sqes;
    ring->sq_entries = sq_count;
    ring->sq_mask = sq_count - 1;
    ring->cq_head = (uint32_t *)(void *)(rings + answer.cq_off.head);
    ring->cq_tail = (uint32_t *)(void *)(rings + answer.cq_off.tail);
    ring->cq_flags = (uint32_t *)(void *)(rings + answer.cq_off.flags);
    ring->cq_overflow = (uint32_t *)(void *)(rings + answer.cq_off.overflow);
    ring->cqes = (struct curing_cqe *)(void *)(rings + answer.cq_off.cqes);
    ring->cq_entries = cq_count;
    ring->cq_mask = cq_count - 1;
    // The kernel sets both in the new queues in any case, and nothing takes NEED_WAKEUP away again on a ring without a polling thread.
    __atomic_fetch_and(ring->sq_flags, ~(CURING_SQ_TASKRUN | CURING_SQ_NEED_WAKEUP), __ATOMIC_SEQ_CST);
    return 0;
}

void curing_ring_destroy(struct curing_ring *ring) {
    if (!ring->state)
        return;
    release(ring->state);
    memset(ring, 0, sizeof(*ring));
}

int curing_enter(int fd, uint32_t to_submit, uint32_t min_complete, uint32_t flags, const void *arg, size_t size) {
    // The kernel only reads the argument; the headers up to 2.9 declare it a signal mask, newer ones a pointer to anything, none of
    // them constant.
    return io_uring_enter2((unsigned)fd, to_submit, min_complete, flags, (void *)arg, size);
}

int curing_register(int fd, uint32_t opcode, const void *arg, uint32_t nr_args) {
    return io_uring_register((unsigned)fd, opcode, arg, nr_args);
}

int curing_liburing_major_version(void) {
#if HEADER_SINCE(2, 4)
    return io_uring_major_version();
#else
    return 2;
#endif
}

int curing_liburing_minor_version(void) {
#if HEADER_SINCE(2, 4)
    return io_uring_minor_version();
#else
    return 3;
#endif
}

uint32_t curing_next_ring_identity(void) {
    static uint32_t last;
    uint32_t identity;
    // Relaxed: the numbers only have to differ.
    do {
        identity = __atomic_add_fetch(&last, 1, __ATOMIC_RELAXED);
    } while (identity == 0);
    return identity;
}

static uint32_t fork_count;

static void count_fork(void) {
    // The child has one thread yet.
    fork_count++;
}

static void count_forks(void) {
    // It fails for want of memory alone; a child then takes itself for its parent.
    (void)pthread_atfork(NULL, NULL, count_fork);
}

uint32_t curing_process_identity(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, count_forks);
    return fork_count;
}

uint64_t curing_thread_identity(void) {
    static uint64_t last;
    static _Thread_local uint64_t identity;
    // Relaxed: the numbers only have to differ.
    if (identity == 0)
        identity = __atomic_add_fetch(&last, 1, __ATOMIC_RELAXED);
    return identity;
}

int32_t curing_only_processor(void) {
    cpu_set_t allowed;
    // On a machine with more processors than fit, the call fails.
    if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0 || CPU_COUNT(&allowed) != 1)
        return -1;
    int32_t processor = 0;
    while (!CPU_ISSET(processor, &allowed))
        processor++;
    return processor;
}

/// A file that takes no messages and is never closed, or a negative errno.
static int inert_file(void) {
    static int file = -1;
    int known = __atomic_load_n(&file, __ATOMIC_RELAXED);
    if (known >= 0)
        return known;
    int made = eventfd(0, EFD_CLOEXEC);
    if (made < 0)
        return -errno;
    // Another thread may have made one at the same time.
    if (__atomic_compare_exchange_n(&file, &known, made, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        return made;
    close(made);
    return known;
}

int curing_duplicate(int fd) {
    int inert = inert_file();
    if (inert < 0)
        return inert;
    int duplicate = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    return duplicate < 0 ? -errno : duplicate;
}

void curing_replace(int fd) {
    // There is one since `curing_duplicate`, and for an open number the call takes no memory. It fails if the process has lowered its limit of
    // descriptors below the number; the ring then stays open until the number is closed.
    while (dup3(inert_file(), fd, O_CLOEXEC) < 0 && (errno == EINTR || errno == EBUSY)) {
    }
}

int32_t curing_futex_wake(uint32_t *word, int32_t count) {
    long woken = syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
    return woken < 0 ? -errno : (int32_t)woken;
}

int32_t curing_futex_wait(uint32_t *word, uint32_t value, const struct curing_timespec *timeout) {
    struct timespec time;
    if (timeout) {
        time.tv_sec = (time_t)timeout->seconds;
        time.tv_nsec = (long)timeout->nanoseconds;
    }
    return syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, timeout ? &time : NULL, NULL, 0) < 0 ? -errno : 0;
}

int curing_pipe(int32_t *pair, int32_t flags) {
    return pipe2(pair, flags) == 0 ? 0 : -errno;
}

int curing_epoll_create(void) {
    int made = epoll_create1(EPOLL_CLOEXEC);
    return made < 0 ? -errno : made;
}

int curing_pidfd_open(int32_t process, uint32_t flags) {
    long made = syscall(SYS_pidfd_open, process, flags);
    return made < 0 ? -errno : (int)made;
}

int curing_eventfd(uint32_t count) {
    int made = eventfd(count, EFD_CLOEXEC | EFD_NONBLOCK);
    return made < 0 ? -errno : made;
}

int64_t curing_locked_memory_limit(void) {
    struct rlimit limits;
    if (getrlimit(RLIMIT_MEMLOCK, &limits) != 0 || limits.rlim_cur == RLIM_INFINITY)
        return -1;
    return (int64_t)limits.rlim_cur;
}
