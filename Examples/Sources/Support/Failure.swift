// SPDX-License-Identifier: Apache-2.0

import SystemPackage

/// Something that went wrong, said in a sentence for the person at the terminal.
public struct Failure: Error, CustomStringConvertible {
    /// The sentence.
    public let description: String

    /// Makes a failure of a sentence.
    public init(_ description: String) {
        self.description = description
    }
}

extension Result where Failure == Errno, Success: ~Copyable {
    /// The value, or a failure that says what was being done.
    public consuming func get(whenDoing what: @autoclosure () -> String) throws(Support.Failure) -> Success {
        switch consume self {
        case .success(let value): return value
        case .failure(let errno): throw Support.Failure("\(what()): \(errno)")
        }
    }
}

/// Does something that throws error numbers, and says what it was when it does.
public func attempt<Value: ~Copyable, Reason: Error>(
    _ what: @autoclosure () -> String, _ body: () throws(Reason) -> Value
) throws(Failure) -> Value {
    do {
        return try body()
    } catch {
        throw Failure("\(what()): \(error)")
    }
}
