// SPDX-License-Identifier: Apache-2.0
// The server on a ring in C, to compare with: what `RequestShard.swift` and `Connection.swift` do, with liburing, one thread, and nobody who
// looks after lifetimes, times or the end. Connections are slots of the ring's file table; each has one receive that goes on, into buffers that
// all share.

#include "CFraming.h"

#include <errno.h>
#include <liburing.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

enum { RING_ENTRIES = 1024, BUFFER_COUNT = 64, BUFFER_BYTES = 16 * 1024, ANSWER_LIMIT = 256 };

// What older headers do not have: buffers that are filled piece by piece, and the mark of one that has room left and is not given back.
enum { FILLED_PIECE_BY_PIECE = 2, HAS_ROOM_LEFT = 16 };

// The same with the names for what older headers call padding.
typedef struct buffer_registration {
    uint64_t address;
    uint32_t entries;
    uint16_t group;
    uint16_t flags;
    uint64_t reserved[3];
} buffer_registration;
_Static_assert(sizeof(buffer_registration) == sizeof(struct io_uring_buf_reg), "The kernel's structure is of this size.");

typedef struct wait_argument {
    uint64_t signals;
    uint32_t signals_bytes;
    uint32_t minimum_microseconds;
    uint64_t time;
} wait_argument;
_Static_assert(sizeof(wait_argument) == sizeof(struct io_uring_getevents_arg), "The kernel's structure is of this size.");

typedef struct answer {
    uint32_t place;
    uint32_t left;
} answer;

typedef struct output {
    struct output *next;
    uint8_t bytes[BUFFER_BYTES];
} output;

typedef struct connection {
    // The request that is being received: the header's bytes so far, the first of them lowest.
    uint64_t header;
    uint32_t header_count;
    uint32_t payload_left;
    framing_checksum checksum;
    // The answers that are due: the first of them, and those behind it.
    answer first;
    answer *rest;
    unsigned rest_start, rest_end, rest_capacity;
    // What is being sent, between these.
    output *output;
    uint32_t output_start, output_end;
    bool is_receiving;
    bool is_cancelled;
    // No more is received; it ends when the answers are sent, or at once if it has failed.
    bool is_over;
    bool has_failed;
    // What is received is not looked at; when the answers are sent the client is told that there is no more, and has to end as well.
    bool wants_too_much;
    bool has_shut_down;
    bool is_shutting_down;
} connection;

typedef struct server {
    struct io_uring ring;
    struct io_uring_buf_ring *buffers;
    uint8_t *memory;
    // How much of each buffer has been used.
    uint32_t filled[BUFFER_COUNT];
    int returned;
    connection *connections;
    output *spare;
    int listener;
    uint32_t byte_limit;
    unsigned batch;
    uint32_t batch_microseconds;
    unsigned open_count;
    unsigned enter_flags;
    bool is_running;
    framing_ring_report report;
    char stop[128];
    uint8_t row[FRAMING_ROW_BYTES];
} server;

// What an operation is doing; its user data is this, and the connection's slot above it.
enum { STOP, ACCEPT, RECEIVE, CANCEL, SEND, SHUT_DOWN, CLOSE, KIND_BITS = 3 };

static uint64_t user_data(unsigned kind, unsigned slot) {
    return kind | (uint64_t)slot << KIND_BITS;
}

static struct io_uring_sqe *next_entry(server *server) {
    struct io_uring_sqe *entry = io_uring_get_sqe(&server->ring);
    if (entry) return entry;
    io_uring_submit(&server->ring);
    return io_uring_get_sqe(&server->ring);
}

static void accept_connections(server *server) {
    struct io_uring_sqe *entry = next_entry(server);
    io_uring_prep_multishot_accept_direct(entry, server->listener, NULL, NULL, 0);
    io_uring_sqe_set_data64(entry, user_data(ACCEPT, 0));
}

static void receive(server *server, unsigned slot) {
    struct io_uring_sqe *entry = next_entry(server);
    io_uring_prep_recv_multishot(entry, (int)slot, NULL, 0, 0);
    entry->flags |= IOSQE_FIXED_FILE | IOSQE_BUFFER_SELECT;
    entry->buf_group = 0;
    io_uring_sqe_set_data64(entry, user_data(RECEIVE, slot));
    server->connections[slot].is_receiving = true;
    server->connections[slot].is_cancelled = false;
}

static void cancel_receive(server *server, unsigned slot) {
    if (!server->connections[slot].is_receiving || server->connections[slot].is_cancelled) return;
    struct io_uring_sqe *entry = next_entry(server);
    io_uring_prep_cancel64(entry, user_data(RECEIVE, slot), 0);
    io_uring_sqe_set_data64(entry, user_data(CANCEL, slot));
    server->connections[slot].is_cancelled = true;
}

