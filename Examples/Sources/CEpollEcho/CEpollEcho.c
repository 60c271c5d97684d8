// SPDX-License-Identifier: Apache-2.0
// A plain echo server on epoll, to compare with: level-triggered, one thread, one buffer per connection, one receive and one send per message.

#include "CEpollEcho.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct connection {
    int socket;
    // What was received and not yet sent is between these two.
    long sent;
    long received;
    struct connection *previous;
    struct connection *next;
    char bytes[];
} connection;

typedef struct server {
    int epoll;
    int listener;
    long connection_limit;
    long buffer_bytes;
    long open_count;
    bool is_accepting;
    connection *first;
    epoll_echo_report report;
} server;

// epoll's data for the two descriptors that are no connections.
static char listener_mark, stop_mark;

static int watch(server *server, int operation, int descriptor, uint32_t events, void *data) {
    struct epoll_event event = { .events = events, .data.ptr = data };
    return epoll_ctl(server->epoll, operation, descriptor, &event);
}

static void close_connection(server *server, connection *connection) {
    if (connection->previous) {
        connection->previous->next = connection->next;
    } else {
        server->first = connection->next;
    }
    if (connection->next) connection->next->previous = connection->previous;
    // Closing takes the descriptor out of the epoll set as well.
    close(connection->socket);
    free(connection);
    server->open_count -= 1;
    if (!server->is_accepting) {
        server->is_accepting = true;
        watch(server, EPOLL_CTL_MOD, server->listener, EPOLLIN, &listener_mark);
    }
}

static bool is_transient(void) {
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR || errno == ECONNABORTED;
}

static void accept_one(server *server) {
    int socket = accept4(server->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (socket < 0 && is_transient()) return;
    if (socket < 0) {
        // Too many files are open, or memory is short: the end of a connection helps, if there is one.
        if (server->open_count == 0) server->report.error = errno;
        server->is_accepting = false;
        watch(server, EPOLL_CTL_MOD, server->listener, 0, &listener_mark);
        return;
    }
    connection *connection = server->open_count < server->connection_limit
        ? malloc(sizeof *connection + (size_t)server->buffer_bytes) : NULL;
    if (!connection || watch(server, EPOLL_CTL_ADD, socket, EPOLLIN, connection) < 0) {
        free(connection);
        close(socket);
        server->report.refused += 1;
        return;
    }
    connection->socket = socket;
    connection->sent = connection->received = 0;
    connection->previous = NULL;
    connection->next = server->first;
    if (server->first) server->first->previous = connection;
    server->first = connection;
    server->open_count += 1;
    server->report.connections += 1;
}

// Sends what is there; false when the connection is over.
static bool send_rest(connection *connection) {
    while (connection->sent < connection->received) {
        ssize_t count = send(
            connection->socket, connection->bytes + connection->sent, (size_t)(connection->received - connection->sent), MSG_NOSIGNAL);
        if (count < 0) return is_transient();
        connection->sent += count;
    }
    return true;
}

static void advance(server *server, connection *connection) {
    bool was_blocked = connection->sent < connection->received;
    if (!was_blocked) {
        ssize_t count = recv(connection->socket, connection->bytes, (size_t)server->buffer_bytes, 0);
        if (count < 0 && is_transient()) return;
        if (count <= 0) {
            close_connection(server, connection);
            return;
        }
        connection->sent = 0;
        connection->received = count;
        server->report.receives += 1;
        server->report.bytes += count;
    }
    if (!send_rest(connection)) {
        close_connection(server, connection);
        return;
    }
    // While the peer does not take what it is sent, nothing more is received from it.
    bool is_blocked = connection->sent < connection->received;
    if (is_blocked != was_blocked) {
        watch(server, EPOLL_CTL_MOD, connection->socket, is_blocked ? EPOLLOUT : EPOLLIN, connection);
    }
}

epoll_echo_report epoll_echo_serve(int listener, int stop, long connection_limit, long buffer_bytes) {
    server server = { .listener = listener, .connection_limit = connection_limit, .buffer_bytes = buffer_bytes };
    server.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (server.epoll < 0
        || fcntl(listener, F_SETFL, fcntl(listener, F_GETFL) | O_NONBLOCK) < 0
        || watch(&server, EPOLL_CTL_ADD, listener, EPOLLIN, &listener_mark) < 0
        || watch(&server, EPOLL_CTL_ADD, stop, EPOLLIN, &stop_mark) < 0) {
        server.report.error = errno;
    }
    server.is_accepting = true;
    bool is_running = true;
    while (is_running && server.report.error == 0) {
        struct epoll_event events[256];
        int count = epoll_wait(server.epoll, events, 256, -1);
        if (count < 0 && errno != EINTR) {
            server.report.error = errno;
            break;
        }
        for (int index = 0; index < count; index += 1) {
            void *data = events[index].data.ptr;
            if (data == &stop_mark) {
                is_running = false;
            } else if (data == &listener_mark) {
                accept_one(&server);
            } else {
                advance(&server, data);
            }
        }
    }
    while (server.first) close_connection(&server, server.first);
    if (server.epoll >= 0) close(server.epoll);
    return server.report;
}
