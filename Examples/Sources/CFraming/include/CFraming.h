// SPDX-License-Identifier: Apache-2.0
// What requests and their answers look like, and servers with epoll and with liburing that speak it, to compare with.
//
// A request is the byte count of its payload, the byte count of its answer, both 32 bits and little-endian, and the payload. The answer is
// so many bytes of an endless row, from a place that the payload decides: who gets the right bytes knows that all of the
// payload has arrived, and in order. Requests follow each other without waiting; answers come in their order.

#ifndef CFRAMING_H
#define CFRAMING_H

#include <stdint.h>

/// How many bytes a request has before its payload.
#define FRAMING_HEADER_BYTES 8

/// After how many bytes the row that answers are taken from begins again.
#define FRAMING_ROW_BYTES 16384u

/// A byte of the row.
static inline uint8_t framing_row_byte(uint32_t place) {
    uint32_t mixed = (place % FRAMING_ROW_BYTES + 1) * 2654435761u;
    mixed ^= mixed >> 15;
    mixed *= 2246822519u;
    return (uint8_t)(mixed >> 24);
}

/// The checksum of a payload: Fletcher's, with sums of 32 bits.
typedef struct framing_checksum {
    uint32_t sum;
    uint32_t sum_of_sums;
} framing_checksum;

/// The checksum of nothing.
static inline framing_checksum framing_checksum_start(void) {
    return (framing_checksum){ .sum = 1, .sum_of_sums = 0 };
}

/// The checksum of one more byte.
static inline framing_checksum framing_checksum_add(framing_checksum checksum, uint8_t byte) {
    uint32_t sum = checksum.sum + byte;
    return (framing_checksum){ .sum = sum, .sum_of_sums = checksum.sum_of_sums + sum };
}

/// Where in the row the answer to a payload begins.
static inline uint32_t framing_answer_place(framing_checksum checksum) {
    return ((checksum.sum ^ checksum.sum_of_sums) * 2654435761u) >> 18;
}

/// What the epoll server did, and why it ended.
typedef struct framing_epoll_report {
    /// How many connections it served, and how many it turned away.
    long long connections;
    long long refused;
    /// How many requests it answered, and how many connections it closed for a request above the limit.
    long long requests;
    long long too_large;
    /// The error number that ended it, or 0 when the stop descriptor did.
    int error;
} framing_epoll_report;

/// Answers requests with epoll and one thread, until a descriptor becomes readable.
///
/// - Parameters:
///   - listener: A listening stream socket.
///   - stop: A descriptor that becomes readable when the server is to end.
///   - connection_limit: How many connections are served at a time; further ones are closed at once.
///   - byte_limit: The largest payload and the largest answer; connections that want more are closed.
framing_epoll_report framing_epoll_serve(int listener, int stop, long connection_limit, uint32_t byte_limit);

/// What the liburing server did, and why it ended.
typedef framing_epoll_report framing_ring_report;

/// Answers requests with a ring and one thread, until a descriptor becomes readable. Can be called once: what is in flight at the end keeps its
/// memory.
///
/// - Parameters:
///   - listener: A listening stream socket.
///   - stop: A descriptor that becomes readable when the server is to end.
///   - connection_limit: How many connections are served at a time; further ones are closed at once.
///   - byte_limit: The largest payload and the largest answer; connections that want more are closed.
///   - batch: How many completions a turn of the loop waits for.
///   - batch_microseconds: How long it waits for those behind the first.
framing_ring_report framing_ring_serve(
    int listener, int stop, unsigned connection_limit, uint32_t byte_limit, unsigned batch, uint32_t batch_microseconds);

#endif
