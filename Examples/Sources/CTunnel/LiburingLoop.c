// SPDX-License-Identifier: Apache-2.0
// The multishot loop in C, to compare with: what `MultishotLoop.swift` does, with liburing and without anybody who looks after the buffers.

#include "CTunnel.h"

#include <errno.h>
#include <liburing.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>

// Older headers do not have it.
enum { READ_MULTISHOT = 49, STOP = 0, RECEIVE = 1, PASS = 3 };

typedef struct tunnel {
    struct io_uring ring;
    struct io_uring_buf_ring *buffers;
    size_t buffers_bytes;
    char *memory;
    unsigned buffer_count;
    unsigned buffer_bytes;
    // The device first, then the socket: packets go from one to the other.
    int files[2];
    bool is_waiting[2];
    unsigned available;
    unsigned returned;
    // Writes that are prepared and not submitted, and those that have not ended.
    unsigned prepared;
    unsigned passing;
    char stop[128];
    tunnel_report report;
} tunnel;

static void give_back(tunnel *tunnel, unsigned short buffer) {
    io_uring_buf_ring_add(
        tunnel->buffers, tunnel->memory + (size_t)buffer * tunnel->buffer_bytes, tunnel->buffer_bytes, buffer,
        io_uring_buf_ring_mask(tunnel->buffer_count), (int)tunnel->returned);
    tunnel->returned += 1;
}

static void publish_returned(tunnel *tunnel) {
    io_uring_buf_ring_advance(tunnel->buffers, (int)tunnel->returned);
    tunnel->available += tunnel->returned;
    tunnel->returned = 0;
}

