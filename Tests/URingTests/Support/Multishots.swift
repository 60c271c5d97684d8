// SPDX-License-Identifier: Apache-2.0

import URing

/// The event was of the other kind.
struct UnexpectedEvent: Error {}

extension Event where Op: ~Copyable {
    /// What the operation yielded; it goes on.
    consuming func expectMore() throws -> Op.Success {
        switch consume self {
        case .more(let result): return try result.get()
        case .finished: throw UnexpectedEvent()
        }
    }

    /// The operation, which has ended.
    consuming func expectFinished() throws -> Completed<Op> {
        switch consume self {
        case .more: throw UnexpectedEvent()
        case .finished(let completed): return completed
        }
    }
}
