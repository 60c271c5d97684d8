// SPDX-License-Identifier: Apache-2.0
// The loops of the benchmarks as a C programmer writes them with liburing.
//
// Every function returns 0 or a negated error number. EILSEQ says that a completion or a byte was not as it has to be.

#ifndef CBASELINE_H
#define CBASELINE_H

#include <stdbool.h>
#include <stddef.h>

/// A ring of liburing's.
typedef struct baseline_ring baseline_ring;

/// Makes a ring with these `IORING_SETUP_*` flags.
int baseline_ring_open(unsigned entries, unsigned flags, baseline_ring **ring);

/// Ends a ring, with nothing in flight that uses memory.
void baseline_ring_close(baseline_ring *ring);

/// Completes so many operations that do nothing, a batch with each system call.
int baseline_nop(baseline_ring *ring, unsigned batch, long count);

/// Blocks of a file, and memory for as many of them as are in flight.
typedef struct baseline_blocks {
    /// The file.
    int file;
    /// How many blocks are in flight.
    unsigned depth;
    /// How large a block is, in bytes.
    unsigned block;
    /// How many blocks the file has.
    unsigned count;
    /// `depth` blocks of memory. The first word of a block of the file is its offset there for a read, and its operation's number for a write.
    void *memory;
} baseline_blocks;

/// Registers the memory, one buffer for each block in flight.
int baseline_register(baseline_ring *ring, const baseline_blocks *blocks);

/// Reads so many blocks, the file again and again.
int baseline_read(baseline_ring *ring, const baseline_blocks *blocks, bool is_fixed, long count);

/// Writes so many blocks, the file again and again.
int baseline_write(baseline_ring *ring, const baseline_blocks *blocks, long count);

/// Pipes with a byte in each. An event is that a pipe can be read: its byte is taken out, and the next number is put in.
typedef struct baseline_pipes {
    /// The end to read and the end to write of each.
    const int *ends;
    /// How many pipes there are.
    unsigned count;
} baseline_pipes;

/// The most pipes that the functions take.
enum { baseline_most_pipes = 64 };

/// Handles so many events, which one-shot polls tell. Polls are prepared again one by one, and go to the kernel when it has to be entered to wait.
int baseline_pipe_uring(baseline_ring *ring, const baseline_pipes *pipes, long count);

/// Handles so many events, one for each epoll_wait(2).
int baseline_pipe_epoll(const baseline_pipes *pipes, long count);

/// Handles so many events, one for each poll(2), the pipes in turn.
int baseline_pipe_poll(const baseline_pipes *pipes, long count);

/// Takes the byte out of a pipe, checks it, and puts the next one in.
int baseline_pipe_event(const baseline_pipes *pipes, unsigned pipe, unsigned char *expected);

/// Connections that are made at once, to a port of the loopback address.
typedef struct baseline_connections {
    /// The port.
    unsigned short port;
    /// How many are made at once.
    unsigned count;
    /// Where their descriptors go.
    int *sockets;
} baseline_connections;

/// Makes connections that wait to be accepted.
int baseline_connect(const baseline_connections *connections);

/// Ends the connections at once, so that none of them keeps its port.
void baseline_disconnect(const baseline_connections *connections);

/// Accepts so many connections, as many at once as are made at once, and closes them.
int baseline_accept_uring(baseline_ring *ring, int listener, const baseline_connections *connections, long count);

/// The same with epoll_wait(2) and accept4(2).
int baseline_accept_epoll(int listener, const baseline_connections *connections, long count);

/// How large a message is, and how many are sent before they are received.
enum { baseline_message = 1024, baseline_burst = 32 };

/// Sends messages, whose first and last words are their numbers, up to as many as a burst has.
int baseline_send(int socket, long first, unsigned count);

/// Sends so many messages, a burst at a time, and receives them with one operation out of a ring of buffers.
int baseline_receive_uring(baseline_ring *ring, int sender, int receiver, long count);

/// Receives them with epoll_wait(2) and recv(2).
int baseline_receive_epoll(int sender, int receiver, long count);

#endif
