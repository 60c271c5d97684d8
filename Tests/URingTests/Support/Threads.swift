// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import Synchronization

/// A thread of its own, which a test can signal and whose real end it can wait for.
struct TestThread {
    private let handle: pthread_t

    /// Starts a thread.
    init(_ body: @escaping @Sendable () -> Void) {
        var handle = pthread_t()
        let context = unsafe Unmanaged.passRetained(Body(run: body)).toOpaque()
        // SAFETY: the thread takes the reference over.
        let status = unsafe pthread_create(
            &handle, nil,
            { context in
                if let context = unsafe context { unsafe Unmanaged<Body>.fromOpaque(context).takeRetainedValue().run() }
                return nil
            }, context)
        precondition(status == 0, "no thread to test with")
        self.handle = handle
    }

    /// Waits until the thread has exited; once only.
    func join() {
        pthread_join(handle, nil)
    }

    /// Signals the thread, which has not been joined.
    func signal(_ number: Int32) {
        pthread_kill(handle, number)
    }

    private final class Body: Sendable {
        let run: @Sendable () -> Void
        init(run: @escaping @Sendable () -> Void) { self.run = run }
    }
}

/// A value that one thread uses after the other, each of which ends or waits before the next begins.
final class Handed<Value: ~Copyable>: @unchecked Sendable {
    // SAFETY: the tests join threads, or wait for an atomic, between uses.
    var value: Value

    init(_ value: consuming Value) {
        self.value = value
    }
}

/// Something one thread waits for and another sets.
final class Flag: Sendable {
    private let isSet = Atomic(false)

    func set() { isSet.store(true, ordering: .releasing) }

    var value: Bool { isSet.load(ordering: .acquiring) }
}

/// The signal that tests end system calls with.
let wakingSignal = SIGUSR1

/// Has the signal do nothing, which is enough to end a system call.
func ignoreWakingSignal() {
    var action = sigaction()
    unsafe action.__sigaction_handler.sa_handler = { _ in }
    unsafe sigaction(wakingSignal, &action, nil)
}

/// Lets the calling thread have the signal: the threads that run tests block all signals, and theirs inherit that.
func unblockWakingSignal() {
    var signals = sigset_t()
    unsafe sigemptyset(&signals)
    unsafe sigaddset(&signals, wakingSignal)
    unsafe pthread_sigmask(SIG_UNBLOCK, &signals, nil)
}

/// What the kernel says of a thread in one of the files about it; empty when the thread is gone.
func threadFile(_ name: String, of thread: Int32) -> String {
    (try? String(contentsOfFile: "/proc/self/task/\(thread)/\(name)", encoding: .utf8)) ?? ""
}

/// A field of a thread's `status`, such as `State`.
func threadStatus(_ field: String, of thread: Int32) -> String? {
    for line in threadFile("status", of: thread).split(separator: "\n") where line.hasPrefix(field + ":") {
        return line.dropFirst(field.count + 1).trimmingCharacters(in: .whitespaces)
    }
    return nil
}

/// Waits until a thread sleeps, as one does that waits in a system call.
func waitUntilAsleep(_ thread: Int32) {
    var looks = 0
    while looks < 1_000_000, let state = threadStatus("State", of: thread), !state.hasPrefix("S") {
        looks += 1
        sched_yield()
    }
}

/// Waits until a thread sleeps in a function of the kernel whose name has this in it.
func waitUntilAsleep(_ thread: Int32, in function: String) {
    var looks = 0
    while looks < 1_000_000 && !threadFile("wchan", of: thread).contains(function) {
        looks += 1
        sched_yield()
    }
}

/// The threads of this process with this name, as the kernel's helpers for rings have one.
func threads(named name: String) -> [Int32] {
    ((try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/task")) ?? []).compactMap { Int32($0) }
        .filter { threadFile("comm", of: $0) == name + "\n" }
}
