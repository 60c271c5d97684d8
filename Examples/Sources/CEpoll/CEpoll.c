// SPDX-License-Identifier: Apache-2.0

#include "CEpoll.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

// epoll's data for the two descriptors that are no connections.
static char listener_mark, stop_mark;

static int watch(epoll_server *server, int operation, int descriptor, uint32_t events, void *data) {
    struct epoll_event event = { .events = events, .data.ptr = data };
    return epoll_ctl(server->epoll, operation, descriptor, &event);
}

void epoll_server_watch(epoll_server *server, epoll_connection *connection, uint32_t events) {
    watch(server, EPOLL_CTL_MOD, connection->socket, events, connection);
}

void epoll_server_close(epoll_server *server, epoll_connection *connection) {
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

bool epoll_server_is_transient(void) {
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR || errno == ECONNABORTED;
}

static void accept_one(epoll_server *server) {
    int socket = accept4(server->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (socket < 0 && epoll_server_is_transient()) return;
    if (socket < 0) {
        // Too many files are open, or memory is short: the end of a connection helps, if there is one.
        if (server->open_count == 0) server->error = errno;
        server->is_accepting = false;
        watch(server, EPOLL_CTL_MOD, server->listener, 0, &listener_mark);
        return;
    }
    epoll_connection *connection = server->open_count < server->connection_limit ? malloc(server->connection_bytes) : NULL;
    if (!connection || watch(server, EPOLL_CTL_ADD, socket, EPOLLIN, connection) < 0) {
        free(connection);
        close(socket);
        server->refused += 1;
        return;
    }
    memset(connection, 0, server->zero_bytes);
    connection->socket = socket;
    if (server->begin) server->begin(connection);
    connection->next = server->first;
    if (server->first) server->first->previous = connection;
    server->first = connection;
    server->open_count += 1;
    server->connections += 1;
}

void epoll_server_run(epoll_server *server, int stop) {
    server->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (server->epoll < 0
        || fcntl(server->listener, F_SETFL, fcntl(server->listener, F_GETFL) | O_NONBLOCK) < 0
        || watch(server, EPOLL_CTL_ADD, server->listener, EPOLLIN, &listener_mark) < 0
        || watch(server, EPOLL_CTL_ADD, stop, EPOLLIN, &stop_mark) < 0) {
        server->error = errno;
    }
    server->is_accepting = true;
    bool is_running = true;
    while (is_running && server->error == 0) {
        struct epoll_event events[256];
        int count = epoll_wait(server->epoll, events, 256, -1);
        if (count < 0 && errno != EINTR) {
            server->error = errno;
            break;
        }
        for (int index = 0; index < count; index += 1) {
            void *data = events[index].data.ptr;
            if (data == &stop_mark) {
                is_running = false;
            } else if (data == &listener_mark) {
                accept_one(server);
            } else {
                server->advance(server, data);
            }
        }
    }
    while (server->first) epoll_server_close(server, server->first);
    if (server->epoll >= 0) close(server->epoll);
}
