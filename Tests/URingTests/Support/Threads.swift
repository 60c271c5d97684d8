// SPDX-License-Identifier: Apache-2.0

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
