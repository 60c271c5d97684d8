// SPDX-License-Identifier: Apache-2.0
// What the loops share.

#ifndef PIPES_H
#define PIPES_H

#include "CPipeEngines.h"

/// The descriptors of all handlers: read ends first, then write ends.
int pipes_handler_count(void);
int pipes_descriptor(int handler);
/// `POLLIN` or `POLLOUT`, which are `EPOLLIN` and `EPOLLOUT` too.
short pipes_events(int handler);
void pipes_handle(int handler);

#endif
