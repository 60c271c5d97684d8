// SPDX-License-Identifier: Apache-2.0
// What an event loop asks Linux for besides its ring, with numbers instead of pointers, so that Swift can ask without unsafe code.

#ifndef CEVENTLOOP_H
#define CEVENTLOOP_H

#include <stdint.h>

/// Has the process count the deliveries of a signal, in place of what it did about it before; 0 or a negated error number.
///
/// The calling thread does not block the signal any more. Each call wants one of `event_loop_signal_release`; the last restores what there
/// was before.
int event_loop_signal_retain(int signal);
void event_loop_signal_release(int signal);

/// How often a signal that is counted was delivered, and how often all of them were.
///
/// A delivery that the total counts is counted in its own number too.
uint64_t event_loop_signal_count(int signal);
uint64_t event_loop_signal_total(void);

/// Makes a non-blocking eventfd to which every delivery of a counted signal writes; its number or a negated error number.
int event_loop_waker_make(void);
/// Ends what `event_loop_waker_make` began: no signal handler writes to the number once this returns.
void event_loop_waker_close(int waker);

/// Sets an eventfd back to zero, so that it cannot be read any more.
void event_loop_clear(int event_descriptor);

/// What a descriptor is ready for at this moment, of these events and those that poll(2) reports in any case.
uint32_t event_loop_readiness(int descriptor, uint32_t events);

/// Adds a descriptor to an epoll set, changes what it is watched for, or takes it out; 0 or a negated error number.
int event_loop_epoll_add(int epoll, int descriptor, uint32_t events, uint64_t data);
int event_loop_epoll_change(int epoll, int descriptor, uint32_t events, uint64_t data);
int event_loop_epoll_remove(int epoll, int descriptor);

#endif
