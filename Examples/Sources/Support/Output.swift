// SPDX-License-Identifier: Apache-2.0

import Glibc
import SystemPackage

/// Writes text to standard output at once; `print` would keep it while standard output is a pipe.
public func say(_ text: String) {
    _ = try? FileDescriptor.standardOutput.writeAll(text.utf8)
}

/// Writes text to standard error.
public func complain(_ text: String) {
    _ = try? FileDescriptor.standardError.writeAll(text.utf8)
}

/// Has whatever is told into a closed pipe be lost, for programs that have something to put right before they end.
public func ignoreBrokenPipes() {
    signal(SIGPIPE, SIG_IGN)
}
