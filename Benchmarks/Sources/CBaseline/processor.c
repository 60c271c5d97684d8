// SPDX-License-Identifier: Apache-2.0

#include "CBaseline.h"

#include <errno.h>
#include <sched.h>

static cpu_set_t allowed;
static bool is_known;

int baseline_pin(unsigned processor) {
    if (!is_known) {
        if (sched_getaffinity(0, sizeof allowed, &allowed) < 0) return -errno;
        is_known = true;
    }
    unsigned wanted = processor % (unsigned)CPU_COUNT(&allowed);
    for (unsigned number = 0; number < CPU_SETSIZE; number++) {
        if (!CPU_ISSET(number, &allowed) || wanted-- > 0) continue;
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(number, &one);
        return sched_setaffinity(0, sizeof one, &one) < 0 ? -errno : 0;
    }
    return -EINVAL;
}

int baseline_unpin(void) {
    if (!is_known) return 0;
    return sched_setaffinity(0, sizeof allowed, &allowed) < 0 ? -errno : 0;
}
