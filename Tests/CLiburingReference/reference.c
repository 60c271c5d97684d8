// SPDX-License-Identifier: Apache-2.0

#include "CLiburingReference.h"

#include <errno.h>
#include <liburing.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

// The version macros exist from 2.4 on.
#ifdef IO_URING_VERSION_MAJOR
#define HEADER_SINCE(major, minor) \
    (IO_URING_VERSION_MAJOR > (major) || (IO_URING_VERSION_MAJOR == (major) && IO_URING_VERSION_MINOR >= (minor)))
#else
#define HEADER_SINCE(major, minor) ((major) == 2 && (minor) <= 3)
#endif

/// Clears the entry: `io_uring_prep_rw` does it up to 2.5, `io_uring_get_sqe` from 2.6 on.
static struct io_uring_sqe *cleared(void *sqe) {
    return memset(sqe, 0, sizeof(struct io_uring_sqe));
}

/// Writes the five fields that most operations have, for those that the installed liburing does not know.
__attribute__((unused)) static void fill(
    struct io_uring_sqe *entry, uint8_t opcode, int32_t fd, const void *address, uint32_t length, uint64_t offset) {
    entry->opcode = opcode;
    entry->fd = fd;
    entry->addr = (uintptr_t)address;
    entry->len = length;
    entry->off = offset;
}

/// Lets the kernel choose the slot if that is asked for. liburing 2.3 adds one to the slot in any case, which turns
/// IORING_FILE_INDEX_ALLOC into 0, a normal descriptor; newer ones have written the same value already.
static void allow_allocation(struct io_uring_sqe *entry, uint32_t slot) {
    if (slot == IORING_FILE_INDEX_ALLOC)
        entry->file_index = IORING_FILE_INDEX_ALLOC;
}

// MARK: - Nothing

void reference_prep_nop(void *sqe) {
    struct io_uring_sqe *entry = cleared(sqe);
    io_uring_prep_nop(entry);
}

// MARK: - Reading and writing

void reference_prep_read(void *sqe, int32_t fd, void *buffer, uint32_t count, uint64_t offset) {
    struct io_uring_sqe *entry = cleared(sqe);
    io_uring_prep_read(entry, fd, buffer, count, offset);
}

void reference_prep_write(void *sqe, int32_t fd, const void *buffer, uint32_t count, uint64_t offset) {
    struct io_uring_sqe *entry = cleared(sqe);
    io_uring_prep_write(entry, fd, buffer, count, offset);
}

void reference_prep_readv(void *sqe, int32_t fd, const void *iovecs, uint32_t count, uint64_t offset) {
    struct io_uring_sqe *entry = cleared(sqe);
    io_uring_prep_readv(entry, fd, iovecs, count, offset);
}

void reference_prep_readv2(void *sqe, int32_t fd, const void *iovecs, uint32_t count, uint64_t offset, int32_t flags) {
    struct io_uring_sqe *entry = cleared(sqe);
    io_uring_prep_readv2(entry, fd, iovecs, count, offset, flags);
}

void reference_prep_writev(void *sqe, int32_t fd, const void *iovecs, uint32_t count, uint64_t offset) {
    struct io_uring_sqe *entry = cleared(sqe);
    io_uring_prep_writev(entry, fd, iovecs, count, offset);
}

void reference_prep_writev2(void *sqe, int32_t fd, const void *iovecs, uint32_t count, uint64_t offset, int32_t flags) {
    struct io_uring_sqe *entry = cleared(sqe);
    io_uring_prep_writev2(entry, fd, iovecs, count, offset, flags);
}

void reference_prep_read_fixed(void *sqe, int32_t fd, void *buffer, uint32_t count, uint64_t offset, int32_t index) {
    struct io_uring_sqe *entry = cleared(sqe);
    io_uring_prep_read_fixed(entry, fd, buffer, count, offset, index);
}

void reference_prep_write_fixed(void *sqe, int32_t fd, const void *buffer, uint32_t count, uint64_t offset, int32_t index) {
    struct io_uring_sqe *entry = cleared(sqe);
    io_uring_prep_write_fixed(entry, fd, buffer, count, offset, index);
}

