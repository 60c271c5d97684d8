// SPDX-License-Identifier: Apache-2.0

/// The preparation functions of the installed liburing, for tests that compare an entry with them byte for byte.
///
/// Each function clears the 64 bytes at `sqe` and prepares them as the liburing function of its name, with its parameters in its
/// order. No liburing type appears: an address, a message header, iovecs, a timespec and a statx buffer are plain pointers. A direct
/// descriptor's `slot` may be UINT32_MAX, which lets the kernel choose.

#ifndef CLIBURING_REFERENCE_H
#define CLIBURING_REFERENCE_H

#include <stdbool.h>
#include <stdint.h>

/// Whether `reference_prep_<name>` calls the installed liburing's own function. False when that lacks it: the fields are then
/// written here, after the kernel's ABI. Traps when there is no such function.
bool reference_has(const char *name);

// MARK: - Nothing

void reference_prep_nop(void *sqe);

// MARK: - Reading and writing

void reference_prep_read(void *sqe, int32_t fd, void *buffer, uint32_t count, uint64_t offset);
void reference_prep_write(void *sqe, int32_t fd, const void *buffer, uint32_t count, uint64_t offset);
void reference_prep_readv(void *sqe, int32_t fd, const void *iovecs, uint32_t count, uint64_t offset);
void reference_prep_readv2(void *sqe, int32_t fd, const void *iovecs, uint32_t count, uint64_t offset, int32_t flags);
void reference_prep_writev(void *sqe, int32_t fd, const void *iovecs, uint32_t count, uint64_t offset);
void reference_prep_writev2(void *sqe, int32_t fd, const void *iovecs, uint32_t count, uint64_t offset, int32_t flags);
void reference_prep_read_fixed(void *sqe, int32_t fd, void *buffer, uint32_t count, uint64_t offset, int32_t index);
void reference_prep_write_fixed(void *sqe, int32_t fd, const void *buffer, uint32_t count, uint64_t offset, int32_t index);
void reference_prep_readv_fixed(
    void *sqe, int32_t fd, const void *iovecs, uint32_t count, uint64_t offset, int32_t flags, int32_t index);
void reference_prep_writev_fixed(
    void *sqe, int32_t fd, const void *iovecs, uint32_t count, uint64_t offset, int32_t flags, int32_t index);
void reference_prep_read_multishot(void *sqe, int32_t fd, uint32_t count, uint64_t offset, int32_t group);

// MARK: - Files

void reference_prep_fsync(void *sqe, int32_t fd, uint32_t flags);
void reference_prep_sync_file_range(void *sqe, int32_t fd, uint32_t count, uint64_t offset, int32_t flags);
void reference_prep_ftruncate(void *sqe, int32_t fd, int64_t count);
void reference_prep_fallocate(void *sqe, int32_t fd, int32_t mode, uint64_t offset, uint64_t count);
void reference_prep_fadvise(void *sqe, int32_t fd, uint64_t offset, uint32_t count, int32_t advice);
void reference_prep_fadvise64(void *sqe, int32_t fd, uint64_t offset, int64_t count, int32_t advice);
void reference_prep_madvise(void *sqe, void *address, uint32_t count, int32_t advice);
void reference_prep_madvise64(void *sqe, void *address, int64_t count, int32_t advice);
void reference_prep_splice(
    void *sqe, int32_t fd_in, int64_t offset_in, int32_t fd_out, int64_t offset_out, uint32_t count, uint32_t flags);
void reference_prep_tee(void *sqe, int32_t fd_in, int32_t fd_out, uint32_t count, uint32_t flags);

// MARK: - Opening, closing, and names

