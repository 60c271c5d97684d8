// SPDX-License-Identifier: Apache-2.0

#include "CBaseline.h"
#include "ring.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { most_events = 256, buffer_group = 0 };

// The client.

typedef struct connection {
    int socket;
    long done;
    unsigned received;
    uint64_t request[baseline_request / sizeof(uint64_t)];
    uint64_t answer[baseline_request / sizeof(uint64_t)];
} connection;

static int send_request(connection *connection, uint64_t number) {
    for (unsigned word = 0; word < baseline_request / sizeof(uint64_t); word++) {
        connection->request[word] = (number << 40 | (uint64_t)connection->done << 8 | word) * 0x9e3779b97f4a7c15u;
    }
    connection->received = 0;
    return send(connection->socket, connection->request, baseline_request, MSG_NOSIGNAL) == baseline_request ? 0 : -1;
}

// Each connection makes the same number of requests, but for the first ones, which make one more if that does not come out even.
static int make_requests(unsigned short port, unsigned count, long requests) {
    connection *connections = calloc(count, sizeof *connections);
    int epoll = epoll_create1(0);
    if (connections == NULL || epoll < 0) return -1;
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    for (unsigned i = 0; i < count; i++) {
        int socket_ = connections[i].socket = socket(AF_INET, SOCK_STREAM, 0);
        if (setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)) < 0) return -1;
        if (connect(socket_, (struct sockaddr *)&address, sizeof address) < 0) return -1;
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = i};
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, socket_, &event) < 0) return -1;
    }
    unsigned left = requests < count ? (unsigned)requests : count;
    for (unsigned i = 0; i < left; i++) {
        if (send_request(&connections[i], i) < 0) return -1;
    }
    while (left > 0) {
        struct epoll_event events[most_events];
        int ready = epoll_wait(epoll, events, most_events, -1);
        if (ready < 0 && errno != EINTR) return -1;
        for (int index = 0; index < ready; index++) {
            unsigned number = events[index].data.u32;
            connection *connection = &connections[number];
            ssize_t byte_count = recv(
                connection->socket, (char *)connection->answer + connection->received, baseline_request - connection->received, 0);
            if (byte_count <= 0) return -1;
            connection->received += (unsigned)byte_count;
            if (connection->received < baseline_request) continue;
            if (memcmp(connection->answer, connection->request, baseline_request) != 0) return -1;
            if (++connection->done < requests / count + (number < requests % count)) {
                if (send_request(connection, number) < 0) return -1;
            } else {
                epoll_ctl(epoll, EPOLL_CTL_DEL, connection->socket, NULL);
                left--;
            }
        }
    }
    return 0;
}

int baseline_echo_start_client(unsigned short port, unsigned connections, long requests) {
    int client = fork();
    if (client < 0) return -errno;
    if (client > 0) return client;
    if (baseline_pin(1) < 0) _exit(1);
    _exit(make_requests(port, connections, requests) == 0 ? 0 : 1);
}

int baseline_echo_end_client(int client) {
    int status;
    if (waitpid(client, &status, 0) < 0) return -errno;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EILSEQ;
}

// The servers.

int baseline_accept_all(int listener, int *sockets, unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        sockets[i] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (sockets[i] < 0) return -errno;
        if (setsockopt(sockets[i], IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)) < 0) return -errno;
    }
    return 0;
}

// User data: the buffer of a send, or behind this bit the connection of a receive.
static const uint64_t receive_bit = 1u << 31;

