// SPDX-License-Identifier: Apache-2.0

import CEpollEcho
import Support
import SystemPackage
import URing

/// Serves with epoll until the stop descriptor can be read; the server is in `CEpollEcho.c`.
func runEpollServer(
    listener: borrowing Descriptor, stop: UnownedDescriptor, connectionLimit: Int, bufferByteCount: Int
) throws(Failure) -> ServerReport {
    let report = epoll_echo_serve(
        listener.unowned.fileDescriptor.rawValue, stop.fileDescriptor.rawValue, connectionLimit, bufferByteCount)
    guard report.error == 0 else { throw Failure("The epoll server ended: \(Errno(rawValue: report.error))") }
    return ServerReport(
        connections: Int(report.connections), refusedConnections: Int(report.refused), receives: Int(report.receives),
        bytes: Int(report.bytes))
}
