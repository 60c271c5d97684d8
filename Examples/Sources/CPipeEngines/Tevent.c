// SPDX-License-Identifier: Apache-2.0
// Samba's tevent, if it is installed: it is looked for when the program runs, so that building takes neither the library nor its header.

#include "Pipes.h"

#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdint.h>

// The functions behind the macros of tevent.h, version 0.
typedef void handler(void *context, void *source, uint16_t flags, void *data);
typedef void *make_context(void *parent, const char *backend);
typedef void *add_descriptor(
    void *context, void *parent, int descriptor, uint16_t flags, handler *handler, void *data, const char *name, const char *location);
typedef int loop_once(void *context, const char *location);
typedef int free_context(void *context, const char *location);

enum { FLAG_READ = 1, FLAG_WRITE = 2 };

static void handle(void *context, void *source, uint16_t flags, void *data) {
    (void)context;
    (void)source;
    (void)flags;
    pipes_handle((int)(intptr_t)data);
}

static double run(void *library, long long calls) {
    make_context *make = (make_context *)dlsym(library, "tevent_context_init_byname");
    add_descriptor *add = (add_descriptor *)dlsym(library, "_tevent_add_fd");
    loop_once *once = (loop_once *)dlsym(library, "_tevent_loop_once");
    // It is talloc's, which tevent brings along.
    free_context *release = (free_context *)dlsym(library, "_talloc_free");
    if (!make || !add || !once || !release) return -ENOENT;
    void *context = make(NULL, "epoll");
    if (!context) return -ENOMEM;
    for (int index = 0; index < pipes_handler_count(); index += 1) {
        uint16_t flags = pipes_events(index) == POLLIN ? FLAG_READ : FLAG_WRITE;
        add(context, context, pipes_descriptor(index), flags, handle, (void *)(intptr_t)index, "handle", __FILE__);
    }
    double start = pipes_seconds();
    int status = 0;
    for (long long call = 0; status == 0 && call < calls; call += 1) status = once(context, __FILE__);
    double seconds = pipes_seconds() - start;
    release(context, __FILE__);
    return status == 0 ? seconds : -EIO;
}

double pipes_run_tevent(long long calls) {
    void *library = dlopen("libtevent.so.0", RTLD_NOW);
    if (!library) return -ENOENT;
    double seconds = run(library, calls);
    dlclose(library);
    return seconds;
}