static bool begin(tunnel *tunnel, unsigned entries, int stop) {
    int status = io_uring_queue_init(
        entries, &tunnel->ring, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL);
    tunnel->report.error = -status;
    if (status < 0) return false;
    tunnel->buffers_bytes = tunnel->buffer_count * sizeof(struct io_uring_buf);
    tunnel->buffers = mmap(NULL, tunnel->buffers_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    tunnel->memory = malloc((size_t)tunnel->buffer_count * tunnel->buffer_bytes);
    struct io_uring_buf_reg registration = { .ring_addr = (unsigned long)tunnel->buffers, .ring_entries = tunnel->buffer_count };
    status = tunnel->buffers == MAP_FAILED || !tunnel->memory ? -ENOMEM : io_uring_register_buf_ring(&tunnel->ring, &registration, 0);
    if (status == 0) status = io_uring_register_files(&tunnel->ring, tunnel->files, 2);
    tunnel->report.error = -status;
    if (status < 0) return false;
    io_uring_buf_ring_init(tunnel->buffers);
    for (unsigned buffer = 0; buffer < tunnel->buffer_count; buffer += 1) give_back(tunnel, (unsigned short)buffer);
    publish_returned(tunnel);
    struct io_uring_sqe *entry = io_uring_get_sqe(&tunnel->ring);
    io_uring_prep_read(entry, stop, tunnel->stop, sizeof tunnel->stop, 0);
    io_uring_sqe_set_data64(entry, STOP);
    return true;
}

static struct io_uring_sqe *next_entry(tunnel *tunnel) {
    struct io_uring_sqe *entry = io_uring_get_sqe(&tunnel->ring);
    if (entry) return entry;
    io_uring_submit(&tunnel->ring);
    tunnel->report.calls += 1;
    tunnel->prepared = 0;
    return io_uring_get_sqe(&tunnel->ring);
}

static void receive(tunnel *tunnel, unsigned side) {
    struct io_uring_sqe *entry = next_entry(tunnel);
    if (side == 0) {
        io_uring_prep_rw(READ_MULTISHOT, entry, 0, NULL, 0, (unsigned long long)-1);
    } else {
        io_uring_prep_recv_multishot(entry, 1, NULL, 0, 0);
    }
    entry->flags |= IOSQE_FIXED_FILE | IOSQE_BUFFER_SELECT;
    entry->buf_group = 0;
    io_uring_sqe_set_data64(entry, RECEIVE + side);
    tunnel->is_waiting[side] = false;
}

static void received(tunnel *tunnel, unsigned side, struct io_uring_cqe *completion) {
    if (!(completion->flags & IORING_CQE_F_MORE)) tunnel->is_waiting[side] = true;
    int count = completion->res;
    if (count < 0) {
        if (count == -EAGAIN) {
            tunnel->report.found_nothing += 1;
        } else if (side == 1 && tunnel_is_network_error(-count)) {
            tunnel->report.network_errors += 1;
        } else if (count != -ENOBUFS) {
            tunnel->report.error = -count;
        }
        return;
    }
    if (!(completion->flags & IORING_CQE_F_BUFFER)) return;
    unsigned short buffer = (unsigned short)(completion->flags >> IORING_CQE_BUFFER_SHIFT);
    tunnel->available -= 1;
    // The peer has been given packets that are larger, and of these only a part is here.
    bool is_cut = count == (int)tunnel->buffer_bytes;
    tunnel->report.failed += is_cut;
    if (count == 0 || is_cut) {
        give_back(tunnel, buffer);
        return;
    }
    struct io_uring_sqe *entry = next_entry(tunnel);
    char *packet = tunnel->memory + (size_t)buffer * tunnel->buffer_bytes;
    if (side == 0) {
        io_uring_prep_send(entry, 1, packet, (size_t)count, MSG_NOSIGNAL | MSG_DONTWAIT);
    } else {
        io_uring_prep_write(entry, 0, packet, (unsigned)count, (unsigned long long)-1);
    }
    entry->flags |= IOSQE_FIXED_FILE;
    io_uring_sqe_set_data64(entry, PASS + side + ((unsigned long long)buffer << 32));
    tunnel->prepared += 1;
    tunnel->passing += 1;
}

static void passed(tunnel *tunnel, unsigned side, struct io_uring_cqe *completion) {
    tunnel->passing -= 1;
    give_back(tunnel, (unsigned short)(completion->user_data >> 32));
    if (completion->res < 0) {
        tunnel->report.failed += 1;
        if (completion->res == -EAGAIN) tunnel->report.found_nothing += 1;
    } else if (side == 0) {
        tunnel->report.sent_packets += 1;
        tunnel->report.sent_bytes += completion->res;
    } else {
        tunnel->report.received_packets += 1;
        tunnel->report.received_bytes += completion->res;
    }
}

// Takes what is there; false when the loop is to end.
static bool take_ready(tunnel *tunnel) {
    bool is_running = true;
    unsigned head, count = 0;
    struct io_uring_cqe *completion;
    io_uring_for_each_cqe(&tunnel->ring, head, completion) {
        unsigned what = (unsigned)completion->user_data;
        if (what == STOP) {
            is_running = false;
        } else if (what < PASS) {
            received(tunnel, what - RECEIVE, completion);
        } else {
            passed(tunnel, what - PASS, completion);
        }
        count += 1;
    }
    io_uring_cq_advance(&tunnel->ring, count);
    publish_returned(tunnel);
    return is_running;
}

tunnel_report tunnel_run_liburing(int device, int socket, int stop, unsigned entries, unsigned buffer_count, unsigned packet_bytes) {
    tunnel tunnel = {
        .buffer_count = buffer_count, .buffer_bytes = packet_bytes + 1, .files = { device, socket }, .is_waiting = { true, true },
    };
    bool is_running = begin(&tunnel, entries, stop);
    while (is_running && tunnel.report.error == 0) {
        for (unsigned side = 0; side < 2; side += 1) {
            if (tunnel.is_waiting[side] && tunnel.available > 0) receive(&tunnel, side);
        }
        bool is_short = tunnel.is_waiting[0] || tunnel.is_waiting[1];
        unsigned wanted = is_short || tunnel.passing > tunnel.prepared ? 1 : tunnel.prepared + 1;
        tunnel.prepared = 0;
        int status = io_uring_submit_and_wait(&tunnel.ring, wanted);
        tunnel.report.calls += 1;
        if (status < 0 && status != -EINTR) tunnel.report.error = -status;
        is_running = take_ready(&tunnel);
    }
    // The memory of a ring that is in use goes with the process.
    io_uring_queue_exit(&tunnel.ring);
    return tunnel.report;
}
