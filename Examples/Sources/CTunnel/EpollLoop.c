// SPDX-License-Identifier: Apache-2.0
// A plain forwarder on epoll, to compare with: level-triggered, one thread, one buffer. Of what is ready it reads until nothing is left.

#include "CTunnel.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

// How many packets are taken of one side before the other gets its turn.
enum { BATCH = 64 };

typedef struct forwarder {
    int device;
    int socket;
    tunnel_report report;
    char packet[65536];
} forwarder;

static void note_failure(forwarder *forwarder) {
    forwarder->report.failed += 1;
    if (errno == EAGAIN) forwarder->report.found_nothing += 1;
}

// Counts a read, and says whether it brought a packet.
static bool take(forwarder *forwarder, ssize_t count, bool is_from_socket) {
    forwarder->report.calls += 1;
    if (count > 0) return true;
    if (count < 0 && errno == EAGAIN) {
        forwarder->report.found_nothing += 1;
    } else if (count < 0 && is_from_socket && tunnel_is_network_error(errno)) {
        forwarder->report.network_errors += 1;
    } else if (count < 0 && errno != EINTR) {
        forwarder->report.error = errno;
    }
    return false;
}

static void forward_outward(forwarder *forwarder) {
    for (int index = 0; index < BATCH; index += 1) {
        ssize_t count = read(forwarder->device, forwarder->packet, sizeof forwarder->packet);
        if (!take(forwarder, count, false)) return;
        forwarder->report.calls += 1;
        if (send(forwarder->socket, forwarder->packet, (size_t)count, MSG_NOSIGNAL) < 0) {
            note_failure(forwarder);
        } else {
            forwarder->report.sent_packets += 1;
            forwarder->report.sent_bytes += count;
        }
    }
}

static void forward_inward(forwarder *forwarder) {
    for (int index = 0; index < BATCH; index += 1) {
        ssize_t count = recv(forwarder->socket, forwarder->packet, sizeof forwarder->packet, 0);
        if (!take(forwarder, count, true)) return;
        forwarder->report.calls += 1;
        if (write(forwarder->device, forwarder->packet, (size_t)count) < 0) {
            note_failure(forwarder);
        } else {
            forwarder->report.received_packets += 1;
            forwarder->report.received_bytes += count;
        }
    }
}

static int watch(int epoll, int descriptor) {
    struct epoll_event event = { .events = EPOLLIN, .data.fd = descriptor };
    return epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event);
}

tunnel_report tunnel_run_epoll(int device, int socket, int stop) {
    forwarder forwarder;
    forwarder.device = device;
    forwarder.socket = socket;
    forwarder.report = (tunnel_report){0};
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    bool is_running = epoll >= 0
        && fcntl(socket, F_SETFL, fcntl(socket, F_GETFL) | O_NONBLOCK) == 0
        && watch(epoll, device) == 0 && watch(epoll, socket) == 0 && watch(epoll, stop) == 0;
    if (!is_running) forwarder.report.error = errno;
    while (is_running && forwarder.report.error == 0) {
        struct epoll_event events[3];
        int count = epoll_wait(epoll, events, 3, -1);
        forwarder.report.calls += 1;
        if (count < 0 && errno != EINTR) forwarder.report.error = errno;
        for (int index = 0; index < count; index += 1) {
            if (events[index].data.fd == stop) is_running = false;
            if (events[index].data.fd == device) forward_outward(&forwarder);
            if (events[index].data.fd == socket) forward_inward(&forwarder);
        }
    }
    if (epoll >= 0) close(epoll);
    return forwarder.report;
}