static void prepare_receive(struct io_uring *ring, const int *sockets, unsigned connection) {
    struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
    io_uring_prep_recv_multishot(sqe, sockets[connection], NULL, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = buffer_group;
    io_uring_sqe_set_data64(sqe, receive_bit | connection);
}

static int serve(
    struct io_uring *ring, struct io_uring_buf_ring *pool, char *memory, int mask, const int *sockets, unsigned connections, long requests) {
    for (unsigned connection = 0; connection < connections; connection++) prepare_receive(ring, sockets, connection);
    long received = 0;
    for (long sent = 0; sent < requests;) {
        int status = enter(ring, 1);
        if (status < 0) return status;
        unsigned head, seen = 0;
        struct io_uring_cqe *cqe;
        io_uring_for_each_cqe(ring, head, cqe) {
            if (cqe->res < 0) return cqe->res;
            seen++;
            if (cqe->user_data & receive_bit) {
                unsigned connection = (unsigned)(cqe->user_data & ~receive_bit);
                if (cqe->res == 0) {
                    // The client goes when it has all answers, or at the first one that is wrong.
                    if (received < requests) return -EILSEQ;
                    continue;
                }
                received++;
                if ((cqe->flags & IORING_CQE_F_BUFFER) == 0) return -EILSEQ;
                unsigned id = cqe->flags >> IORING_CQE_BUFFER_SHIFT;
                struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
                io_uring_prep_send(
                    sqe, sockets[connection], memory + (size_t)id * baseline_request, (size_t)cqe->res, MSG_WAITALL | MSG_NOSIGNAL);
                io_uring_sqe_set_data64(sqe, (uint64_t)cqe->res << 32 | id);
                if ((cqe->flags & IORING_CQE_F_MORE) == 0) prepare_receive(ring, sockets, connection);
            } else {
                if ((uint64_t)cqe->res != cqe->user_data >> 32) return -EILSEQ;
                unsigned short id = (unsigned short)cqe->user_data;
                io_uring_buf_ring_add(pool, memory + (size_t)id * baseline_request, baseline_request, id, mask, 0);
                io_uring_buf_ring_advance(pool, 1);
                sent++;
            }
        }
        io_uring_cq_advance(ring, seen);
    }
    return 0;
}

int baseline_echo_uring(baseline_ring *baseline, const int *sockets, unsigned connections, long requests) {
    struct io_uring *ring = &baseline->ring;
    unsigned count = 2;
    while (count < 2 * connections) count *= 2;
    void *pool, *memory;
    if (posix_memalign(&pool, 4096, count * sizeof(struct io_uring_buf)) != 0) return -ENOMEM;
    if (posix_memalign(&memory, 4096, (size_t)count * baseline_request) != 0) {
        free(pool);
        return -ENOMEM;
    }
    int mask = io_uring_buf_ring_mask(count);
    io_uring_buf_ring_init(pool);
    for (unsigned id = 0; id < count; id++) {
        io_uring_buf_ring_add(pool, (char *)memory + (size_t)id * baseline_request, baseline_request, (unsigned short)id, mask, (int)id);
    }
    io_uring_buf_ring_advance(pool, (int)count);
    struct io_uring_buf_reg registration = {.ring_addr = (uintptr_t)pool, .ring_entries = count, .bgid = buffer_group};
    int status = io_uring_register_buf_ring(ring, &registration, 0);
    if (status == 0) {
        status = serve(ring, pool, memory, mask, sockets, connections, requests);
        // Every send is done, and the receives that still wait take no buffer any more.
        io_uring_unregister_buf_ring(ring, buffer_group);
    }
    free(memory);
    free(pool);
    return status;
}

int baseline_echo_epoll(const int *sockets, unsigned connections, long requests) {
    char bytes[baseline_request];
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0) return -errno;
    int status = 0;
    for (unsigned i = 0; i < connections && status == 0; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.fd = sockets[i]};
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, sockets[i], &event) < 0) status = -errno;
    }
    for (long sent = 0; sent < requests && status == 0;) {
        struct epoll_event events[most_events];
        int ready = epoll_wait(epoll, events, most_events, -1);
        if (ready < 0 && errno != EINTR) status = -errno;
        for (int index = 0; index < ready && status == 0; index++) {
            int socket_ = events[index].data.fd;
            ssize_t byte_count = recv(socket_, bytes, sizeof bytes, 0);
            if (byte_count == 0) {
                // The client goes when it has all answers, or at the first one that is wrong.
                status = sent < requests ? -EILSEQ : 0;
                continue;
            }
            if (byte_count < 0 || send(socket_, bytes, (size_t)byte_count, MSG_NOSIGNAL) != byte_count) status = -errno;
            sent++;
        }
    }
    close(epoll);
    return status;
}
