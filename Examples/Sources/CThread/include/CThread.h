// SPDX-License-Identifier: Apache-2.0
// Starting a thread, as Foundation's Thread does, except that it says when the kernel makes none.

#ifndef CTHREAD_H
#define CTHREAD_H

/// Starts a thread that nobody joins; 0 or a negated error number.
int thread_start(__attribute__((swift_attr("@Sendable"))) void (^body)(void));

#endif
