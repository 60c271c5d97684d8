// SPDX-License-Identifier: Apache-2.0

import SystemPackage
import URing

extension Ring where Tag: BitwiseCopyable {
    /// Runs one operation to its end, on a ring with nothing else in flight.
    public mutating func run<Op: SingleShotOperation & ~Copyable>(_ operation: consuming Op, tag: Tag) throws(Errno) -> Completed<Op> {
        let token = try prepare(operation, tag: tag)
        while true {
            if let completion = nextCompletion() { return completion.take(token) }
            try submit(waitingFor: 1)
        }
    }
}

extension Ring where Tag == UInt8 {
    /// Runs one operation to its end, on a ring for nothing else.
    public mutating func run<Op: SingleShotOperation & ~Copyable>(_ operation: consuming Op) throws(Errno) -> Completed<Op> {
        try run(operation, tag: 0)
    }
}