static void send_rest(server *server, unsigned slot) {
    connection *connection = &server->connections[slot];
    struct io_uring_sqe *entry = next_entry(server);
    io_uring_prep_send(
        entry, (int)slot, connection->output->bytes + connection->output_start, connection->output_end - connection->output_start,
        MSG_NOSIGNAL);
    entry->flags |= IOSQE_FIXED_FILE;
    io_uring_sqe_set_data64(entry, user_data(SEND, slot));
}

// MARK: Answers

static unsigned answer_count(const connection *connection) {
    return connection->first.left == 0 ? 0 : 1 + connection->rest_end - connection->rest_start;
}

static void add_answer(server *server, connection *connection, answer next) {
    if (connection->first.left == 0) {
        connection->first = next;
        return;
    }
    if (next.left == 0) return;
    if (connection->rest_end == connection->rest_capacity) {
        unsigned capacity = connection->rest_capacity == 0 ? 16 : 2 * connection->rest_capacity;
        answer *rest = realloc(connection->rest, capacity * sizeof *rest);
        if (!rest) {
            server->report.error = ENOMEM;
            return;
        }
        connection->rest = rest;
        connection->rest_capacity = capacity;
    }
    connection->rest[connection->rest_end++] = next;
}

static void take_next(connection *connection) {
    if (connection->rest_start == connection->rest_end) return;
    connection->first = connection->rest[connection->rest_start++];
    if (connection->rest_start < connection->rest_end && connection->rest_start < ANSWER_LIMIT) return;
    connection->rest_end -= connection->rest_start;
    memmove(connection->rest, connection->rest + connection->rest_start, connection->rest_end * sizeof *connection->rest);
    connection->rest_start = 0;
}

static void send_answers(server *server, unsigned slot) {
    connection *connection = &server->connections[slot];
    output *output = server->spare;
    if (output) {
        server->spare = output->next;
    } else if (!(output = malloc(sizeof *output))) {
        server->report.error = ENOMEM;
        return;
    }
    uint32_t end = 0;
    while (connection->first.left > 0 && end < BUFFER_BYTES) {
        answer *answer = &connection->first;
        uint32_t count = BUFFER_BYTES - end;
        if (count > answer->left) count = answer->left;
        if (count > FRAMING_ROW_BYTES - answer->place) count = FRAMING_ROW_BYTES - answer->place;
        memcpy(output->bytes + end, server->row + answer->place, count);
        end += count;
        answer->left -= count;
        answer->place = (answer->place + count) % FRAMING_ROW_BYTES;
        if (answer->left == 0) take_next(connection);
    }
    connection->output = output;
    connection->output_start = 0;
    connection->output_end = end;
    send_rest(server, slot);
}

// MARK: Requests

// Finds the requests in what was received.
static void look(server *server, connection *connection, const uint8_t *bytes, size_t count) {
    while (count > 0 && !connection->is_over && !connection->wants_too_much) {
        if (connection->header_count < FRAMING_HEADER_BYTES) {
            connection->header |= (uint64_t)*bytes << (8 * connection->header_count);
            connection->header_count += 1;
            bytes += 1;
            count -= 1;
            if (connection->header_count < FRAMING_HEADER_BYTES) continue;
            connection->payload_left = (uint32_t)connection->header;
            if (connection->payload_left > server->byte_limit || connection->header >> 32 > server->byte_limit) {
                connection->wants_too_much = true;
                server->report.too_large += 1;
                return;
            }
        }
        size_t part = count < connection->payload_left ? count : connection->payload_left;
        framing_checksum checksum = connection->checksum;
        for (size_t index = 0; index < part; index += 1) checksum = framing_checksum_add(checksum, bytes[index]);
        connection->checksum = checksum;
        bytes += part;
        count -= part;
        connection->payload_left -= (uint32_t)part;
        if (connection->payload_left > 0) continue;
        add_answer(server, connection, (answer){ framing_answer_place(checksum), (uint32_t)(connection->header >> 32) });
        connection->header = 0;
        connection->header_count = 0;
        connection->checksum = framing_checksum_start();
        server->report.requests += 1;
    }
}

// MARK: Connections

static void give_back(server *server, unsigned buffer) {
    server->filled[buffer] = 0;
    io_uring_buf_ring_add(
        server->buffers, server->memory + (size_t)buffer * BUFFER_BYTES, BUFFER_BYTES, (unsigned short)buffer,
        io_uring_buf_ring_mask(BUFFER_COUNT), server->returned);
    server->returned += 1;
}

