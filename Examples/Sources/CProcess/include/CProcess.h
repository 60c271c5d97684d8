// SPDX-License-Identifier: Apache-2.0
// What a program asks Linux about itself, with numbers and structures instead of pointers, so that Swift can ask without unsafe code.

#ifndef CPROCESS_H
#define CPROCESS_H

/// Blocks SIGINT, SIGTERM and SIGHUP and returns a descriptor that becomes readable when one of them arrives, or a negated error number.
///
/// SIGHUP is left alone if it is ignored, as by nohup(1).
/// To be called before the first thread starts: threads inherit what is blocked. It is the same descriptor each time.
int process_stop_descriptor(void);

/// Unblocks SIGINT, SIGTERM and SIGHUP: one that has arrived, and was not read from the descriptor, ends the process here.
void process_allow_end(void);

/// Has SIGINT and SIGTERM wait while another process is started, for `process_adopt`; 0 or a negated error number.
int process_begin_adoption(void);

/// Has SIGINT and SIGTERM end a process that this one has started, before they end this one; 0 or a negated error number.
///
/// With 0, none was started. Each other call wants one of `process_release`, before the identifier can be another process's.
int process_adopt(int child);
void process_release(int child);

/// Lets the process have as many open files as it may allow itself.
void process_raise_file_limit(void);

/// Processor time in microseconds.
typedef struct process_time {
    long long user;
    long long system;
} process_time;

/// The processor time that the process has used, io_uring's worker threads included.
process_time process_used_time(void);

/// The processor time that another process has used so far, io_uring's worker threads included, in nanoseconds; or a negated error number.
long long process_used_time_of(int process);

/// Has waits of the calling thread end at their time; else the kernel may let them take 50 microseconds longer, to wake up for several at once.
void process_use_exact_timers(void);

/// How often the process's threads have given up the processor to wait for something.
long long process_voluntary_switches(void);

#endif
