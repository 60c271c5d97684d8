// SPDX-License-Identifier: Apache-2.0
// What the epoll servers share that others are compared with: accepting, the list of connections, and the loop. Level-triggered, one thread.

#ifndef CEPOLL_H
#define CEPOLL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// What a connection begins with; what else it has is the server's.
typedef struct epoll_connection {
    int socket;
    struct epoll_connection *previous;
    struct epoll_connection *next;
} epoll_connection;

typedef struct epoll_server {
    int listener;
    /// How many connections are served at a time; further ones are closed at once.
    long connection_limit;
    /// How large a connection is, and how much of that is to be zero when it begins; both count what each begins with.
    size_t connection_bytes;
    size_t zero_bytes;
    /// Prepares a new connection, if there is more to it than zeros; may be null.
    void (*begin)(epoll_connection *connection);
    /// Does what a connection is ready for.
    void (*advance)(struct epoll_server *server, epoll_connection *connection);

    /// How many connections were served, and how many turned away.
    long long connections;
    long long refused;
    /// The error number that ended it, or 0 when the stop descriptor did.
    int error;

    // The rest is nobody else's.
    int epoll;
    long open_count;
    bool is_accepting;
    epoll_connection *first;
} epoll_server;

/// Serves until a descriptor becomes readable.
void epoll_server_run(epoll_server *server, int stop);

/// Waits for something else of a connection from now on.
void epoll_server_watch(epoll_server *server, epoll_connection *connection, uint32_t events);

/// Ends a connection, and frees it.
void epoll_server_close(epoll_server *server, epoll_connection *connection);

/// Whether `errno` says that a call has to be made again later.
bool epoll_server_is_transient(void);

#endif
