// SPDX-License-Identifier: Apache-2.0

#include "CThread.h"

#include <pthread.h>

// What Block.h of the Swift toolchain declares, which lies where a C compiler does not look.
void *_Block_copy(const void *block);
void _Block_release(const void *block);

static void *run(void *block) {
    void (^body)(void) = block;
    body();
    _Block_release(block);
    return NULL;
}

int thread_start(void (^body)(void)) {
    void *block = _Block_copy(body);
    pthread_t thread;
    int status = pthread_create(&thread, NULL, run, block);
    if (status == 0) {
        pthread_detach(thread);
    } else {
        _Block_release(block);
    }
    return -status;
}