static void publish_returned(server *server) {
    io_uring_buf_ring_advance(server->buffers, server->returned);
    server->returned = 0;
}

static void close_connection(server *server, unsigned slot) {
    connection *connection = &server->connections[slot];
    free(connection->rest);
    struct io_uring_sqe *entry = next_entry(server);
    io_uring_prep_close_direct(entry, slot);
    io_uring_sqe_set_data64(entry, user_data(CLOSE, slot));
    server->open_count -= 1;
}

// Closing while there is something to be received would take answers from the client that it has not read yet.
static void shut_down(server *server, unsigned slot) {
    struct io_uring_sqe *entry = next_entry(server);
    io_uring_prep_shutdown(entry, (int)slot, SHUT_WR);
    entry->flags |= IOSQE_FIXED_FILE;
    io_uring_sqe_set_data64(entry, user_data(SHUT_DOWN, slot));
    server->connections[slot].has_shut_down = server->connections[slot].is_shutting_down = true;
}

// Does what a connection needs next.
static void advance(server *server, unsigned slot) {
    connection *connection = &server->connections[slot];
    if (!connection->output && connection->first.left > 0 && !connection->has_failed) send_answers(server, slot);
    if (connection->is_over) {
        cancel_receive(server, slot);
        // The slot is another connection's as soon as it is closed: nothing may be in flight for it.
        if (!connection->output && !connection->is_receiving && !connection->is_shutting_down) close_connection(server, slot);
    } else if (connection->wants_too_much) {
        if (!connection->output && !connection->has_shut_down) shut_down(server, slot);
        if (!connection->is_receiving) receive(server, slot);
    } else if (answer_count(connection) >= ANSWER_LIMIT) {
        cancel_receive(server, slot);
    } else if (!connection->is_receiving) {
        receive(server, slot);
    }
}

static void accepted(server *server, const struct io_uring_cqe *completion) {
    if (!(completion->flags & IORING_CQE_F_MORE)) accept_connections(server);
    if (completion->res >= 0) {
        server->connections[completion->res] = (connection){ .checksum = framing_checksum_start() };
        server->open_count += 1;
        server->report.connections += 1;
        receive(server, (unsigned)completion->res);
    } else if (completion->res == -ENFILE) {
        // There was no slot, and the kernel has closed it.
        server->report.refused += 1;
    } else if (completion->res != -ECONNABORTED && completion->res != -EINTR) {
        server->report.error = -completion->res;
    }
}

static void received(server *server, unsigned slot, const struct io_uring_cqe *completion) {
    connection *connection = &server->connections[slot];
    if (completion->flags & IORING_CQE_F_BUFFER) {
        unsigned buffer = completion->flags >> IORING_CQE_BUFFER_SHIFT;
        if (completion->res > 0) {
            const uint8_t *bytes = server->memory + (size_t)buffer * BUFFER_BYTES + server->filled[buffer];
            server->filled[buffer] += (uint32_t)completion->res;
            look(server, connection, bytes, (size_t)completion->res);
        }
        if (!(completion->flags & HAS_ROOM_LEFT)) give_back(server, buffer);
    }
    if (!(completion->flags & IORING_CQE_F_MORE)) {
        connection->is_receiving = false;
        // Whatever it ended for, it goes on if there can be more: all buffers are back by then.
        bool can_go_on = completion->res > 0 || completion->res == -ENOBUFS || completion->res == -ECANCELED;
        if (!can_go_on) connection->is_over = true;
        if (completion->res < 0 && !can_go_on) connection->has_failed = true;
    }
    advance(server, slot);
}

static void sent(server *server, unsigned slot, const struct io_uring_cqe *completion) {
    connection *connection = &server->connections[slot];
    if (completion->res < 0) {
        connection->is_over = connection->has_failed = true;
    } else {
        connection->output_start += (uint32_t)completion->res;
        if (connection->output_start < connection->output_end) {
            send_rest(server, slot);
            return;
        }
    }
    connection->output->next = server->spare;
    server->spare = connection->output;
    connection->output = NULL;
    advance(server, slot);
}

// MARK: The loop

static void take_ready(server *server) {
    unsigned head, count = 0;
    struct io_uring_cqe *completion;
    io_uring_for_each_cqe(&server->ring, head, completion) {
        unsigned slot = (unsigned)(completion->user_data >> KIND_BITS);
        switch (completion->user_data & ((1 << KIND_BITS) - 1)) {
        case RECEIVE: received(server, slot, completion); break;
        case SEND: sent(server, slot, completion); break;
        case SHUT_DOWN:
            server->connections[slot].is_shutting_down = false;
            advance(server, slot);
            break;
        case ACCEPT: accepted(server, completion); break;
        case STOP: server->is_running = false; break;
        // A receive that was cancelled says so itself.
        default: break;
        }
        count += 1;
    }
    io_uring_cq_advance(&server->ring, count);
    publish_returned(server);
}

