// SPDX-License-Identifier: Apache-2.0
// What the programs need of Linux that Swift cannot ask for without unsafe code, and what they are compared with.

#ifndef CPROGRAMS_H
#define CPROGRAMS_H

#include <stddef.h>

/// Has the kernel check a BPF program for tracepoints that does nothing, and lets go of it: 0, or a negated error number.
int programs_try_tracepoint_program(void);

/// Makes io_uring_enter(2) fail with EPERM for the calling thread, for ever: 0, or a negated error number.
int programs_forbid_entering(void);

/// Takes all capabilities from the calling thread, for ever: 0, or a negated error number.
int programs_give_up_rights(void);

/// Sends a byte to another thread and back through two pipes, so many times: the nanoseconds that it took, or a negated error number.
long long programs_ping_pong_through_pipes(long long count);

/// Copies a file with pread(2) and pwrite(2): 0, or a negated error number.
int programs_copy(int source, int destination, size_t block_byte_count);

#endif
