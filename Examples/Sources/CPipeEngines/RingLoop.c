// SPDX-License-Identifier: Apache-2.0
// The Swift loop's way with a ring, in C with liburing: the same queues and the same looks at each source, for watches alone.

#include "Pipes.h"

#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>

typedef struct queue {
    int *places;
    int head;
    int count;
    int mask;
} queue;

static void append(queue *queue, int value) {
    queue->places[(queue->head + queue->count) & queue->mask] = value;
    queue->count += 1;
}

static int pop(queue *queue) {
    int value = queue->places[queue->head];
    queue->head = (queue->head + 1) & queue->mask;
    queue->count -= 1;
    return value;
}

struct loop;
typedef void handler(struct loop *loop, int source, unsigned events, void *data);

typedef struct source {
    handler *handler;
    void *data;
    unsigned wanted;
    unsigned polled;
    unsigned found;
    uint32_t arming;
    uint32_t in_flight;
    bool has_ended;
    bool is_queued;
    bool is_ready;
    bool is_polled;
    bool is_shared;
} source;

typedef struct loop {
    struct io_uring ring;
    source *sources;
    queue pending;
    queue ready;
    bool is_eager;
    // Nothing is ever in these here; the contract wants a look at them before each handler.
    int immediate_count;
    int signal_count;
    int timer_count;
} loop;

static void enqueue(loop *loop, int index) {
    if (loop->sources[index].is_queued) return;
    loop->sources[index].is_queued = true;
    append(&loop->pending, index);
}

static void prepare(loop *loop, int index) {
    source *source = &loop->sources[index];
    source->is_queued = false;
    if (source->is_ready || source->has_ended || source->wanted == 0) return;
    if (source->is_polled && source->wanted == source->polled) return;
    struct io_uring_sqe *entry = io_uring_get_sqe(&loop->ring);
    if (!entry) {
        if (io_uring_submit(&loop->ring) < 0) abort();
        entry = io_uring_get_sqe(&loop->ring);
    }
    io_uring_prep_poll_add(entry, index, source->wanted);
    entry->flags |= IOSQE_FIXED_FILE;
    io_uring_sqe_set_data64(entry, (uint64_t)source->arming << 32 | (uint32_t)index);
    source->polled = source->wanted;
    source->is_polled = true;
    source->in_flight += 1;
}

static void complete(loop *loop, const struct io_uring_cqe *completion) {
    uint64_t data = io_uring_cqe_get_data64(completion);
    int index = (int)(uint32_t)data;
    source *source = &loop->sources[index];
    source->in_flight -= 1;
    if (source->arming != data >> 32 || source->has_ended) return;
    source->is_polled = false;
    source->arming += 1;
    source->found = completion->res < 0 ? POLLNVAL : (unsigned)completion->res & (source->wanted | POLLERR | POLLHUP | POLLRDHUP);
    if (source->found == 0) {
        enqueue(loop, index);
    } else if (!source->is_ready) {
        source->is_ready = true;
        append(&loop->ready, index);
    }
}

static int enter(loop *loop, bool is_waiting) {
    while (loop->pending.count > 0) prepare(loop, pop(&loop->pending));
    int status = is_waiting ? io_uring_submit_and_wait(&loop->ring, 1) : io_uring_submit(&loop->ring);
    struct io_uring_cqe *completion;
    unsigned head, seen = 0;
    io_uring_for_each_cqe(&loop->ring, head, completion) {
        complete(loop, completion);
        seen += 1;
    }
    io_uring_cq_advance(&loop->ring, seen);
    return status;
}

static int loop_once(loop *loop) {
    while (true) {
        if (loop->immediate_count > 0 || loop->signal_count > 0 || loop->timer_count > 0) abort();
        if (loop->ready.count == 0) {
            int status = enter(loop, true);
            if (status < 0) return status;
            continue;
        }
        if (loop->is_eager && loop->pending.count > 0) {
            int status = enter(loop, false);
            if (status < 0) return status;
        }
        int index = pop(&loop->ready);
        source *source = &loop->sources[index];
        source->is_ready = false;
        if (source->has_ended || source->is_shared) continue;
        source->handler(loop, index, source->found, source->data);
        if (!loop->sources[index].has_ended) enqueue(loop, index);
        return 0;
    }
}

static void handle(loop *loop, int index, unsigned events, void *data) {
    (void)loop;
    (void)index;
    (void)events;
    pipes_handle((int)(intptr_t)data);
}

static double run(long long calls, bool is_eager) {
    int count = pipes_handler_count();
    loop loop = { .is_eager = is_eager };
    int status = io_uring_queue_init(
        256, &loop.ring, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_TASKRUN_FLAG);
    if (status < 0) return status;
    int capacity = 16;
    while (capacity < count) capacity *= 2;
    loop.pending = (queue){ .places = calloc((size_t)capacity, sizeof(int)), .mask = capacity - 1 };
    loop.ready = (queue){ .places = calloc((size_t)capacity, sizeof(int)), .mask = capacity - 1 };
    loop.sources = calloc((size_t)count, sizeof *loop.sources);
    int *descriptors = calloc((size_t)count, sizeof(int));
    if (!loop.pending.places || !loop.ready.places || !loop.sources || !descriptors) abort();
    for (int index = 0; index < count; index += 1) {
        descriptors[index] = pipes_descriptor(index);
        loop.sources[index].handler = handle;
        loop.sources[index].data = (void *)(intptr_t)index;
        loop.sources[index].wanted = (unsigned)pipes_events(index);
        enqueue(&loop, index);
    }
    status = io_uring_register_files(&loop.ring, descriptors, (unsigned)count);
    if (status == 0) io_uring_register_ring_fd(&loop.ring);
    double start = pipes_seconds();
    for (long long call = 0; status >= 0 && call < calls; call += 1) status = loop_once(&loop);
    double seconds = pipes_seconds() - start;
    io_uring_queue_exit(&loop.ring);
    free(loop.pending.places);
    free(loop.ready.places);
    free(loop.sources);
    free(descriptors);
    return status < 0 ? status : seconds;
}

double pipes_run_ring(long long calls) {
    return run(calls, false);
}

double pipes_run_eager_ring(long long calls) {
    return run(calls, true);
}
