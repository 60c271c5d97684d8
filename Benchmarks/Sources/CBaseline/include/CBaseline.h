// SPDX-License-Identifier: Apache-2.0
// The loops of the benchmarks as a C programmer writes them with liburing.
//
// Every function returns 0 or a negated error number. EILSEQ says that a completion or a byte was not as it has to be.

#ifndef CBASELINE_H
#define CBASELINE_H

#include <stdbool.h>
#include <stddef.h>

/// The most bytes that a block or a message has.
enum { baseline_most_contents = 64 * 1024 };

/// What a block of a file or a message has in it, up to the most bytes: the contents of 256 numbers, and then those of the first again, differ
/// at every place.
const void *baseline_contents(unsigned long number);

/// Compares every byte with the contents of a number: 0 or EILSEQ.
///
/// Every engine calls this for whatever it has read or received.
int baseline_expect(const void *bytes, unsigned long number, long byte_count);

/// Compares every byte with the contents of number 0, but for the first and the last word, which have to be a stamp.
int baseline_expect_stamped(const void *bytes, unsigned long stamp, long byte_count);

/// Has the functions that compare do nothing from now on, for counting what is left.
void baseline_leave_unverified(void);

/// A ring of liburing's.
typedef struct baseline_ring baseline_ring;

/// Makes a ring with these `IORING_SETUP_*` flags.
int baseline_ring_open(unsigned entries, unsigned flags, baseline_ring **ring);

/// Ends a ring, with nothing in flight that uses memory.
void baseline_ring_close(baseline_ring *ring);

/// Completes so many operations that do nothing, a batch with each system call.
int baseline_nop(baseline_ring *ring, unsigned batch, long count);

/// The same, with each operation in a slot of a table, and the checks that a completion belongs to what is in it.
int baseline_nop_in_slots(baseline_ring *ring, unsigned batch, long count);

/// Blocks of a file, and memory for as many of them as are in flight.
typedef struct baseline_blocks {
    /// The file.
    int file;
    /// How many blocks are in flight.
    unsigned depth;
    /// How large a block is, in bytes.
    unsigned block;
    /// How many blocks the file has: a power of two.
    unsigned count;
    /// `depth` blocks of memory. A block of the file has the contents of its number for a read; what is written has those of number 0 with its
    /// operation's number in the first word.
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

/// How a ring tells that a pipe can be read.
typedef enum baseline_pipe_style {
    /// One-shot polls, the kernel entered for each event.
    baseline_pipe_eager,
    /// One-shot polls that are prepared again one by one, and go to the kernel when it has to be entered to wait.
    baseline_pipe_lazy,
    /// The same on registered files, with a registered ring.
    baseline_pipe_lazy_fixed,
    /// Polls that go on and on, on registered files, with a registered ring.
    baseline_pipe_multishot,
    /// An epoll set that is waited for in the ring.
    baseline_pipe_epoll_wait,
    /// No polls at all: reads and writes on registered files, with a registered ring.
    baseline_pipe_transfers,
} baseline_pipe_style;

/// Handles so many events, one at a time.
///
/// The ring needs twice as many entries as there are pipes.
int baseline_pipe_uring(baseline_ring *ring, const baseline_pipes *pipes, baseline_pipe_style style, long count);

/// Makes an epoll set of the ends to read, with the pipes' numbers.
int baseline_pipe_epoll_set(const baseline_pipes *pipes);

/// Puts the first byte, which is zero, into every pipe.
int baseline_pipe_fill(const baseline_pipes *pipes);

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

/// Sends messages with the contents of their numbers, up to as many as a burst has.
int baseline_send(int socket, long first, unsigned count);

/// Sends so many messages, a burst at a time, and receives them with one operation out of a ring of buffers.
int baseline_receive_uring(baseline_ring *ring, int sender, int receiver, long count);

/// Receives them with epoll_wait(2) and recv(2).
int baseline_receive_epoll(int sender, int receiver, long count);

/// Has the calling thread run on the first or second of the processors that it may run on; on the only one if there is no second.
///
/// Worker threads and children inherit it.
int baseline_pin(unsigned processor);

/// Has the calling thread run wherever it could before it was pinned for the first time.
int baseline_unpin(void);

/// How large a request to an echo server is.
enum { baseline_request = 1024 };

/// Starts a process, pinned to the second processor, that makes connections to a port of the loopback address and so many requests in all: one
/// at a time on each connection, with every byte of the answer compared.
///
/// Returns its number. The calling process must have one thread.
int baseline_echo_start_client(unsigned short port, unsigned connections, long requests);

/// Waits until a client has ended; EILSEQ if it was not satisfied.
int baseline_echo_end_client(int client);

/// Accepts so many connections.
int baseline_accept_all(int listener, int *sockets, unsigned count);

/// Answers so many requests out of a ring of buffers, with one receive for each connection that goes on and on.
int baseline_echo_uring(baseline_ring *ring, const int *sockets, unsigned connections, long requests);

/// Answers them with epoll_wait(2), recv(2) and send(2).
int baseline_echo_epoll(const int *sockets, unsigned connections, long requests);

/// Exchanges so many messages there and back between two rings, each with a thread of its own on the first or second processor.
int baseline_message_uring(unsigned flags, bool shares_processor, long count);

/// The same between two threads with two pipes.
int baseline_message_pipe(bool shares_processor, long count);

/// Completes so many operations that do nothing, a batch with each system call, each with a timeout of a minute linked to it.
int baseline_linked_timeout(baseline_ring *ring, unsigned batch, long count);

/// What a wait is told besides how many completions it is for.
typedef enum baseline_wait_style {
    /// Nothing.
    baseline_wait_plain,
    /// After which time it ends: a minute.
    baseline_wait_timeout,
    /// The same, in a registered region. The ring must not be enabled yet.
    baseline_wait_region,
    /// Nothing, with a registered ring.
    baseline_wait_registered,
} baseline_wait_style;

/// Submits operations that do nothing one by one, and waits for each in the same call.
int baseline_wait(baseline_ring *ring, baseline_wait_style style, long count);

/// How sends get their time.
typedef enum baseline_send_time {
    /// Not at all.
    baseline_send_bare,
    /// By a timeout of a minute that is linked to each.
    baseline_send_linked,
    /// By a wheel of timers, which one timeout of the kernel turns.
    baseline_send_wheel,
} baseline_send_time;

/// Sends so many bytes one by one, each received and compared before the next.
int baseline_send_bytes(baseline_ring *ring, int sender, int receiver, baseline_send_time time, long count);

/// Receives a byte, which has to be the one of this number.
int baseline_receive_byte(int receiver, long number);

/// Makes a TCP connection over the loopback address whose sockets have so much room.
int baseline_tcp_pair(int *sender, int *receiver, int byte_count);

/// Receives a message that was sent over TCP, and compares every byte; its stamp is its number.
int baseline_receive_large(int receiver, void *memory, long byte_count, long number);

/// Sends so many messages one by one over TCP, each received before the next, and says how many the kernel copied on the way.
///
/// `memory` has the contents of number 0, up to the size of a message, and `received` has room for another.
int baseline_send_large(
    baseline_ring *ring, int sender, int receiver, void *memory, void *received, long byte_count, bool is_zero_copy, long count,
    long *copied);

/// Makes rings and ends them again so many times, each with reads in flight that have to be cancelled, and with memory to be freed.
int baseline_teardown(unsigned entries, unsigned flags, unsigned reads, int pipe_end, long byte_count, long count);

#endif
