// SPDX-License-Identifier: Apache-2.0

/// What the tests need and Swift cannot do by itself: forking, filtering system calls, eventfds.

#ifndef CTEST_SUPPORT_H
#define CTEST_SUPPORT_H

#include <stddef.h>
#include <stdint.h>

/// `O_DIRECT`, whose value is the architecture's.
int32_t test_open_direct(void);

/// Puts a file into an epoll set; 0 or a negative errno.
int32_t test_epoll_add(int32_t set, int32_t file, uint32_t events, uint64_t data);

/// Whether a `struct epoll_event` has these events and data; 1 or 0.
int32_t test_epoll_event_is(const void *event, uint32_t events, uint64_t data);

/// How large `struct epoll_event` is.
size_t test_epoll_event_size(void);

/// The bytes that the process has allocated and not freed. Counts nothing under a sanitizer.
size_t test_allocated_byte_count(void);

/// Forks; the child says whether the page at an address is mapped. Returns 1 if it is, 0 if not, or a negative errno.
int32_t test_child_maps(const void *address);

/// Forks; the child has only this descriptor, and exits with the byte that it reads from it. Returns its number, or a negative errno.
int32_t test_start_child(int32_t control);

/// Is getxattr(2). Returns the count or a negative errno.
int32_t test_get_attribute(const char *path, const char *name, void *value, size_t count);

/// Is fork(2). Returns twice, the child's number or a negative errno, and 0 in the child.
int32_t test_fork(void);

/// Waits for a child. Returns what it exits with, or -EFAULT if a signal has ended it.
int32_t test_wait_for_child(int32_t child);

/// Forks; the child calls io_uring_enter(2) to submit one entry. Returns what it got, a count or a negative errno.
int32_t test_child_submits(int32_t ring);

/// Makes io_uring_setup(2) fail with an error from now on, by a seccomp filter. Returns 0 or a negative errno.
int32_t test_forbid_rings(int32_t error);

/// Makes waits on rings that have a limit fail likewise.
int32_t test_forbid_timed_waits(int32_t error);

/// Makes the calls fail likewise that cancel operations of a ring.
int32_t test_forbid_cancelling(int32_t error);

/// Sets the limit on open descriptors. Returns 0 or a negative errno.
int32_t test_limit_descriptors(uint64_t limit);

/// Sets the limit on the bytes of addresses that the process may have mapped. Returns 0 or a negative errno.
int32_t test_limit_addresses(uint64_t byte_count);

/// Sets the limit on locked memory, and gives up root, whom it does not bind. Returns 0 or a negative errno.
int32_t test_limit_locked_memory(uint64_t limit);

/// Makes a file in memory. Returns the descriptor or a negative errno.
int32_t test_memory_file(void);

/// Makes a listening Unix stream socket with an abstract name that the kernel chooses. Returns the descriptor or a negative errno.
int32_t test_listen(void);

/// Connects to such a listener. Returns the descriptor or a negative errno.
int32_t test_connect(int32_t listener);

/// Is send(2) without blocking, and without the signal for a closed peer. Returns the count or a negative errno.
int32_t test_send(int32_t socket, const void *bytes, size_t count);

/// Moves the calling thread into a network namespace of its own, in which two virtual Ethernet devices are connected, `near` with the address
/// 10.77.0.1 and `far`: what is sent to another address of 10.0.0.0/8 leaves through the one and arrives at the other, where nobody takes
/// it. The namespace and the devices go with the last thread and socket in it. Returns 0 or a negative errno.
int32_t test_enter_network(void);

/// The number of the calling thread.
int32_t test_thread_number(void);

/// Binds the calling thread to one processor of those that it may run on, by its place among them. Returns its number, or a negative
/// errno: -ERANGE if there are not so many.
int32_t test_bind_thread(int32_t place);

/// How many pages of a part of a file are in memory and differ from the disk, those included that are on their way there, as cachestat(2)
/// counts them; or a negative errno.
int64_t test_unwritten_pages(int32_t file, uint64_t offset, uint64_t byte_count);

/// Opens the terminal that belongs to an open `/dev/ptmx`. Returns the descriptor or a negative errno.
int32_t test_open_terminal(int32_t side);

#endif
