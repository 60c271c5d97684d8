// SPDX-License-Identifier: Apache-2.0
// What the tests ask Linux for that Swift's C library does not show.

#ifndef CNETWORKS_H
#define CNETWORKS_H

/// Moves the calling thread into the network namespace of an open /proc/PID/ns/net; 0 or a negated error number.
int networks_enter(int descriptor);

/// Has closing a connection reset it; 0 or a negated error number.
int networks_reset_at_close(int descriptor);

#endif
