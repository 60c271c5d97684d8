// SPDX-License-Identifier: Apache-2.0

#include "CBaseline.h"
#include "ring.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

int baseline_connect(const baseline_connections *connections) {
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(connections->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    for (unsigned i = 0; i < connections->count; i++) {
        int socket_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (socket_ < 0) return -errno;
        connections->sockets[i] = socket_;
        struct linger linger = {.l_onoff = 1, .l_linger = 0};
        setsockopt(socket_, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
        if (connect(socket_, (struct sockaddr *)&address, sizeof address) < 0) return -errno;
    }
    return 0;
}

void baseline_disconnect(const baseline_connections *connections) {
    for (unsigned i = 0; i < connections->count; i++) close(connections->sockets[i]);
}

// The connections of the next round, which may be the last and smaller.
static baseline_connections next_round(const baseline_connections *connections, long left) {
    baseline_connections round = *connections;
    if (left < round.count) round.count = (unsigned)left;
    return round;
}

static void prepare(struct io_uring *ring, int listener) {
    io_uring_prep_multishot_accept(io_uring_get_sqe(ring), listener, NULL, NULL, SOCK_CLOEXEC);
}

int baseline_accept_uring(baseline_ring *baseline, int listener, const baseline_connections *connections, long count) {
    struct io_uring *ring = &baseline->ring;
    prepare(ring, listener);
    for (long done = 0; done < count;) {
        baseline_connections round = next_round(connections, count - done);
        int status = baseline_connect(&round);
        if (status < 0) return status;
        for (unsigned accepted = 0; accepted < round.count;) {
            status = enter(ring, round.count - accepted);
            if (status < 0) return status;
            unsigned head, seen = 0;
            struct io_uring_cqe *cqe;
            io_uring_for_each_cqe(ring, head, cqe) {
                if (cqe->res < 0) return cqe->res;
                if ((cqe->flags & IORING_CQE_F_MORE) == 0) prepare(ring, listener);
                close(cqe->res);
                seen++;
            }
            io_uring_cq_advance(ring, seen);
            accepted += seen;
        }
        baseline_disconnect(&round);
        done += round.count;
    }
    return 0;
}

int baseline_accept_epoll(int listener, const baseline_connections *connections, long count) {
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0) return -errno;
    struct epoll_event event = {.events = EPOLLIN};
    int status = epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) < 0 ? -errno : 0;
    for (long done = 0; done < count && status == 0;) {
        baseline_connections round = next_round(connections, count - done);
        status = baseline_connect(&round);
        for (unsigned accepted = 0; accepted < round.count && status == 0; accepted++) {
            int socket_ = -1;
            if (epoll_wait(epoll, &event, 1, -1) < 0 || (socket_ = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) < 0) status = -errno;
            close(socket_);
        }
        baseline_disconnect(&round);
        done += round.count;
    }
    close(epoll);
    return status;
}
