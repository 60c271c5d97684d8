// SPDX-License-Identifier: Apache-2.0

#include "CNetworks.h"

#include <errno.h>
#include <sched.h>
#include <sys/socket.h>

int networks_enter(int descriptor) {
    return setns(descriptor, CLONE_NEWNET) == 0 ? 0 : -errno;
}

int networks_reset_at_close(int descriptor) {
    struct linger none = { .l_onoff = 1 };
    return setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &none, sizeof none) == 0 ? 0 : -errno;
}