void reference_prep_readv_fixed(
    void *sqe, int32_t fd, const void *iovecs, uint32_t count, uint64_t offset, int32_t flags, int32_t index) {
    struct io_uring_sqe *entry = cleared(sqe);
#if HEADER_SINCE(2, 10)
    io_uring_prep_readv_fixed(entry, fd, iovecs, count, offset, flags, index);
#else
    fill(entry, 60, fd, iovecs, count, offset);
    entry->rw_flags = flags;
    entry->buf_index = (uint16_t)index;
#endif
}

void reference_prep_writev_fixed(
    void *sqe, int32_t fd, const void *iovecs, uint32_t count, uint64_t offset, int32_t flags, int32_t index) {
    struct io_uring_sqe *entry = cleared(sqe);
#if HEADER_SINCE(2, 10)
    io_uring_prep_writev_fixed(entry, fd, iovecs, count, offset, flags, index);
#else
    fill(entry, 61, fd, iovecs, count, offset);
    entry->rw_flags = flags;
    entry->buf_index = (uint16_t)index;
#endif
}

void reference_prep_read_multishot(void *sqe, int32_t fd, uint32_t count, uint64_t offset, int32_t group) {
    struct io_uring_sqe *entry = cleared(sqe);
// 2.6 has the function, but it leaves out the flag without which the kernel refuses the operation.
#if HEADER_SINCE(2, 7)
    io_uring_prep_read_multishot(entry, fd, count, offset, group);
#else
    fill(entry, 49, fd, NULL, count, offset);
    entry->flags = IOSQE_BUFFER_SELECT;
    entry->buf_group = (uint16_t)group;
#endif
}

// MARK: - Files

void reference_prep_fsync(void *sqe, int32_t fd, uint32_t flags) {
    struct io_uring_sqe *entry = cleared(sqe);
    io_uring_prep_fsync(entry, fd, flags);
}

void reference_prep_sync_file_range(void *sqe, int32_t fd, uint32_t count, uint64_t offset, int32_t flags) {
    struct io_uring_sqe *entry = cleared(sqe);
    io_uring_prep_sync_file_range(entry, fd, count, offset, flags);
}

void reference_prep_ftruncate(void *sqe, int32_t fd, int64_t count) {
    struct io_uring_sqe *entry = cleared(sqe);
#if HEADER_SINCE(2, 6)
    io_uring_prep_ftruncate(entry, fd, count);
#else
    fill(entry, 55, fd, NULL, 0, (uint64_t)count);
#endif
}

void reference_prep_fallocate(void *sqe, int32_t fd, int32_t mode, uint64_t offset, uint64_t count) {
    struct io_uring_sqe *entry = cleared(sqe);
    io_uring_prep_fallocate(entry, fd, mode, (off_t)offset, (off_t)count);
}

void reference_prep_fadvise(void *sqe, int32_t fd, uint64_t offset, uint32_t count, int32_t advice) {
    struct io_uring_sqe *entry = cleared(sqe);
    io_uring_prep_fadvise(entry, fd, offset, count, advice);
}

void reference_prep_fadvise64(void *sqe, int32_t fd, uint64_t offset, int64_t count, int32_t advice) {
    struct io_uring_sqe *entry = cleared(sqe);
#if HEADER_SINCE(2, 7)
    io_uring_prep_fadvise64(entry, fd, offset, count, advice);
#else
    fill(entry, 24, fd, NULL, 0, offset);
    entry->addr = (uint64_t)count;
    entry->fadvise_advice = (uint32_t)advice;
#endif
}

void reference_prep_madvise(void *sqe, void *address, uint32_t count, int32_t advice) {
    struct io_uring_sqe *entry = cleared(sqe);
    io_uring_prep_madvise(entry, address, count, advice);
}

void reference_prep_madvise64(void *sqe, void *address, int64_t count, int32_t advice) {
    struct io_uring_sqe *entry = cleared(sqe);
#if HEADER_SINCE(2, 7)
    io_uring_prep_madvise64(entry, address, count, advice);
#else
    fill(entry, 25, -1, address, 0, (uint64_t)count);
    entry->fadvise_advice = (uint32_t)advice;
#endif
}

void reference_prep_splice(
    void *sqe, int32_t fd_in, int64_t offset_in, int32_t fd_out, int64_t offset_out, uint32_t count, uint32_t flags) {
    struct io_uring_sqe *entry = cleared(sqe);
    io_uring_prep_splice(entry, fd_in, offset_in, fd_out, offset_out, count, flags);
}

