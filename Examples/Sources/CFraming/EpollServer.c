// SPDX-License-Identifier: Apache-2.0
// A plain server on epoll: level-triggered, one thread, and for each connection a buffer of requests and one of answers. As many requests as
// have come with one receive are answered with one send.

#include "CFraming.h"

#include "CEpoll.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define BUFFER_BYTES (16 * 1024)

typedef struct connection {
    epoll_connection base;
    // The request that is being received.
    uint8_t header[FRAMING_HEADER_BYTES];
    uint32_t header_count;
    uint32_t payload_left;
    framing_checksum checksum;
    // The answer that is being written.
    uint32_t answer_place;
    uint32_t answer_left;
    bool wants_too_much;
    // Everything is sent, and the client knows that there is no more.
    bool has_shut_down;
    // What was received and not yet looked at, and what is to be sent and was not yet, is between these.
    long input_start, input_end;
    long output_start, output_end;
    uint8_t input[BUFFER_BYTES];
    uint8_t output[BUFFER_BYTES];
} connection;

typedef struct server {
    epoll_server base;
    uint32_t byte_limit;
    long long requests;
    long long too_large;
    uint8_t row[FRAMING_ROW_BYTES];
} server;

static void begin(epoll_connection *connection) {
    ((struct connection *)connection)->checksum = framing_checksum_start();
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
        server->requests += 1;
    }
}

// Sends what is there; false when the connection is over.
static bool send_rest(connection *connection) {
    while (connection->output_start < connection->output_end) {
        ssize_t count = send(
            connection->base.socket, connection->output + connection->output_start,
            (size_t)(connection->output_end - connection->output_start), MSG_NOSIGNAL);
        if (count < 0) return epoll_server_is_transient();
        connection->output_start += count;
    }
    connection->output_start = connection->output_end = 0;
    return true;
}

static void advance(epoll_server *base, epoll_connection *ready) {
    server *server = (struct server *)base;
    connection *connection = (struct connection *)ready;
    bool was_blocked = connection->output_end > 0;
    if (connection->has_shut_down) {
        // Closing while there is something to be received would take answers from the client that it has not read yet.
        ssize_t count = recv(connection->base.socket, connection->input, BUFFER_BYTES, 0);
        if (count == 0 || (count < 0 && !epoll_server_is_transient())) epoll_server_close(base, ready);
        return;
    }
    if (!was_blocked) {
        ssize_t count = recv(connection->base.socket, connection->input, BUFFER_BYTES, 0);
        if (count < 0 && epoll_server_is_transient()) return;
        if (count <= 0) {
            epoll_server_close(base, ready);
            return;
        }
        connection->input_start = 0;
        connection->input_end = count;
    }
    do {
        write_answers(server, connection);
        if (!send_rest(connection)) {
            epoll_server_close(base, ready);
            return;
        }
        if (connection->wants_too_much && connection->output_end == 0 && connection->answer_left == 0) {
            server->too_large += 1;
            connection->has_shut_down = true;
            shutdown(connection->base.socket, SHUT_WR);
            // What came with the request is not looked at either.
            connection->input_start = connection->input_end;
        }
    } while (connection->output_end == 0 && (connection->answer_left > 0 || connection->input_start < connection->input_end));
    // While the peer does not take what it is sent, nothing more is received from it.
    bool is_blocked = connection->output_end > 0;
    if (is_blocked != was_blocked) {
        epoll_server_watch(base, ready, is_blocked ? EPOLLOUT : EPOLLIN);
    }
}

framing_epoll_report framing_epoll_serve(int listener, int stop, long connection_limit, uint32_t byte_limit) {
    server *server = calloc(1, sizeof *server);
    if (!server) return (framing_epoll_report){ .error = ENOMEM };
    server->base = (epoll_server){
        .listener = listener,
        .connection_limit = connection_limit,
        .connection_bytes = sizeof(connection),
        .zero_bytes = offsetof(connection, input),
        .begin = begin,
        .advance = advance,
    };
    server->byte_limit = byte_limit;
    for (uint32_t place = 0; place < FRAMING_ROW_BYTES; place += 1) server->row[place] = framing_row_byte(place);
    epoll_server_run(&server->base, stop);
    framing_epoll_report report = {
        .connections = server->base.connections,
        .refused = server->base.refused,
        .requests = server->requests,
        .too_large = server->too_large,
        .error = server->base.error,
    };
    free(server);
    return report;
}
