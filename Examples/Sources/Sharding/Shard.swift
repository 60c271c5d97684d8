// SPDX-License-Identifier: Apache-2.0

import SystemPackage
import URing

/// What serves the connections of one thread, with a ring of its own.
///
/// It is made on that thread, and never leaves it.
public protocol Shard: ~Copyable {
    /// What it has to say at its end.
    associatedtype Report: Sendable

    /// Makes what connections and messages are sent to.
    mutating func makeHandle() throws(Errno) -> RingHandle

    /// Serves until a message with the label ``ShardMessage/stop`` comes.
    consuming func run() throws -> Report
}

/// The labels of messages from the acceptor to a shard.
public enum ShardMessage {
    /// Ends the shard.
    public static let stop: UInt16 = 1
}