void reference_prep_tee(void *sqe, int32_t fd_in, int32_t fd_out, uint32_t count, uint32_t flags) {
    struct io_uring_sqe *entry = cleared(sqe);
    io_uring_prep_tee(entry, fd_in, fd_out, count, flags);
}

// MARK: - Opening, closing, and names

void reference_prep_openat(void *sqe, int32_t directory, const char *path, int32_t flags, uint32_t mode) {
    struct io_uring_sqe *entry = cleared(sqe);
    io_uring_prep_openat(entry, directory, path, flags, mode);
}

void reference_prep_openat_direct(void *sqe, int32_t directory, const char *path, int32_t flags, uint32_t mode, uint32_t slot) {
    struct io_uring_sqe *entry = cleared(sqe);
    io_uring_prep_openat_direct(entry, directory, path, flags, mode, slot);
    allow_allocation(entry, slot);
}

void reference_prep_openat2(void *sqe, int32_t directory, const char *path, const void *how) {
    struct io_uring_sqe *entry = cleared(sqe);
    io_uring_prep_openat2(entry, directory, path, (struct open_how *)how);
}

void reference_prep_openat2_direct(void *sqe, int32_t directory, const char *path, const void *how, uint32_t slot) {
    struct io_uring_sqe *entry = cleared(sqe);
    io_uring_prep_openat2_direct(entry, directory, path, (struct open_how *)how, slot);
    allow_allocation(entry, slot);
}

void reference_prep_close(void *sqe, int32_t fd) {
    struct io_uring_sqe *entry = cleared(sqe);
    io_uring_prep_close(entry, fd);
}

void reference_prep_close_direct(void *sqe, uint32_t slot) {
    struct io_uring_sqe *entry = cleared(sqe);
    io_uring_prep_close_direct(entry, slot);
}

void reference_prep_statx(void *sqe, int32_t directory, const char *path, int32_t flags, uint32_t mask, void *statx) {
    struct io_uring_sqe *entry = cleared(sqe);
    io_uring_prep_statx(entry, directory, path, flags, mask, statx);
}

void reference_prep_unlinkat(void *sqe, int32_t directory, const char *path, int32_t flags) {
    struct io_uring_sqe *entry = cleared(sqe);
    io_uring_prep_unlinkat(entry, directory, path, flags);
}

void reference_prep_renameat(
    void *sqe, int32_t old_directory, const char *old_path, int32_t new_directory, const char *new_path, uint32_t flags) {
    struct io_uring_sqe *entry = cleared(sqe);
    io_uring_prep_renameat(entry, old_directory, old_path, new_directory, new_path, flags);
}

void reference_prep_mkdirat(void *sqe, int32_t directory, const char *path, uint32_t mode) {
    struct io_uring_sqe *entry = cleared(sqe);
    io_uring_prep_mkdirat(entry, directory, path, mode);
}

void reference_prep_symlinkat(void *sqe, const char *target, int32_t directory, const char *path) {
    struct io_uring_sqe *entry = cleared(sqe);
    io_uring_prep_symlinkat(entry, target, directory, path);
}

void reference_prep_linkat(
    void *sqe, int32_t old_directory, const char *old_path, int32_t new_directory, const char *new_path, int32_t flags) {
    struct io_uring_sqe *entry = cleared(sqe);
    io_uring_prep_linkat(entry, old_directory, old_path, new_directory, new_path, flags);
}

void reference_prep_setxattr(void *sqe, const char *name, const void *value, const char *path, int32_t flags, uint32_t count) {
    struct io_uring_sqe *entry = cleared(sqe);
    io_uring_prep_setxattr(entry, name, value, path, flags, count);
}

void reference_prep_getxattr(void *sqe, const char *name, void *value, const char *path, uint32_t count) {
    struct io_uring_sqe *entry = cleared(sqe);
    io_uring_prep_getxattr(entry, name, value, path, count);
}

void reference_prep_fsetxattr(void *sqe, int32_t fd, const char *name, const void *value, int32_t flags, uint32_t count) {
    struct io_uring_sqe *entry = cleared(sqe);
    io_uring_prep_fsetxattr(entry, fd, name, value, flags, count);
}

