// SPDX-License-Identifier: Apache-2.0

import CURing
import Glibc
import SystemPackage

// What operations wait for and swift-system has no call to make, by plain system calls that do not wait.

extension Descriptor {
    /// Makes an epoll set as epoll_create1(2) does, with close-on-exec: for ``EpollControl`` and ``EpollWait``.
    ///
    /// - Returns: The set, in which there is nothing.
    /// - Throws: `EMFILE` or `ENFILE` if there are too many descriptors.
    public static func epollSet() throws(Errno) -> Descriptor {
        let number = curing_epoll_create()
        if number < 0 { throw Errno(rawValue: -number) }
        return Descriptor(received: number)
    }

    /// Opens a process as pidfd_open(2) does, with close-on-exec: for ``WaitID``, if it is a child of this one, and for ``Poll``, to which any
    /// process that has ended can be read.
    ///
    /// A child keeps its number until it has been waited for; another process may have ended, and its number be somebody else's, before this is
    /// called.
    ///
    /// - Parameters:
    ///   - number: The process.
    ///   - isNonBlocking: Whether a ``WaitID`` ends at once when there is nothing to tell (Linux 5.10).
    /// - Returns: The process, as a descriptor.
    /// - Throws: `ESRCH` if there is no such process, `EINVAL` if it cannot be one, or before Linux 5.10 for what is not blocking, and `EMFILE` or
    ///   `ENFILE` if there are too many descriptors.
    public static func process(_ number: Int32, isNonBlocking: Bool = false) throws(Errno) -> Descriptor {
        let made = curing_pidfd_open(number, isNonBlocking ? UInt32(O_NONBLOCK) : 0)
        if made < 0 { throw Errno(rawValue: -made) }
        return Descriptor(received: made)
    }
}
