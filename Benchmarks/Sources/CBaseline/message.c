// SPDX-License-Identifier: Apache-2.0

#include "CBaseline.h"
#include "ring.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <unistd.h>

// Two ends that exchange numbers: the first sends 0, 2, 4, ... and the second answers each with the next number.
typedef struct end {
    unsigned processor;
    unsigned flags;
    long count;
    struct io_uring ring;
    struct end *other;
    sem_t is_ready;
    int reading;
    int writing;
    int status;
} end;

enum { user_data_sent = 1, user_data_message = 2 };

static void prepare_message(end *end, int number) {
    struct io_uring_sqe *sqe = io_uring_get_sqe(&end->ring);
    io_uring_prep_msg_ring(sqe, end->other->ring.ring_fd, (unsigned)number, user_data_message, 0);
    io_uring_sqe_set_data64(sqe, user_data_sent);
}

// Waits for so many completions, of which one is a message.
static int await_message(end *end, unsigned count, int number) {
    bool has_come = false;
    for (unsigned seen = 0; seen < count;) {
        int status = enter(&end->ring, count - seen);
        if (status < 0) return status;
        struct io_uring_cqe *cqe;
        while (seen < count && io_uring_peek_cqe(&end->ring, &cqe) == 0) {
            if (cqe->res < 0) return cqe->res;
            if (cqe->user_data == user_data_message) {
                if (has_come || cqe->res != number) return -EILSEQ;
                has_come = true;
            }
            io_uring_cqe_seen(&end->ring, cqe);
            seen++;
        }
    }
    return has_come ? 0 : -EILSEQ;
}

static int number_of(long message) {
    return (int)(message & 0x3fffffff);
}

// Has the other end fail as well, which would wait for ever: no number is negative.
static void give_up(end *end) {
    prepare_message(end, -1);
    io_uring_submit(&end->ring);
}

static int answer(end *end) {
    int status = await_message(end, 1, 0);
    for (long done = 0; done < end->count && status == 0; done++) {
        prepare_message(end, number_of(2 * done + 1));
        bool is_last = done + 1 == end->count;
        if (is_last) {
            status = io_uring_submit_and_wait(&end->ring, 1);
            return status < 0 ? status : 0;
        }
        status = await_message(end, 2, number_of(2 * done + 2));
    }
    return status;
}

static void *answer_on_thread(void *context) {
    end *end = context;
    end->status = baseline_pin(end->processor);
    if (end->status == 0) end->status = io_uring_queue_init(4, &end->ring, end->flags);
    sem_post(&end->is_ready);
    if (end->status == 0) {
        // The ring stays until the other end is done with it.
        end->status = answer(end);
        if (end->status < 0) give_up(end);
        sem_wait(&end->other->is_ready);
        io_uring_queue_exit(&end->ring);
    }
    return NULL;
}

int baseline_message_uring(unsigned flags, bool shares_processor, long count) {
    end first = {.count = count}, second = {.processor = shares_processor ? 0 : 1, .flags = flags, .count = count, .other = &first};
    first.other = &second;
    sem_init(&first.is_ready, 0, 0);
    sem_init(&second.is_ready, 0, 0);
    int status = io_uring_queue_init(4, &first.ring, flags);
    if (status < 0) return status;
    pthread_t thread;
    status = -pthread_create(&thread, NULL, answer_on_thread, &second);
    if (status == 0) {
        sem_wait(&second.is_ready);
        for (long done = 0; done < count && status == 0; done++) {
            prepare_message(&first, number_of(2 * done));
            status = await_message(&first, 2, number_of(2 * done + 1));
        }
        if (status < 0) give_up(&first);
        sem_post(&first.is_ready);
        pthread_join(thread, NULL);
        if (status == 0) status = second.status;
    }
    io_uring_queue_exit(&first.ring);
    return status;
}

static int exchange(const end *end, bool is_write, long *number) {
    ssize_t byte_count = is_write ? write(end->writing, number, sizeof *number) : read(end->reading, number, sizeof *number);
    return byte_count < 0 ? -errno : byte_count == sizeof *number ? 0 : -EILSEQ;
}

static void *answer_with_pipe(void *context) {
    end *end = context;
    end->status = baseline_pin(end->processor);
    for (long done = 0; done < end->count && end->status == 0; done++) {
        long number = 0;
        end->status = exchange(end, false, &number);
        if (end->status == 0 && number != 2 * done) end->status = -EILSEQ;
        number++;
        if (end->status == 0) end->status = exchange(end, true, &number);
    }
    close(end->writing);
    return NULL;
}

int baseline_message_pipe(bool shares_processor, long count) {
    int there[2], back[2];
    if (pipe(there) < 0 || pipe(back) < 0) return -errno;
    end first = {.reading = back[0], .writing = there[1]};
    end second = {.processor = shares_processor ? 0 : 1, .count = count, .reading = there[0], .writing = back[1]};
    pthread_t thread;
    int status = -pthread_create(&thread, NULL, answer_with_pipe, &second);
    if (status < 0) return status;
    for (long done = 0; done < count && status == 0; done++) {
        long number = 2 * done;
        status = exchange(&first, true, &number);
        if (status == 0) status = exchange(&first, false, &number);
        if (status == 0 && number != 2 * done + 1) status = -EILSEQ;
    }
    close(there[1]);
    pthread_join(thread, NULL);
    close(there[0]);
    close(back[0]);
    return status == 0 ? second.status : status;
}