void reference_prep_fgetxattr(void *sqe, int32_t fd, const char *name, void *value, uint32_t count) {
    struct io_uring_sqe *entry = cleared(sqe);
    io_uring_prep_fgetxattr(entry, fd, name, value, count);
}

void reference_prep_pipe(void *sqe, int32_t *fds, int32_t flags) {
    struct io_uring_sqe *entry = cleared(sqe);
#if HEADER_SINCE(2, 12)
    io_uring_prep_pipe(entry, fds, flags);
#else
    fill(entry, 62, 0, fds, 0, 0);
    entry->rw_flags = flags;
#endif
}

void reference_prep_pipe_direct(void *sqe, int32_t *fds, int32_t flags, uint32_t slot) {
    struct io_uring_sqe *entry = cleared(sqe);
#if HEADER_SINCE(2, 12)
    io_uring_prep_pipe_direct(entry, fds, flags, slot);
#else
    fill(entry, 62, 0, fds, 0, 0);
    entry->rw_flags = flags;
    entry->file_index = slot + 1;
#endif
    allow_allocation(entry, slot);
}

// MARK: - Sockets

void reference_prep_socket(void *sqe, int32_t domain, int32_t type, int32_t protocol, uint32_t flags) {
    struct io_uring_sqe *entry = cleared(sqe);
    io_uring_prep_socket(entry, domain, type, protocol, flags);
}

void reference_prep_socket_direct(void *sqe, int32_t domain, int32_t type, int32_t protocol, uint32_t slot, uint32_t flags) {
    struct io_uring_sqe *entry = cleared(sqe);
    io_uring_prep_socket_direct(entry, domain, type, protocol, slot, flags);
    allow_allocation(entry, slot);
}

void reference_prep_socket_direct_alloc(void *sqe, int32_t domain, int32_t type, int32_t protocol, uint32_t flags) {
    struct io_uring_sqe *entry = cleared(sqe);
    io_uring_prep_socket_direct_alloc(entry, domain, type, protocol, flags);
}

void reference_prep_bind(void *sqe, int32_t fd, const void *address, uint32_t address_count) {
    struct io_uring_sqe *entry = cleared(sqe);
#if HEADER_SINCE(2, 7)
    io_uring_prep_bind(entry, fd, (struct sockaddr *)address, address_count);
#else
    fill(entry, 56, fd, address, 0, address_count);
#endif
}

void reference_prep_listen(void *sqe, int32_t fd, int32_t backlog) {
    struct io_uring_sqe *entry = cleared(sqe);
#if HEADER_SINCE(2, 7)
    io_uring_prep_listen(entry, fd, backlog);
#else
    fill(entry, 57, fd, NULL, (uint32_t)backlog, 0);
#endif
}

void reference_prep_accept(void *sqe, int32_t fd, void *address, uint32_t *address_count, int32_t flags) {
    struct io_uring_sqe *entry = cleared(sqe);
    io_uring_prep_accept(entry, fd, address, address_count, flags);
}

void reference_prep_accept_direct(void *sqe, int32_t fd, void *address, uint32_t *address_count, int32_t flags, uint32_t slot) {
    struct io_uring_sqe *entry = cleared(sqe);
    io_uring_prep_accept_direct(entry, fd, address, address_count, flags, slot);
    allow_allocation(entry, slot);
}

void reference_prep_multishot_accept(void *sqe, int32_t fd, void *address, uint32_t *address_count, int32_t flags) {
    struct io_uring_sqe *entry = cleared(sqe);
    io_uring_prep_multishot_accept(entry, fd, address, address_count, flags);
}

void reference_prep_multishot_accept_direct(void *sqe, int32_t fd, void *address, uint32_t *address_count, int32_t flags) {
    struct io_uring_sqe *entry = cleared(sqe);
    io_uring_prep_multishot_accept_direct(entry, fd, address, address_count, flags);
}

void reference_prep_connect(void *sqe, int32_t fd, const void *address, uint32_t address_count) {
    struct io_uring_sqe *entry = cleared(sqe);
    io_uring_prep_connect(entry, fd, address, address_count);
}

void reference_prep_shutdown(void *sqe, int32_t fd, int32_t how) {
    struct io_uring_sqe *entry = cleared(sqe);
    io_uring_prep_shutdown(entry, fd, how);
}

