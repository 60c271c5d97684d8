// SPDX-License-Identifier: Apache-2.0
// The Swift loop's way with a ring, in C with liburing: handlers are called from the completion queue, and polls prepared again behind them;
// there are the same queues for what is not so simple, and the same looks at each source, for watches alone.

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
    bool is_called;
    bool is_shared;
} source;

typedef struct loop {
    struct io_uring ring;
    source *sources;
    queue pending;
    queue ready;
    // Only eager loops do: no timers, signals or handlers to be called at once are ever there.
    bool looks_first;
} loop;

static void enqueue(loop *loop, int index) {
    if (loop->sources[index].is_queued) return;
    loop->sources[index].is_queued = true;
    append(&loop->pending, index);
}

static void arm(loop *loop, int index) {
    source *source = &loop->sources[index];
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

static void prepare(loop *loop, int index) {
    source *source = &loop->sources[index];
    source->is_queued = false;
    if (source->is_ready || source->is_called || source->has_ended || source->wanted == 0 || source->is_polled) return;
    arm(loop, index);
}

static int enter(loop *loop, bool is_waiting) {
    while (loop->pending.count > 0) prepare(loop, pop(&loop->pending));
    return is_waiting ? io_uring_submit_and_wait(&loop->ring, 1) : io_uring_submit(&loop->ring);
}

static void end_turn(loop *loop, int index) {
    source *source = &loop->sources[index];
    source->is_called = false;
    if (source->has_ended) return;
    if (source->wanted != 0 && !source->is_polled) arm(loop, index);
    else enqueue(loop, index);
}

// Calls the handler of the source whose poll has completed; false if it is not to be called for that, or not yet.
static bool run_completion(loop *loop, const struct io_uring_cqe *completion) {
    uint64_t data = io_uring_cqe_get_data64(completion);
    int result = completion->res;
    io_uring_cq_advance(&loop->ring, 1);
    int index = (int)(uint32_t)data;
    source *source = &loop->sources[index];
    source->in_flight -= 1;
    if (source->arming != data >> 32 || source->has_ended) return false;
    source->is_polled = false;
    unsigned events = (unsigned)result & (source->wanted | POLLERR | POLLHUP | POLLRDHUP | POLLNVAL);
    if (result < 0) events = POLLNVAL;
    if (source->wanted == 0 || events == 0) {
        enqueue(loop, index);
        return false;
    }
    if (source->is_shared || source->is_called || events & POLLNVAL) {
        source->found = events;
        if (!source->is_ready) append(&loop->ready, index);
        source->is_ready = true;
        return false;
    }
    source->is_called = true;
    source->handler(loop, index, events, source->data);
    end_turn(loop, index);
    return true;
}

static bool run_ready(loop *loop) {
    int index = pop(&loop->ready);
    source *source = &loop->sources[index];
    source->is_ready = false;
    if (source->has_ended || source->is_called) return false;
    source->is_called = true;
    source->handler(loop, index, source->found, source->data);
    end_turn(loop, index);
    return true;
}

static const struct io_uring_cqe *next_completion(const loop *loop) {
    struct io_uring_cqe *completion;
    unsigned head;
    io_uring_for_each_cqe(&loop->ring, head, completion) return completion;
    return NULL;
}

static int loop_once(loop *loop) {
    while (true) {
        const struct io_uring_cqe *completion;
        if (loop->looks_first && (loop->ready.count > 0 || next_completion(loop))) {
            int status = enter(loop, false);
            if (status < 0) return status;
        }
        if (loop->ready.count > 0) {
            if (run_ready(loop)) return 0;
        } else if ((completion = next_completion(loop))) {
            if (run_completion(loop, completion)) return 0;
        } else {
            int status = enter(loop, true);
            if (status < 0) return status;
        }
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
    loop loop = { .looks_first = is_eager };
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