// Shows the kernel the entries that are prepared, as io_uring_submit does before it enters, and says how many it has not taken.
//
// The function that submits and waits for a shorter time in one call came with liburing 2.8.
static unsigned publish(struct io_uring *ring) {
    struct io_uring_sq *queue = &ring->sq;
    unsigned tail = *queue->ktail;
    for (; queue->sqe_head != queue->sqe_tail; queue->sqe_head += 1, tail += 1) {
        queue->array[tail & *queue->kring_mask] = queue->sqe_head & *queue->kring_mask;
    }
    io_uring_smp_store_release(queue->ktail, tail);
    return tail - *queue->khead;
}

// Submits, and waits for a batch, but for a short time only if there is one completion at least. A quarter of the connections may bring it, so
// that clients and server do not wait for each other in turns.
static int submit_and_wait(server *server) {
    unsigned quarter = server->open_count / 4;
    unsigned wanted = quarter < server->batch ? quarter : server->batch;
    if (wanted <= 1 || server->batch_microseconds == 0) return io_uring_submit_and_wait(&server->ring, 1);
    // There has to be a limit for the shorter time to mean anything.
    struct __kernel_timespec hour = { .tv_sec = 3600 };
    wait_argument wait = { .minimum_microseconds = server->batch_microseconds, .time = (uintptr_t)&hour };
    unsigned pending = publish(&server->ring);
    int status = io_uring_enter2(
        (unsigned)server->ring.enter_ring_fd, pending, wanted, IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG | server->enter_flags,
        (void *)&wait, sizeof wait);
    return status == -ETIME ? 0 : status;
}

static int begin(server *server, unsigned connection_limit) {
    for (uint32_t place = 0; place < FRAMING_ROW_BYTES; place += 1) server->row[place] = framing_row_byte(place);
    size_t bytes = BUFFER_COUNT * sizeof(struct io_uring_buf);
    server->buffers = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    server->memory = malloc((size_t)BUFFER_COUNT * BUFFER_BYTES);
    server->connections = calloc(connection_limit, sizeof *server->connections);
    if (server->buffers == MAP_FAILED || !server->memory || !server->connections) return -ENOMEM;
    int status = io_uring_register_files_sparse(&server->ring, connection_limit);
    if (status < 0) return status;
    buffer_registration registration = {
        .address = (uintptr_t)server->buffers, .entries = BUFFER_COUNT, .flags = FILLED_PIECE_BY_PIECE,
    };
    status = io_uring_register_buf_ring(&server->ring, (struct io_uring_buf_reg *)&registration, 0);
    if (status < 0) return status;
    if (io_uring_register_ring_fd(&server->ring) == 1) server->enter_flags = IORING_ENTER_REGISTERED_RING;
    io_uring_buf_ring_init(server->buffers);
    for (unsigned buffer = 0; buffer < BUFFER_COUNT; buffer += 1) give_back(server, buffer);
    publish_returned(server);
    return 0;
}

static void run(server *server, int stop) {
    struct io_uring_sqe *entry = next_entry(server);
    io_uring_prep_read(entry, stop, server->stop, sizeof server->stop, 0);
    io_uring_sqe_set_data64(entry, user_data(STOP, 0));
    accept_connections(server);
    server->is_running = true;
    while (server->is_running && server->report.error == 0) {
        int status = submit_and_wait(server);
        if (status < 0 && status != -EINTR) server->report.error = -status;
        take_ready(server);
    }
}

framing_ring_report framing_ring_serve(
    int listener, int stop, unsigned connection_limit, uint32_t byte_limit, unsigned batch, uint32_t batch_microseconds) {
    server *server = calloc(1, sizeof *server);
    if (!server) return (framing_ring_report){ .error = ENOMEM };
    server->listener = listener;
    server->byte_limit = byte_limit;
    server->batch = batch;
    server->batch_microseconds = batch_microseconds;
    int status = io_uring_queue_init(
        RING_ENTRIES, &server->ring, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL);
    if (status < 0) {
        free(server);
        return (framing_ring_report){ .error = -status };
    }
    status = begin(server, connection_limit);
    server->report.error = -status;
    if (status == 0) run(server, stop);
    // What is in flight ends after this, somewhen: the memory it uses goes with the process.
    io_uring_queue_exit(&server->ring);
    return server->report;
}