void reference_prep_send(void *sqe, int32_t fd, const void *buffer, uint32_t count, int32_t flags) {
    struct io_uring_sqe *entry = cleared(sqe);
    io_uring_prep_send(entry, fd, buffer, count, flags);
}

void reference_prep_sendto(
    void *sqe, int32_t fd, const void *buffer, uint32_t count, int32_t flags, const void *address, uint32_t address_count) {
    struct io_uring_sqe *entry = cleared(sqe);
#if HEADER_SINCE(2, 4)
    io_uring_prep_sendto(entry, fd, buffer, count, flags, address, address_count);
#else
    io_uring_prep_send(entry, fd, buffer, count, flags);
    entry->addr2 = (uintptr_t)address;
    entry->addr_len = (uint16_t)address_count;
#endif
}

void reference_prep_send_bundle(void *sqe, int32_t fd, uint32_t count, int32_t flags) {
    struct io_uring_sqe *entry = cleared(sqe);
#if HEADER_SINCE(2, 7)
    io_uring_prep_send_bundle(entry, fd, count, flags);
#else
    io_uring_prep_send(entry, fd, NULL, count, flags);
    entry->ioprio = 1 << 4;
#endif
}

void reference_prep_send_zc(void *sqe, int32_t fd, const void *buffer, uint32_t count, int32_t flags, uint32_t zc_flags) {
    struct io_uring_sqe *entry = cleared(sqe);
    io_uring_prep_send_zc(entry, fd, buffer, count, flags, zc_flags);
}

void reference_prep_send_zc_fixed(
    void *sqe, int32_t fd, const void *buffer, uint32_t count, int32_t flags, uint32_t zc_flags, uint32_t index) {
    struct io_uring_sqe *entry = cleared(sqe);
    io_uring_prep_send_zc_fixed(entry, fd, buffer, count, flags, zc_flags, index);
}

void reference_prep_send_zc_to(
    void *sqe, int32_t fd, const void *buffer, uint32_t count, int32_t flags, uint32_t zc_flags, const void *address,
    uint16_t address_count) {
    struct io_uring_sqe *entry = cleared(sqe);
    io_uring_prep_send_zc(entry, fd, buffer, count, flags, zc_flags);
    io_uring_prep_send_set_addr(entry, address, address_count);
}

void reference_prep_sendmsg(void *sqe, int32_t fd, const void *message, uint32_t flags) {
    struct io_uring_sqe *entry = cleared(sqe);
    io_uring_prep_sendmsg(entry, fd, message, flags);
}

void reference_prep_sendmsg_zc(void *sqe, int32_t fd, const void *message, uint32_t flags) {
    struct io_uring_sqe *entry = cleared(sqe);
    io_uring_prep_sendmsg_zc(entry, fd, message, flags);
}

void reference_prep_sendmsg_zc_fixed(void *sqe, int32_t fd, const void *message, uint32_t flags, uint32_t index) {
    struct io_uring_sqe *entry = cleared(sqe);
#if HEADER_SINCE(2, 10)
    io_uring_prep_sendmsg_zc_fixed(entry, fd, message, flags, index);
#else
    io_uring_prep_sendmsg_zc(entry, fd, message, flags);
    entry->ioprio = IORING_RECVSEND_FIXED_BUF;
    entry->buf_index = (uint16_t)index;
#endif
}

void reference_prep_recv(void *sqe, int32_t fd, void *buffer, uint32_t count, int32_t flags) {
    struct io_uring_sqe *entry = cleared(sqe);
    io_uring_prep_recv(entry, fd, buffer, count, flags);
}

void reference_prep_recv_multishot(void *sqe, int32_t fd, void *buffer, uint32_t count, int32_t flags) {
    struct io_uring_sqe *entry = cleared(sqe);
    io_uring_prep_recv_multishot(entry, fd, buffer, count, flags);
}

void reference_prep_recvmsg(void *sqe, int32_t fd, void *message, uint32_t flags) {
    struct io_uring_sqe *entry = cleared(sqe);
    io_uring_prep_recvmsg(entry, fd, message, flags);
}

void reference_prep_recvmsg_multishot(void *sqe, int32_t fd, void *message, uint32_t flags) {
    struct io_uring_sqe *entry = cleared(sqe);
    io_uring_prep_recvmsg_multishot(entry, fd, message, flags);
}

