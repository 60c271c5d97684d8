// SPDX-License-Identifier: Apache-2.0
// Preloaded into a program, counts its heap allocations and the Swift runtime's reference counting, and writes the three
// totals to the file that COUNTING_SHIM_OUTPUT names when the program exits: "allocations N", "retains N", "releases N".
//
// Interposing sees calls that cross from one image to another: all that compiled client code makes. What the runtime does
// inside itself shows as the call that led there, and its memory always comes from malloc.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static atomic_ullong allocations, retains, releases;

static void count(atomic_ullong *counter) {
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

// glibc's own entry points: dlsym itself allocates, so the allocator cannot be looked up with it.
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

void *malloc(size_t size) {
    count(&allocations);
    return __libc_malloc(size);
}

void *calloc(size_t number, size_t size) {
    count(&allocations);
    return __libc_calloc(number, size);
}

void *realloc(void *pointer, size_t size) {
    count(&allocations);
    return __libc_realloc(pointer, size);
}

void *memalign(size_t alignment, size_t size) {
    count(&allocations);
    return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
    return memalign(alignment, size);
}

int posix_memalign(void **result, size_t alignment, size_t size) {
    if (alignment < sizeof(void *) || (alignment & (alignment - 1)) != 0) {
        return EINVAL;
    }
    void *pointer = memalign(alignment, size);
    if (pointer == NULL) {
        return ENOMEM;
    }
    *result = pointer;
    return 0;
}

// The runtime's function of the same name, looked up at the first call: the runtime starts before this library's constructors.
static void *next(_Atomic(void *) *cache, const char *name) {
    void *function = atomic_load_explicit(cache, memory_order_relaxed);
    if (function == NULL) {
        function = dlsym(RTLD_NEXT, name);
        if (function == NULL) {
            fprintf(stderr, "counting-shim: the Swift runtime has no %s, or it is linked statically\n", name);
            abort();
        }
        atomic_store_explicit(cache, function, memory_order_relaxed);
    }
    return function;
}

// Every one of these returns its argument, or nothing that a caller reads.
#define COUNTED(counter, name)                                                                                         \
    void *name(void *object) {                                                                                         \
        static _Atomic(void *) cache;                                                                                  \
        count(&counter);                                                                                               \
        return ((void *(*)(void *))next(&cache, #name))(object);                                                       \
    }
#define COUNTED_N(counter, name)                                                                                       \
    void *name(void *object, uint32_t number) {                                                                        \
        static _Atomic(void *) cache;                                                                                  \
        count(&counter);                                                                                               \
        return ((void *(*)(void *, uint32_t))next(&cache, #name))(object, number);                                     \
    }

COUNTED(retains, swift_retain)
COUNTED(releases, swift_release)
COUNTED_N(retains, swift_retain_n)
COUNTED_N(releases, swift_release_n)
COUNTED(retains, swift_tryRetain)
COUNTED(retains, swift_bridgeObjectRetain)
COUNTED(releases, swift_bridgeObjectRelease)
COUNTED_N(retains, swift_bridgeObjectRetain_n)
COUNTED_N(releases, swift_bridgeObjectRelease_n)
COUNTED(retains, swift_unownedRetain)
COUNTED(releases, swift_unownedRelease)
COUNTED(retains, swift_unownedRetainStrong)
COUNTED(releases, swift_unownedRetainStrongAndRelease)
COUNTED(retains, swift_weakLoadStrong)
COUNTED(retains, swift_weakTakeStrong)
COUNTED(retains, swift_nonatomic_retain)
COUNTED(releases, swift_nonatomic_release)
COUNTED_N(retains, swift_nonatomic_retain_n)
COUNTED_N(releases, swift_nonatomic_release_n)
COUNTED(retains, swift_nonatomic_bridgeObjectRetain)
COUNTED(releases, swift_nonatomic_bridgeObjectRelease)

__attribute__((destructor)) static void write_counts(void) {
    const char *path = getenv("COUNTING_SHIM_OUTPUT");
    if (path == NULL) {
        return;
    }
    unsigned long long counts[] = {allocations, retains, releases};
    FILE *file = fopen(path, "w");
    if (file == NULL) {
        return;
    }
    fprintf(file, "allocations %llu\nretains %llu\nreleases %llu\n", counts[0], counts[1], counts[2]);
    fclose(file);
}
