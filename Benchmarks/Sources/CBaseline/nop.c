// SPDX-License-Identifier: Apache-2.0

#include "CBaseline.h"
#include "ring.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

int baseline_nop(baseline_ring *baseline, unsigned batch, long count) {
    struct io_uring *ring = &baseline->ring;
    for (long done = 0; done < count;) {
        unsigned wanted = count - done < batch ? (unsigned)(count - done) : batch;
        for (unsigned slot = 0; slot < wanted; slot++) {
            struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
            io_uring_prep_nop(sqe);
            io_uring_sqe_set_data64(sqe, slot);
        }
        int status = submit_then_wait(ring, wanted);
        if (status < 0) return status;
        unsigned long tags = 0;
        unsigned head, seen = 0;
        struct io_uring_cqe *cqe;
        io_uring_for_each_cqe(ring, head, cqe) {
            if (cqe->res < 0) return cqe->res;
            tags += cqe->user_data;
            seen++;
        }
        io_uring_cq_advance(ring, seen);
        if (seen != wanted || tags != (unsigned long)wanted * (wanted - 1) / 2) return -EILSEQ;
        done += seen;
    }
    return 0;
}

// Where an operation is while it is in flight, 128 bytes from the next one.
struct slot {
    union {
        struct slot *next_free;
        const void *type;
    };
    long unused;
    // Where the slot is in the table, and how often it has been used in the bits above.
    uint64_t user_data;
    uint32_t number;
    uint64_t tag;
} __attribute__((aligned(128)));

// What a completion looks its operation up in, behind a pointer as it would be in a library.
struct table {
    struct slot *first_free;
    struct slot *slots;
    uint64_t offset_mask;
};

static const uint64_t generation_step = 1ul << 32;
static const uint32_t nop_number = 1;

static struct table *make_table(unsigned count) {
    size_t byte_count = sizeof(struct slot);
    while (byte_count < count * sizeof(struct slot)) byte_count *= 2;
    struct table *table = malloc(sizeof *table);
    struct slot *slots = aligned_alloc(byte_count, byte_count);
    if (!table || !slots) {
        free(table);
        free(slots);
        return NULL;
    }
    *table = (struct table){.slots = slots, .offset_mask = byte_count - sizeof(struct slot)};
    for (unsigned i = count; i > 0; i--) {
        slots[i - 1] = (struct slot){.next_free = table->first_free, .user_data = (i - 1) * sizeof(struct slot)};
        table->first_free = &slots[i - 1];
    }
    return table;
}

static int count_nops(struct io_uring *ring, struct table *table, unsigned batch, long count) {
    for (long done = 0; done < count;) {
        unsigned wanted = count - done < batch ? (unsigned)(count - done) : batch;
        for (unsigned tag = 0; tag < wanted; tag++) {
            struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
            struct slot *slot = table->first_free;
            if (!sqe || !slot) return -EBUSY;
            table->first_free = slot->next_free;
            slot->number = nop_number;
            slot->tag = tag;
            io_uring_prep_nop(sqe);
            io_uring_sqe_set_data64(sqe, slot->user_data);
        }
        int status = submit_then_wait(ring, wanted);
        if (status < 0) return status;
        unsigned long tags = 0;
        unsigned head, seen = 0;
        struct io_uring_cqe *cqe;
        io_uring_for_each_cqe(ring, head, cqe) {
            struct slot *slot = (struct slot *)((char *)table->slots + (cqe->user_data & table->offset_mask));
            if (slot->user_data != cqe->user_data || slot->number != nop_number) return -EILSEQ;
            tags += slot->tag;
            slot->user_data += generation_step;
            slot->next_free = table->first_free;
            table->first_free = slot;
            if (cqe->res < 0) return cqe->res;
            seen++;
        }
        io_uring_cq_advance(ring, seen);
        if (seen != wanted || tags != (unsigned long)wanted * (wanted - 1) / 2) return -EILSEQ;
        done += seen;
    }
    return 0;
}

int baseline_nop_in_slots(baseline_ring *baseline, unsigned batch, long count) {
    struct table *table = make_table(batch);
    if (!table) return -ENOMEM;
    int status = count_nops(&baseline->ring, table, batch, count);
    free(table->slots);
    free(table);
    return status;
}