void reference_prep_cmd_sock(void *sqe, int32_t command, int32_t fd, int32_t level, int32_t option, void *value, int32_t count) {
    struct io_uring_sqe *entry = cleared(sqe);
#if HEADER_SINCE(2, 6)
    io_uring_prep_cmd_sock(entry, command, fd, level, option, value, count);
#else
    fill(entry, 46, fd, NULL, 0, 0);
    entry->cmd_op = (uint32_t)command;
    memcpy(&entry->addr, (int32_t[]){level, option}, 8);
    entry->file_index = (uint32_t)count;
    entry->addr3 = (uintptr_t)value;
#endif
}

// MARK: - Polling, timeouts, cancelling

void reference_prep_poll_add(void *sqe, int32_t fd, uint32_t mask) {
    struct io_uring_sqe *entry = cleared(sqe);
    io_uring_prep_poll_add(entry, fd, mask);
}

void reference_prep_poll_multishot(void *sqe, int32_t fd, uint32_t mask) {
    struct io_uring_sqe *entry = cleared(sqe);
    io_uring_prep_poll_multishot(entry, fd, mask);
}

void reference_prep_poll_update(void *sqe, uint64_t old_user_data, uint64_t new_user_data, uint32_t mask, uint32_t flags) {
    struct io_uring_sqe *entry = cleared(sqe);
    io_uring_prep_poll_update(entry, old_user_data, new_user_data, mask, flags);
}

void reference_prep_poll_remove(void *sqe, uint64_t user_data) {
    struct io_uring_sqe *entry = cleared(sqe);
    io_uring_prep_poll_remove(entry, user_data);
}

void reference_prep_epoll_ctl(void *sqe, int32_t epoll, int32_t fd, int32_t operation, const void *event) {
    struct io_uring_sqe *entry = cleared(sqe);
    io_uring_prep_epoll_ctl(entry, epoll, fd, operation, (struct epoll_event *)event);
}

void reference_prep_epoll_wait(void *sqe, int32_t epoll, void *events, int32_t count, uint32_t flags) {
    struct io_uring_sqe *entry = cleared(sqe);
#if HEADER_SINCE(2, 10)
    io_uring_prep_epoll_wait(entry, epoll, events, count, flags);
#else
    fill(entry, 59, epoll, events, (uint32_t)count, 0);
    entry->rw_flags = (int32_t)flags;
#endif
}

void reference_prep_timeout(void *sqe, const void *time, uint32_t count, uint32_t flags) {
    struct io_uring_sqe *entry = cleared(sqe);
    io_uring_prep_timeout(entry, (struct __kernel_timespec *)time, count, flags);
}

void reference_prep_timeout_update(void *sqe, const void *time, uint64_t user_data, uint32_t flags) {
    struct io_uring_sqe *entry = cleared(sqe);
    io_uring_prep_timeout_update(entry, (struct __kernel_timespec *)time, user_data, flags);
}

void reference_prep_timeout_remove(void *sqe, uint64_t user_data, uint32_t flags) {
    struct io_uring_sqe *entry = cleared(sqe);
    io_uring_prep_timeout_remove(entry, user_data, flags);
}

void reference_prep_link_timeout(void *sqe, const void *time, uint32_t flags) {
    struct io_uring_sqe *entry = cleared(sqe);
    io_uring_prep_link_timeout(entry, (struct __kernel_timespec *)time, flags);
}

void reference_prep_cancel64(void *sqe, uint64_t user_data, int32_t flags) {
    struct io_uring_sqe *entry = cleared(sqe);
    io_uring_prep_cancel64(entry, user_data, flags);
}

void reference_prep_cancel_fd(void *sqe, int32_t fd, uint32_t flags) {
    struct io_uring_sqe *entry = cleared(sqe);
    io_uring_prep_cancel_fd(entry, fd, flags);
}

const uint32_t REFERENCE_EPOLLMSG = EPOLLMSG;
const uint32_t REFERENCE_EPOLLRDHUP = EPOLLRDHUP;
const uint32_t REFERENCE_EPOLLEXCLUSIVE = EPOLLEXCLUSIVE;

// MARK: - Rings, buffers, registered files

