// SPDX-License-Identifier: Apache-2.0

import CFraming
import Support
import SystemPackage
import URing

/// Serves with epoll until the stop descriptor can be read; the server is in `CFraming/EpollServer.c`.
func runEpollServer(
    listener: borrowing Descriptor, stop: UnownedDescriptor, connectionLimit: Int, byteLimit: Int
) throws(Failure) -> ServerReport {
    let report = framing_epoll_serve(
        listener.unowned.fileDescriptor.rawValue, stop.fileDescriptor.rawValue, connectionLimit, UInt32(byteLimit))
    return try serverReport(of: report, "epoll")
}

/// Serves with liburing until the stop descriptor can be read; the server is in `CFraming/RingServer.c`.
func runLiburingServer(
    listener: borrowing Descriptor, stop: UnownedDescriptor, connectionLimit: Int, byteLimit: Int, batch: Batch
) throws(Failure) -> ServerReport {
    let report = framing_ring_serve(
        listener.unowned.fileDescriptor.rawValue, stop.fileDescriptor.rawValue, UInt32(connectionLimit), UInt32(byteLimit),
        UInt32(batch.count), UInt32(batch.microseconds))
    return try serverReport(of: report, "liburing")
}

private func serverReport(of report: framing_epoll_report, _ name: String) throws(Failure) -> ServerReport {
    guard report.error == 0 else { throw Failure("The \(name) server ended: \(Errno(rawValue: report.error))") }
    let shard = ShardReport(connections: Int(report.connections), requests: Int(report.requests), tooLarge: Int(report.too_large))
    return ServerReport(shards: [shard], refusedCount: Int(report.refused))
}
