// SPDX-License-Identifier: Apache-2.0
// A plain echo server on epoll, to compare with: level-triggered, one thread, one buffer per connection, one receive and one send per message.

#include "CEpollEcho.h"

#include "CEpoll.h"

#include <sys/epoll.h>
#include <sys/socket.h>

typedef struct connection {
    epoll_connection base;
    // What was received and not yet sent is between these two.
    long sent;
    long received;
    char bytes[];
} connection;

typedef struct server {
    epoll_server base;
    long buffer_bytes;
    long long receives;
    long long bytes;
} server;

// Sends what is there; false when the connection is over.
static bool send_rest(connection *connection) {
    while (connection->sent < connection->received) {
        ssize_t count = send(
            connection->base.socket, connection->bytes + connection->sent, (size_t)(connection->received - connection->sent), MSG_NOSIGNAL);
        if (count < 0) return epoll_server_is_transient();
        connection->sent += count;
    }
    return true;
}

static void advance(epoll_server *base, epoll_connection *ready) {
    server *server = (struct server *)base;
    connection *connection = (struct connection *)ready;
    bool was_blocked = connection->sent < connection->received;
    if (!was_blocked) {
        ssize_t count = recv(connection->base.socket, connection->bytes, (size_t)server->buffer_bytes, 0);
        if (count < 0 && epoll_server_is_transient()) return;
        if (count <= 0) {
            epoll_server_close(base, ready);
            return;
        }
        connection->sent = 0;
        connection->received = count;
        server->receives += 1;
        server->bytes += count;
    }
    if (!send_rest(connection)) {
        epoll_server_close(base, ready);
        return;
    }
    // While the peer does not take what it is sent, nothing more is received from it.
    bool is_blocked = connection->sent < connection->received;
    if (is_blocked != was_blocked) {
        epoll_server_watch(base, ready, is_blocked ? EPOLLOUT : EPOLLIN);
    }
}

epoll_echo_report epoll_echo_serve(int listener, int stop, long connection_limit, long buffer_bytes) {
    server server = {
        .base = {
            .listener = listener,
            .connection_limit = connection_limit,
            .connection_bytes = sizeof(connection) + (size_t)buffer_bytes,
            .zero_bytes = sizeof(connection),
            .advance = advance,
        },
        .buffer_bytes = buffer_bytes,
    };
    epoll_server_run(&server.base, stop);
    return (epoll_echo_report){
        .connections = server.base.connections,
        .refused = server.base.refused,
        .receives = server.receives,
        .bytes = server.bytes,
        .error = server.base.error,
    };
}
