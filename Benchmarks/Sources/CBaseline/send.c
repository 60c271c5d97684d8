// SPDX-License-Identifier: Apache-2.0

#include "CBaseline.h"
#include "ring.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

// Newer headers have names for them.
enum { send_zc_report_usage = 1 << 3 };
static const unsigned notif_usage_zc_copied = 1u << 31;

static int set_room(int socket, int byte_count) {
    if (setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &byte_count, sizeof byte_count) < 0) return -errno;
    if (setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &byte_count, sizeof byte_count) < 0) return -errno;
    return 0;
}

static int connect_pair(int listener, int *sender, int *receiver, int byte_count) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int status = set_room(listener, byte_count);
    if (status < 0) return status;
    if (bind(listener, (struct sockaddr *)&address, size) < 0 || listen(listener, 1) < 0) return -errno;
    if (getsockname(listener, (struct sockaddr *)&address, &size) < 0) return -errno;
    *sender = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (*sender < 0) return -errno;
    status = set_room(*sender, byte_count);
    if (status == 0 && setsockopt(*sender, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)) < 0) status = -errno;
    if (status == 0 && connect(*sender, (struct sockaddr *)&address, size) < 0) status = -errno;
    if (status == 0 && (*receiver = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) < 0) status = -errno;
    if (status < 0) close(*sender);
    return status;
}

int baseline_tcp_pair(int *sender, int *receiver, int byte_count) {
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0) return -errno;
    int status = connect_pair(listener, sender, receiver, byte_count);
    close(listener);
    return status;
}

int baseline_receive_large(int receiver, void *memory, long byte_count, long number) {
    for (long received = 0; received < byte_count;) {
        ssize_t count = recv(receiver, (char *)memory + received, (size_t)(byte_count - received), 0);
        if (count <= 0) return count < 0 ? -errno : -EILSEQ;
        received += count;
    }
    return baseline_expect_stamped(memory, (unsigned long)number, byte_count);
}

static int next(struct io_uring *ring, int *result, unsigned *flags) {
    int status = io_uring_submit_and_wait(ring, 1);
    if (status < 0) return status;
    struct io_uring_cqe *cqe;
    status = io_uring_peek_cqe(ring, &cqe);
    if (status < 0) return status;
    *result = cqe->res;
    *flags = cqe->flags;
    io_uring_cqe_seen(ring, cqe);
    return 0;
}

int baseline_send_large(
    baseline_ring *baseline, int sender, int receiver, void *memory, void *received, long byte_count, bool is_zero_copy, long count,
    long *copied) {
    struct io_uring *ring = &baseline->ring;
    uint64_t *first = memory, *last = (void *)((char *)memory + byte_count - sizeof *last);
    *copied = 0;
    for (long number = 0; number < count; number++) {
        *first = *last = (uint64_t)number;
        struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
        if (is_zero_copy) {
            io_uring_prep_send_zc(sqe, sender, memory, (size_t)byte_count, MSG_WAITALL | MSG_NOSIGNAL, send_zc_report_usage);
        } else {
            io_uring_prep_send(sqe, sender, memory, (size_t)byte_count, MSG_WAITALL | MSG_NOSIGNAL);
        }
        int result;
        unsigned flags;
        int status = next(ring, &result, &flags);
        if (status < 0) return status;
        if (result < 0) return result;
        if (result != byte_count || (flags & IORING_CQE_F_MORE) != (is_zero_copy ? IORING_CQE_F_MORE : 0)) return -EILSEQ;
        status = baseline_receive_large(receiver, received, byte_count, number);
        if (status < 0) return status;
        if (!is_zero_copy) continue;
        status = next(ring, &result, &flags);
        if (status < 0) return status;
        if ((flags & IORING_CQE_F_NOTIF) == 0) return -EILSEQ;
        if ((unsigned)result & notif_usage_zc_copied) *copied += 1;
    }
    return 0;
}
