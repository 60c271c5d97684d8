// SPDX-License-Identifier: Apache-2.0

#include "CBaseline.h"
#include "ring.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

// An operation's user data: which block of the memory it uses, below which block of the file.
enum { slot_bits = 12 };

static inline void *block_of_memory(const baseline_blocks *blocks, unsigned slot) {
    return (char *)blocks->memory + (size_t)slot * blocks->block;
}

int baseline_register(baseline_ring *ring, const baseline_blocks *blocks) {
    struct iovec vectors[blocks->depth];
    for (unsigned slot = 0; slot < blocks->depth; slot++) {
        vectors[slot] = (struct iovec){block_of_memory(blocks, slot), blocks->block};
    }
    return io_uring_register_buffers(&ring->ring, vectors, blocks->depth);
}

enum transfer { transfer_read, transfer_read_fixed, transfer_write };

static inline void prepare(struct io_uring *ring, const baseline_blocks *blocks, enum transfer transfer, unsigned slot, long number) {
    struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
    void *memory = block_of_memory(blocks, slot);
    uint64_t index = (uint64_t)(number & (blocks->count - 1)), offset = index * blocks->block;
    switch (transfer) {
    case transfer_read:
        io_uring_prep_read(sqe, blocks->file, memory, blocks->block, offset);
        break;
    case transfer_read_fixed:
        io_uring_prep_read_fixed(sqe, blocks->file, memory, blocks->block, offset, (int)slot);
        break;
    case transfer_write:
        *(uint64_t *)memory = (uint64_t)number;
        io_uring_prep_write(sqe, blocks->file, memory, blocks->block, offset);
        break;
    }
    io_uring_sqe_set_data64(sqe, index << slot_bits | slot);
}

static inline __attribute__((always_inline)) int transfer(
    struct io_uring *ring, const baseline_blocks *blocks, enum transfer transfer, long count) {
    if (blocks->depth > 1u << slot_bits || (blocks->count & (blocks->count - 1)) != 0) return -EINVAL;
    long issued = 0, done = 0;
    while (issued < count && issued < (long)blocks->depth) {
        prepare(ring, blocks, transfer, (unsigned)issued, issued);
        issued++;
    }
    while (done < count) {
        // Writes may go to worker threads, which come back one by one.
        unsigned wanted = transfer == transfer_write ? 1 : (unsigned)(issued - done);
        int status = submit_then_wait(ring, wanted);
        if (status < 0) return status;
        unsigned head, seen = 0;
        struct io_uring_cqe *cqe;
        io_uring_for_each_cqe(ring, head, cqe) {
            if (cqe->res < 0) return cqe->res;
            unsigned slot = cqe->user_data & ((1u << slot_bits) - 1);
            if ((unsigned)cqe->res != blocks->block || slot >= blocks->depth) return -EILSEQ;
            if (transfer != transfer_write) {
                status = baseline_expect(block_of_memory(blocks, slot), cqe->user_data >> slot_bits, blocks->block);
                if (status < 0) return status;
            }
            seen++;
            if (issued < count) prepare(ring, blocks, transfer, slot, issued++);
        }
        io_uring_cq_advance(ring, seen);
        if (transfer == transfer_write ? seen < wanted : seen != wanted) return -EILSEQ;
        done += seen;
    }
    return 0;
}

int baseline_read(baseline_ring *ring, const baseline_blocks *blocks, bool is_fixed, long count) {
    return is_fixed ? transfer(&ring->ring, blocks, transfer_read_fixed, count)
                    : transfer(&ring->ring, blocks, transfer_read, count);
}

int baseline_write(baseline_ring *ring, const baseline_blocks *blocks, long count) {
    return transfer(&ring->ring, blocks, transfer_write, count);
}