void reference_prep_openat(void *sqe, int32_t directory, const char *path, int32_t flags, uint32_t mode);
void reference_prep_openat_direct(void *sqe, int32_t directory, const char *path, int32_t flags, uint32_t mode, uint32_t slot);
void reference_prep_openat2(void *sqe, int32_t directory, const char *path, const void *how);
void reference_prep_openat2_direct(void *sqe, int32_t directory, const char *path, const void *how, uint32_t slot);
void reference_prep_close(void *sqe, int32_t fd);
void reference_prep_close_direct(void *sqe, uint32_t slot);
void reference_prep_statx(void *sqe, int32_t directory, const char *path, int32_t flags, uint32_t mask, void *statx);
void reference_prep_unlinkat(void *sqe, int32_t directory, const char *path, int32_t flags);
void reference_prep_renameat(
    void *sqe, int32_t old_directory, const char *old_path, int32_t new_directory, const char *new_path, uint32_t flags);
void reference_prep_mkdirat(void *sqe, int32_t directory, const char *path, uint32_t mode);
void reference_prep_symlinkat(void *sqe, const char *target, int32_t directory, const char *path);
void reference_prep_linkat(
    void *sqe, int32_t old_directory, const char *old_path, int32_t new_directory, const char *new_path, int32_t flags);
void reference_prep_setxattr(void *sqe, const char *name, const void *value, const char *path, int32_t flags, uint32_t count);
void reference_prep_getxattr(void *sqe, const char *name, void *value, const char *path, uint32_t count);
void reference_prep_fsetxattr(void *sqe, int32_t fd, const char *name, const void *value, int32_t flags, uint32_t count);
void reference_prep_fgetxattr(void *sqe, int32_t fd, const char *name, void *value, uint32_t count);
void reference_prep_pipe(void *sqe, int32_t *fds, int32_t flags);
void reference_prep_pipe_direct(void *sqe, int32_t *fds, int32_t flags, uint32_t slot);

// MARK: - Sockets

void reference_prep_socket(void *sqe, int32_t domain, int32_t type, int32_t protocol, uint32_t flags);
void reference_prep_socket_direct(void *sqe, int32_t domain, int32_t type, int32_t protocol, uint32_t slot, uint32_t flags);
void reference_prep_socket_direct_alloc(void *sqe, int32_t domain, int32_t type, int32_t protocol, uint32_t flags);
void reference_prep_bind(void *sqe, int32_t fd, const void *address, uint32_t address_count);
void reference_prep_listen(void *sqe, int32_t fd, int32_t backlog);
void reference_prep_accept(void *sqe, int32_t fd, void *address, uint32_t *address_count, int32_t flags);
void reference_prep_accept_direct(void *sqe, int32_t fd, void *address, uint32_t *address_count, int32_t flags, uint32_t slot);
void reference_prep_multishot_accept(void *sqe, int32_t fd, void *address, uint32_t *address_count, int32_t flags);
void reference_prep_multishot_accept_direct(void *sqe, int32_t fd, void *address, uint32_t *address_count, int32_t flags);
void reference_prep_connect(void *sqe, int32_t fd, const void *address, uint32_t address_count);
void reference_prep_shutdown(void *sqe, int32_t fd, int32_t how);
void reference_prep_send(void *sqe, int32_t fd, const void *buffer, uint32_t count, int32_t flags);
void reference_prep_sendto(
    void *sqe, int32_t fd, const void *buffer, uint32_t count, int32_t flags, const void *address, uint32_t address_count);
void reference_prep_send_bundle(void *sqe, int32_t fd, uint32_t count, int32_t flags);
void reference_prep_send_zc(void *sqe, int32_t fd, const void *buffer, uint32_t count, int32_t flags, uint32_t zc_flags);
void reference_prep_send_zc_fixed(
    void *sqe, int32_t fd, const void *buffer, uint32_t count, int32_t flags, uint32_t zc_flags, uint32_t index);
/// Is `io_uring_prep_send_zc` and then `io_uring_prep_send_set_addr`.
void reference_prep_send_zc_to(
    void *sqe, int32_t fd, const void *buffer, uint32_t count, int32_t flags, uint32_t zc_flags, const void *address,
    uint16_t address_count);