void reference_prep_msg_ring(void *sqe, int32_t ring, uint32_t result, uint64_t data, uint32_t flags) {
    struct io_uring_sqe *entry = cleared(sqe);
    io_uring_prep_msg_ring(entry, ring, result, data, flags);
}

void reference_prep_msg_ring_cqe_flags(void *sqe, int32_t ring, uint32_t result, uint64_t data, uint32_t flags, uint32_t cqe_flags) {
    struct io_uring_sqe *entry = cleared(sqe);
#if HEADER_SINCE(2, 4)
    io_uring_prep_msg_ring_cqe_flags(entry, ring, result, data, flags, cqe_flags);
#else
    fill(entry, 40, ring, NULL, result, data);
    entry->msg_ring_flags = 1 << 1 | flags;
    entry->file_index = cqe_flags;
#endif
}

void reference_prep_msg_ring_fd(void *sqe, int32_t ring, int32_t source, int32_t slot, uint64_t data, uint32_t flags) {
    struct io_uring_sqe *entry = cleared(sqe);
#if HEADER_SINCE(2, 4)
    io_uring_prep_msg_ring_fd(entry, ring, source, slot, data, flags);
#else
    fill(entry, 40, ring, (void *)1, 0, data);
    entry->addr3 = (uint64_t)source;
    entry->file_index = (uint32_t)slot + 1;
    entry->msg_ring_flags = flags;
#endif
    allow_allocation(entry, (uint32_t)slot);
}

void reference_prep_msg_ring_fd_alloc(void *sqe, int32_t ring, int32_t source, uint64_t data, uint32_t flags) {
    struct io_uring_sqe *entry = cleared(sqe);
#if HEADER_SINCE(2, 4)
    io_uring_prep_msg_ring_fd_alloc(entry, ring, source, data, flags);
#else
    fill(entry, 40, ring, (void *)1, 0, data);
    entry->addr3 = (uint64_t)source;
    entry->msg_ring_flags = flags;
#endif
    allow_allocation(entry, IORING_FILE_INDEX_ALLOC);
}

void reference_prep_files_update(void *sqe, int32_t *fds, uint32_t count, int32_t offset) {
    struct io_uring_sqe *entry = cleared(sqe);
    io_uring_prep_files_update(entry, fds, count, offset);
}

void reference_prep_fixed_fd_install(void *sqe, int32_t slot, uint32_t flags) {
    struct io_uring_sqe *entry = cleared(sqe);
#if HEADER_SINCE(2, 6)
    io_uring_prep_fixed_fd_install(entry, slot, flags);
#else
    fill(entry, 54, slot, NULL, 0, 0);
    entry->flags = IOSQE_FIXED_FILE;
    entry->rw_flags = (int32_t)flags;
#endif
}

void reference_prep_provide_buffers(void *sqe, void *address, int32_t size, int32_t count, int32_t group, int32_t first) {
    struct io_uring_sqe *entry = cleared(sqe);
    io_uring_prep_provide_buffers(entry, address, size, count, group, first);
}

void reference_prep_remove_buffers(void *sqe, int32_t count, int32_t group) {
    struct io_uring_sqe *entry = cleared(sqe);
    io_uring_prep_remove_buffers(entry, count, group);
}

// MARK: - Waiting for words and processes

void reference_prep_futex_wait(void *sqe, const uint32_t *word, uint64_t value, uint64_t mask, uint32_t futex_flags, uint32_t flags) {
    struct io_uring_sqe *entry = cleared(sqe);
#if HEADER_SINCE(2, 6)
    io_uring_prep_futex_wait(entry, (uint32_t *)word, value, mask, futex_flags, flags);
#else
    fill(entry, 51, (int32_t)futex_flags, word, 0, value);
    entry->addr3 = mask;
    entry->rw_flags = (int32_t)flags;
#endif
}

void reference_prep_futex_wake(void *sqe, const uint32_t *word, uint64_t value, uint64_t mask, uint32_t futex_flags, uint32_t flags) {
    struct io_uring_sqe *entry = cleared(sqe);
#if HEADER_SINCE(2, 6)
    io_uring_prep_futex_wake(entry, (uint32_t *)word, value, mask, futex_flags, flags);
#else
    fill(entry, 52, (int32_t)futex_flags, word, 0, value);
    entry->addr3 = mask;
    entry->rw_flags = (int32_t)flags;
#endif
}

