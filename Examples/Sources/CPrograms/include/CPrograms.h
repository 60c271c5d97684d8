// SPDX-License-Identifier: Apache-2.0
// What the programs need of Linux that Swift cannot ask for without unsafe code, and what they are compared with.

#ifndef CPROGRAMS_H
#define CPROGRAMS_H

#include <stdbool.h>
#include <stddef.h>

/// Has the kernel check a BPF program for tracepoints that does nothing, and lets go of it: 0, or a negated error number.
int programs_try_tracepoint_program(void);

/// Makes io_uring_enter(2) fail with EPERM for the calling thread, for ever: 0, or a negated error number.
int programs_forbid_entering(void);

/// Takes all capabilities from the calling thread, for ever: 0, or a negated error number.
int programs_give_up_rights(void);

/// Runs operations that do nothing on a ring of its own with liburing, so many at a time, which may be linked, and waits for all of them
/// before the next: the nanoseconds that it took, or a negated error number.
///
/// With `polls`, a thread of the kernel submits them, and they are looked for without waiting.
long long programs_run_nops(long long count, unsigned size, bool is_linked, bool polls);

/// Sends a byte to another thread and back through two pipes, so many times: the nanoseconds that it took, or a negated error number.
long long programs_ping_pong_through_pipes(long long count);

/// Copies a file with pread(2) and pwrite(2): 0, or a negated error number.
int programs_copy(int source, int destination, size_t block_byte_count);

#endif
