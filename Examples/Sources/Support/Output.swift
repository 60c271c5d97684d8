// SPDX-License-Identifier: Apache-2.0

import SystemPackage

/// Writes text to standard output at once; `print` would keep it while standard output is a pipe.
public func say(_ text: String) {
    _ = try? FileDescriptor.standardOutput.writeAll(text.utf8)
}

/// Writes text to standard error.
public func complain(_ text: String) {
    _ = try? FileDescriptor.standardError.writeAll(text.utf8)
}
