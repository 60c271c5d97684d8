// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import CProcess
import SystemPackage
import URing

// What commands share that serve until Ctrl-C.

/// A descriptor that can be read when the process is asked to end, by Ctrl-C or `kill`.
///
/// To be called before the first thread starts: threads inherit that these signals wait.
public func stopDescriptor() throws(Failure) -> UnownedDescriptor {
    let number = process_stop_descriptor()
    guard number >= 0 else { throw Failure("Cannot wait for Ctrl-C: \(Errno(rawValue: -number))") }
    return UnownedDescriptor(FileDescriptor(rawValue: number))
}

extension ValidationError {
    /// Throws when an option's value is outside its range.
    public static func check<Value: Comparable>(_ value: Value, in range: ClosedRange<Value>, _ name: String) throws {
        guard range.contains(value) else {
            throw ValidationError("\(name) must be between \(range.lowerBound) and \(range.upperBound).")
        }
    }
}
