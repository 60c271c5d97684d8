// SPDX-License-Identifier: Apache-2.0

import Framing
import Synchronization
import URing

/// Connections on their way from one shard to another.
///
/// The socket goes by a message from ring to ring. What was already received of a request goes through here, by a number in that message:
/// a message has room for 32 bits, and a header that is half there is longer.
///
/// A shard does not end while a connection is on its way to it, and none goes to one that ends: a socket in the message that a ring leaves
/// behind is closed with it, and its client reset.
final class Moves: Sendable {
    private struct State {
        var handles: [RingHandle] = []
        /// The shards that take none any more.
        var ended: Set<Int> = []
        /// What was received, and where the connection is to go.
        var parsers: [UInt32: (parser: RequestParser, destination: Int)] = [:]
        var lastNumber: UInt32 = 0
    }

    private let state = Mutex(State())

    /// Tells where the shards are reached.
    func begin(among handles: [RingHandle]) {
        state.withLock { $0.handles = handles }
    }

    /// Leaves what a connection has received, and says under which number, and where the shard behind this one is reached; nil if this is the
    /// only one, or that one ends.
    func leave(_ parser: RequestParser, shard: Int) -> (number: UInt32, next: RingHandle)? {
        state.withLock { state in
            let next = (shard + 1) % max(1, state.handles.count)
            guard state.handles.count > 1, !state.ended.contains(next) else { return nil }
            repeat { state.lastNumber = max(1, state.lastNumber &+ 1) } while state.parsers[state.lastNumber] != nil
            state.parsers[state.lastNumber] = (parser, next)
            return (state.lastNumber, state.handles[next])
        }
    }

    /// Takes what a connection has received elsewhere; nil for the number 0, of a new one.
    func take(_ number: UInt32) -> RequestParser? {
        number == 0 ? nil : state.withLock { $0.parsers.removeValue(forKey: number)?.parser }
    }

    /// Takes back what a connection has received that did not arrive, and has the shard look up that it has not to wait for it.
    func takeBack(_ number: UInt32) -> RequestParser? {
        state.withLock { state in
            guard let (parser, destination) = state.parsers.removeValue(forKey: number) else { return nil }
            // One that is gone does not wait.
            try? state.handles[destination].send(0, label: Moves.notArrived)
            return parser
        }
    }

    /// Whether a shard may end; false as long as connections are on their way to it.
    func mayEnd(shard: Int) -> Bool {
        state.withLock { state in
            guard !state.parsers.values.contains(where: { $0.destination == shard }) else { return false }
            state.ended.insert(shard)
            return true
        }
    }

    /// The label of a message that says no more than that there is one less connection on its way.
    private static let notArrived: UInt16 = 2
}
