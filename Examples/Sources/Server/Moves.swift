// SPDX-License-Identifier: Apache-2.0

import Framing
import Synchronization
import URing

/// Connections on their way from one shard to another.
///
/// The socket goes by a message from ring to ring. What was already received of a request goes through here, by a number in that message:
/// a message has room for 32 bits, and a header that is half there is longer.
final class Moves: Sendable {
    private struct State {
        var handles: [RingHandle] = []
        var parsers: [UInt32: RequestParser] = [:]
        var lastNumber: UInt32 = 0
    }

    private let state = Mutex(State())

    /// Tells where the shards are reached.
    func begin(among handles: [RingHandle]) {
        state.withLock { $0.handles = handles }
    }

    /// Leaves what a connection has received, and says under which number, and where the shard behind this one is reached; nil if this is the
    /// only one.
    func leave(_ parser: RequestParser, shard: Int) -> (number: UInt32, next: RingHandle)? {
        state.withLock { state in
            guard state.handles.count > 1 else { return nil }
            repeat { state.lastNumber = max(1, state.lastNumber &+ 1) } while state.parsers[state.lastNumber] != nil
            state.parsers[state.lastNumber] = parser
            return (state.lastNumber, state.handles[(shard + 1) % state.handles.count])
        }
    }

    /// Takes what a connection has received elsewhere; nil for the number 0, of a new one.
    func take(_ number: UInt32) -> RequestParser? {
        number == 0 ? nil : state.withLock { $0.parsers.removeValue(forKey: number) }
    }
}