void reference_prep_sendmsg(void *sqe, int32_t fd, const void *message, uint32_t flags);
void reference_prep_sendmsg_zc(void *sqe, int32_t fd, const void *message, uint32_t flags);
void reference_prep_sendmsg_zc_fixed(void *sqe, int32_t fd, const void *message, uint32_t flags, uint32_t index);
void reference_prep_recv(void *sqe, int32_t fd, void *buffer, uint32_t count, int32_t flags);
void reference_prep_recv_multishot(void *sqe, int32_t fd, void *buffer, uint32_t count, int32_t flags);
void reference_prep_recvmsg(void *sqe, int32_t fd, void *message, uint32_t flags);
void reference_prep_recvmsg_multishot(void *sqe, int32_t fd, void *message, uint32_t flags);
void reference_prep_cmd_sock(void *sqe, int32_t command, int32_t fd, int32_t level, int32_t option, void *value, int32_t count);

// MARK: - Polling, timeouts, cancelling

void reference_prep_poll_add(void *sqe, int32_t fd, uint32_t mask);
void reference_prep_poll_multishot(void *sqe, int32_t fd, uint32_t mask);
void reference_prep_poll_update(void *sqe, uint64_t old_user_data, uint64_t new_user_data, uint32_t mask, uint32_t flags);
void reference_prep_poll_remove(void *sqe, uint64_t user_data);
void reference_prep_epoll_ctl(void *sqe, int32_t epoll, int32_t fd, int32_t operation, const void *event);
void reference_prep_epoll_wait(void *sqe, int32_t epoll, void *events, int32_t count, uint32_t flags);
void reference_prep_timeout(void *sqe, const void *time, uint32_t count, uint32_t flags);
void reference_prep_timeout_update(void *sqe, const void *time, uint64_t user_data, uint32_t flags);
void reference_prep_timeout_remove(void *sqe, uint64_t user_data, uint32_t flags);
void reference_prep_link_timeout(void *sqe, const void *time, uint32_t flags);
void reference_prep_cancel64(void *sqe, uint64_t user_data, int32_t flags);
void reference_prep_cancel_fd(void *sqe, int32_t fd, uint32_t flags);

/// Constants of <sys/epoll.h>, which Swift's Glibc module does not have.
extern const uint32_t REFERENCE_EPOLLMSG, REFERENCE_EPOLLRDHUP, REFERENCE_EPOLLEXCLUSIVE;

// MARK: - Rings, buffers, registered files

void reference_prep_msg_ring(void *sqe, int32_t ring, uint32_t result, uint64_t data, uint32_t flags);
void reference_prep_msg_ring_cqe_flags(void *sqe, int32_t ring, uint32_t result, uint64_t data, uint32_t flags, uint32_t cqe_flags);
void reference_prep_msg_ring_fd(void *sqe, int32_t ring, int32_t source, int32_t slot, uint64_t data, uint32_t flags);
void reference_prep_msg_ring_fd_alloc(void *sqe, int32_t ring, int32_t source, uint64_t data, uint32_t flags);
void reference_prep_files_update(void *sqe, int32_t *fds, uint32_t count, int32_t offset);
void reference_prep_fixed_fd_install(void *sqe, int32_t slot, uint32_t flags);
void reference_prep_provide_buffers(void *sqe, void *address, int32_t size, int32_t count, int32_t group, int32_t first);
void reference_prep_remove_buffers(void *sqe, int32_t count, int32_t group);

// MARK: - Waiting for words and processes

void reference_prep_futex_wait(void *sqe, const uint32_t *word, uint64_t value, uint64_t mask, uint32_t futex_flags, uint32_t flags);
void reference_prep_futex_wake(void *sqe, const uint32_t *word, uint64_t value, uint64_t mask, uint32_t futex_flags, uint32_t flags);
void reference_prep_futex_waitv(void *sqe, const void *words, uint32_t count, uint32_t flags);
void reference_prep_waitid(void *sqe, int32_t id_type, uint32_t id, void *siginfo, int32_t options, uint32_t flags);

#endif
