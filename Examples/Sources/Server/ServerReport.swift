// SPDX-License-Identifier: Apache-2.0

/// What one thread did.
struct ShardReport: Sendable {
    /// How many connections it served, the ones moved to it included.
    var connections = 0
    var requests = 0
    /// How many connections it handed on to another thread.
    var moved = 0
    /// How many connections were closed because they took too long, wanted too much, or failed.
    var timedOut = 0
    var tooLarge = 0
    var failed = 0
    /// How many were closed at the end of the server although they had not taken their answers.
    var cutOff = 0
}

/// What a server did.
struct ServerReport: CustomStringConvertible {
    var shards: [ShardReport]
    var refusedCount: Int

    var description: String {
        let sum = { (value: KeyPath<ShardReport, Int>) in shards.reduce(0) { $0 + $1[keyPath: value] } }
        var lines = [
            "Served \(sum(\.connections) - sum(\.moved)) connections (\(refusedCount) more were turned away): \(sum(\.requests)) requests.",
            """
            Closed: \(sum(\.timedOut)) too slow, \(sum(\.tooLarge)) that wanted too much, \(sum(\.failed)) that failed, \(sum(\.cutOff)) cut off \
            at the end.
            """,
        ]
        if shards.count > 1 {
            lines.append("By thread: \(shards.map { "\($0.connections)" }.joined(separator: ", ")) connections; \(sum(\.moved)) moves.")
        }
        return lines.joined(separator: "\n")
    }
}
