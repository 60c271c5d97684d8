// SPDX-License-Identifier: Apache-2.0

import CThread
import Support
import Synchronization
import SystemPackage
import URing

/// A thread that serves connections, as the others see it.
final class ShardThread<Report: Sendable>: Sendable {
    private enum State {
        case starting
        case serving(RingHandle)
        case ended(Result<Report, Failure>)
    }

    private let state = Mutex(State.starting)
    /// Changes when the state does for the first time.
    private let start = FutexWord(0)

    /// Starts the thread.
    ///
    /// When it ends, it sends its number to the acceptor.
    ///
    /// - Throws: A `Failure` if the kernel makes no thread.
    init<Serving: Shard & ~Copyable>(
        number: Int, acceptor: RingHandle, _ makeShard: @escaping @Sendable () throws -> Serving
    ) throws where Serving.Report == Report {
        // A thread of its own, not one of a queue's: the kernel cancels what a thread has submitted when it ends.
        let status = thread_start {
            let result = Result { () throws(Failure) in
                do {
                    var shard = try makeShard()
                    self.set(.serving(try shard.makeHandle()))
                    return try shard.run()
                } catch {
                    throw error as? Failure ?? Failure("A thread ended: \(error)")
                }
            }
            self.set(.ended(result))
            try? acceptor.send(UInt64(number))
        }
        if status < 0 { throw Failure("Cannot start a thread: \(Errno(rawValue: -status))") }
    }

    private func set(_ newState: State) {
        state.withLock { $0 = newState }
        start.value = 1
        start.wake()
    }

    /// Waits until the thread can be given connections.
    func waitUntilServing() throws {
        while start.value == 0 {
            // A signal ends the wait as well.
            _ = try? start.wait(while: 0)
        }
        _ = try report()
    }

    /// What the thread did; nil as long as it runs.
    func report() throws -> Report? {
        guard case .ended(let result) = state.withLock({ $0 }) else { return nil }
        return try result.get()
    }

    /// Where to send connections.
    ///
    /// The thread must have started to serve; one that has ended takes none.
    var handle: RingHandle {
        get throws {
            guard case .serving(let handle) = state.withLock({ $0 }) else { throw Failure("A thread has ended.") }
            return handle
        }
    }
}
