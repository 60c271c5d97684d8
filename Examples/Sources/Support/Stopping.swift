// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import CProcess
import SystemPackage
import URing

// What commands share that have something to put right when they are asked to end. Docs/Systems.md says what Ctrl-C does to which of them.

/// A descriptor that can be read when the process is asked to end, by Ctrl-C or `kill`.
///
/// To be called before the first thread starts: threads inherit that these signals wait. A program that is to end by the signal polls
/// the descriptor and does not read it, and then calls ``endIfStopped(_:)``.
public func stopDescriptor() throws(Failure) -> UnownedDescriptor {
    let number = process_stop_descriptor()
    guard number >= 0 else { throw Failure("Cannot wait for Ctrl-C: \(Errno(rawValue: -number))") }
    return UnownedDescriptor(FileDescriptor(rawValue: number))
}

/// Lets Ctrl-C and `kill` end the process again as they do any other: at once, if they have come since ``stopDescriptor()``.
public func allowEnd() {
    process_allow_end()
}

/// That the process was asked to end before something was done, said in a sentence.
public struct Stopped: Error, CustomStringConvertible {
    /// The sentence.
    public let description: String

    /// Makes an error of a sentence.
    public init(_ description: String) {
        self.description = description
    }
}

/// Ends the process by the signal that asked for it, if the error is ``Stopped``, after saying so.
///
/// The signal, because whoever started the process then knows: a shell ends a loop, for one. To be called when nothing is left to put right.
public func endIfStopped(_ error: any Error) throws(ExitCode) {
    guard let stopped = error as? Stopped else { return }
    complain("\(stopped)\n")
    process_allow_end()
    // The signal is ignored, as of a program in the background of a script.
    throw .failure
}
