// SPDX-License-Identifier: Apache-2.0
// Event loops to compare with, on the same pipes: each has a handler for either end of each pipe, which moves one byte, and calls one handler at a
// time.

#ifndef CPIPEENGINES_H
#define CPIPEENGINES_H

/// Makes so many pipes, in place of those that there were; 0 or a negated error number.
int pipes_open(int count);
void pipes_close(void);
int pipes_read_end(int index);
int pipes_write_end(int index);

/// What handlers do: they read or write one byte, which must not block.
void pipes_read(int read_end);
void pipes_write(int write_end);
/// How many bytes were read since the pipes were made.
long long pipes_bytes_read(void);

/// Processor time of the thread in seconds. No loop ever has to wait here, and others that use the processor do not count.
double pipes_seconds(void);

/// Calls so many handlers, and returns how many seconds of the processor that took, or a negated error number.
///
/// The loops are poll(2); epoll with one event at a time, which is tevent's; a ring with one poll for each handler, files and ring registered,
/// re-armed with the next call that has to wait; and the same re-armed before the next handler.
double pipes_run_poll(long long calls);
double pipes_run_epoll(long long calls);
double pipes_run_ring(long long calls);
double pipes_run_eager_ring(long long calls);
/// The same with Samba's tevent and its epoll backend, from the library that is installed; -ENOENT if none is.
double pipes_run_tevent(long long calls);

/// Binds the thread to the processor it is on, so that loops share what they are measured on.
void pipes_bind_thread(void);

#endif