void reference_prep_futex_waitv(void *sqe, const void *words, uint32_t count, uint32_t flags) {
    struct io_uring_sqe *entry = cleared(sqe);
#if HEADER_SINCE(2, 6)
    io_uring_prep_futex_waitv(entry, (struct futex_waitv *)words, count, flags);
#else
    fill(entry, 53, 0, words, count, 0);
    entry->rw_flags = (int32_t)flags;
#endif
}

void reference_prep_waitid(void *sqe, int32_t id_type, uint32_t id, void *siginfo, int32_t options, uint32_t flags) {
    struct io_uring_sqe *entry = cleared(sqe);
#if HEADER_SINCE(2, 6)
    io_uring_prep_waitid(entry, (idtype_t)id_type, id, siginfo, options, flags);
#else
    fill(entry, 50, (int32_t)id, NULL, (uint32_t)id_type, (uintptr_t)siginfo);
    entry->file_index = (uint32_t)options;
    entry->rw_flags = (int32_t)flags;
#endif
}

// MARK: - What is liburing's own

bool reference_has(const char *name) {
    // The functions that 2.3 lacks, with what the installed version says; every other one is liburing's own.
    static const struct {
        const char *name;
        bool own;
    } newer[] = {
        {"readv_fixed", HEADER_SINCE(2, 10)},
        {"writev_fixed", HEADER_SINCE(2, 10)},
        {"read_multishot", HEADER_SINCE(2, 7)},
        {"ftruncate", HEADER_SINCE(2, 6)},
        {"fadvise64", HEADER_SINCE(2, 7)},
        {"madvise64", HEADER_SINCE(2, 7)},
        {"pipe", HEADER_SINCE(2, 12)},
        {"pipe_direct", HEADER_SINCE(2, 12)},
        {"bind", HEADER_SINCE(2, 7)},
        {"listen", HEADER_SINCE(2, 7)},
        {"sendto", HEADER_SINCE(2, 4)},
        {"send_bundle", HEADER_SINCE(2, 7)},
        {"sendmsg_zc_fixed", HEADER_SINCE(2, 10)},
        {"cmd_sock", HEADER_SINCE(2, 6)},
        {"epoll_wait", HEADER_SINCE(2, 10)},
        {"msg_ring_cqe_flags", HEADER_SINCE(2, 4)},
        {"msg_ring_fd", HEADER_SINCE(2, 4)},
        {"msg_ring_fd_alloc", HEADER_SINCE(2, 4)},
        {"fixed_fd_install", HEADER_SINCE(2, 6)},
        {"futex_wait", HEADER_SINCE(2, 6)},
        {"futex_wake", HEADER_SINCE(2, 6)},
        {"futex_waitv", HEADER_SINCE(2, 6)},
        {"waitid", HEADER_SINCE(2, 6)},
    };
    for (size_t i = 0; i < sizeof(newer) / sizeof(newer[0]); i++)
        if (strcmp(newer[i].name, name) == 0)
            return newer[i].own;

    static const char *const old[] = {
        "nop", "read", "write", "readv", "readv2", "writev", "writev2", "read_fixed", "write_fixed", "fsync", "sync_file_range",
        "fallocate", "fadvise", "madvise", "splice", "tee", "openat", "openat_direct", "openat2", "openat2_direct", "close",
        "close_direct", "statx", "unlinkat", "renameat", "mkdirat", "symlinkat", "linkat", "setxattr", "getxattr", "fsetxattr",
        "fgetxattr", "socket", "socket_direct", "socket_direct_alloc", "accept", "accept_direct", "multishot_accept",
        "multishot_accept_direct", "connect", "shutdown", "send", "send_zc", "send_zc_fixed", "sendmsg", "sendmsg_zc", "recv",
        "recv_multishot", "recvmsg", "recvmsg_multishot", "poll_add", "poll_multishot", "poll_update", "poll_remove", "epoll_ctl",
        "timeout", "timeout_update", "timeout_remove", "link_timeout", "cancel64", "cancel_fd", "msg_ring", "files_update",
        "provide_buffers", "remove_buffers",
    };
    for (size_t i = 0; i < sizeof(old) / sizeof(old[0]); i++)
        if (strcmp(old[i], name) == 0)
            return true;
    abort();
}
