// SPDX-License-Identifier: Apache-2.0
// A plain server on epoll: level-triggered, one thread, and for each connection a buffer of requests and one of answers. As many requests as
// have come with one receive are answered with one send.

#include "CFraming.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUFFER_BYTES (16 * 1024)

typedef struct connection {
    int socket;
    struct connection *previous;
    struct connection *next;
    // The request that is being received.
    uint8_t header[FRAMING_HEADER_BYTES];
    uint32_t header_count;
    uint32_t payload_left;
    framing_checksum checksum;
    // The answer that is being written.
    uint32_t answer_place;
    uint32_t answer_left;
    bool wants_too_much;
    // What was received and not yet looked at, and what is to be sent and was not yet, is between these.
    long input_start, input_end;
    long output_start, output_end;
    uint8_t input[BUFFER_BYTES];
    uint8_t output[BUFFER_BYTES];
} connection;

typedef struct server {
    int epoll;
    int listener;
    long connection_limit;
    uint32_t byte_limit;
    long open_count;
    bool is_accepting;
    connection *first;
    framing_epoll_report report;
    uint8_t row[FRAMING_ROW_BYTES];
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
    connection *connection = server->open_count < server->connection_limit ? malloc(sizeof *connection) : NULL;
    if (!connection || watch(server, EPOLL_CTL_ADD, socket, EPOLLIN, connection) < 0) {
        free(connection);
        close(socket);
        server->report.refused += 1;
        return;
    }
    memset(connection, 0, offsetof(struct connection, input));
    connection->socket = socket;
    connection->checksum = framing_checksum_start();
    connection->next = server->first;
    if (server->first) server->first->previous = connection;
    server->first = connection;
    server->open_count += 1;
    server->report.connections += 1;
}

static uint32_t little_endian(const uint8_t *bytes) {
    return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

// Takes bytes of a request from the input; true when the request is complete.
static bool parse(server *server, connection *connection) {
    while (connection->header_count < FRAMING_HEADER_BYTES) {
        if (connection->input_start == connection->input_end) return false;
        connection->header[connection->header_count++] = connection->input[connection->input_start++];
        if (connection->header_count < FRAMING_HEADER_BYTES) continue;
        connection->payload_left = little_endian(connection->header);
        if (connection->payload_left > server->byte_limit || little_endian(connection->header + 4) > server->byte_limit) {
            connection->wants_too_much = true;
            return false;
        }
    }
    long count = connection->input_end - connection->input_start;
    if (count > connection->payload_left) count = connection->payload_left;
    const uint8_t *bytes = connection->input + connection->input_start;
    framing_checksum checksum = connection->checksum;
    for (long index = 0; index < count; index += 1) checksum = framing_checksum_add(checksum, bytes[index]);
    connection->checksum = checksum;
    connection->input_start += count;
    connection->payload_left -= (uint32_t)count;
    return connection->payload_left == 0;
}

// Writes answers until there is no room, or no whole request left.
static void write_answers(server *server, connection *connection) {
    while (true) {
        while (connection->answer_left > 0) {
            long count = BUFFER_BYTES - connection->output_end;
            if (count == 0) return;
            if (count > connection->answer_left) count = connection->answer_left;
            long row_left = FRAMING_ROW_BYTES - connection->answer_place;
            if (count > row_left) count = row_left;
            memcpy(connection->output + connection->output_end, server->row + connection->answer_place, (size_t)count);
            connection->output_end += count;
            connection->answer_left -= (uint32_t)count;
            connection->answer_place = (connection->answer_place + (uint32_t)count) % FRAMING_ROW_BYTES;
        }
        if (connection->wants_too_much || !parse(server, connection)) return;
        connection->answer_place = framing_answer_place(connection->checksum);
        connection->answer_left = little_endian(connection->header + 4);
        connection->header_count = 0;
        connection->checksum = framing_checksum_start();
        server->report.requests += 1;
    }
}

// Sends what is there; false when the connection is over.
static bool send_rest(connection *connection) {
    while (connection->output_start < connection->output_end) {
        ssize_t count = send(
            connection->socket, connection->output + connection->output_start,
            (size_t)(connection->output_end - connection->output_start), MSG_NOSIGNAL);
        if (count < 0) return is_transient();
        connection->output_start += count;
    }
    connection->output_start = connection->output_end = 0;
    return true;
}

static void advance(server *server, connection *connection) {
    bool was_blocked = connection->output_end > 0;
    if (!was_blocked) {
        ssize_t count = recv(connection->socket, connection->input, BUFFER_BYTES, 0);
        if (count < 0 && is_transient()) return;
        if (count <= 0) {
            close_connection(server, connection);
            return;
        }
        connection->input_start = 0;
        connection->input_end = count;
    }
    do {
        write_answers(server, connection);
        bool is_over = !send_rest(connection);
        if (is_over || (connection->wants_too_much && connection->output_end == 0 && connection->answer_left == 0)) {
            if (!is_over) server->report.too_large += 1;
            close_connection(server, connection);
            return;
        }
    } while (connection->output_end == 0 && (connection->answer_left > 0 || connection->input_start < connection->input_end));
    // While the peer does not take what it is sent, nothing more is received from it.
    bool is_blocked = connection->output_end > 0;
    if (is_blocked != was_blocked) {
        watch(server, EPOLL_CTL_MOD, connection->socket, is_blocked ? EPOLLOUT : EPOLLIN, connection);
    }
}

static void run(server *server, int stop) {
    for (uint32_t place = 0; place < FRAMING_ROW_BYTES; place += 1) server->row[place] = framing_row_byte(place);
    server->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (server->epoll < 0
        || fcntl(server->listener, F_SETFL, fcntl(server->listener, F_GETFL) | O_NONBLOCK) < 0
        || watch(server, EPOLL_CTL_ADD, server->listener, EPOLLIN, &listener_mark) < 0
        || watch(server, EPOLL_CTL_ADD, stop, EPOLLIN, &stop_mark) < 0) {
        server->report.error = errno;
    }
    server->is_accepting = true;
    bool is_running = true;
    while (is_running && server->report.error == 0) {
        struct epoll_event events[256];
        int count = epoll_wait(server->epoll, events, 256, -1);
        if (count < 0 && errno != EINTR) {
            server->report.error = errno;
            break;
        }
        for (int index = 0; index < count; index += 1) {
            void *data = events[index].data.ptr;
            if (data == &stop_mark) {
                is_running = false;
            } else if (data == &listener_mark) {
                accept_one(server);
            } else {
                advance(server, data);
            }
        }
    }
    while (server->first) close_connection(server, server->first);
    if (server->epoll >= 0) close(server->epoll);
}

framing_epoll_report framing_epoll_serve(int listener, int stop, long connection_limit, uint32_t byte_limit) {
    server *server = calloc(1, sizeof *server);
    if (!server) return (framing_epoll_report){ .error = ENOMEM };
    server->listener = listener;
    server->connection_limit = connection_limit;
    server->byte_limit = byte_limit;
    run(server, stop);
    framing_epoll_report report = server->report;
    free(server);
    return report;
}
