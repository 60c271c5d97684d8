// SPDX-License-Identifier: Apache-2.0

#ifndef CEPOLLECHO_H
#define CEPOLLECHO_H

/// What a server did, and why it ended.
typedef struct epoll_echo_report {
    /// How many connections it served, and how many it turned away.
    long long connections;
    long long refused;
    /// How often it received something, and how many bytes in all.
    long long receives;
    long long bytes;
    /// The error number that ended it, or 0 when the stop descriptor did.
    int error;
} epoll_echo_report;

/// Sends back what connections send, with epoll and one thread, until a descriptor becomes readable.
///
/// - Parameters:
///   - listener: A listening stream socket.
///   - stop: A descriptor that becomes readable when the server is to end.
///   - connection_limit: How many connections are served at a time; further ones are closed at once.
///   - buffer_bytes: How large the one buffer of each connection is.
epoll_echo_report epoll_echo_serve(int listener, int stop, long connection_limit, long buffer_bytes);

#endif
