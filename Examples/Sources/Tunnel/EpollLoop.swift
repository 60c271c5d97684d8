// SPDX-License-Identifier: Apache-2.0

import CTunnel
import Support
import SystemPackage
import URing

/// Passes packets on with epoll until the stop descriptor can be read; the loop is in `EpollLoop.c`.
func runEpollLoop(device: borrowing Descriptor, socket: borrowing Descriptor, stop: UnownedDescriptor) throws(Failure) -> Statistics {
    let report = tunnel_run_epoll(
        device.unowned.fileDescriptor.rawValue, socket.unowned.fileDescriptor.rawValue, stop.fileDescriptor.rawValue)
    guard report.error == 0 else { throw Failure("The epoll loop ended: \(Errno(rawValue: report.error))") }
    var statistics = Statistics()
    statistics.count(Int(report.sent_packets), byteCount: Int(report.sent_bytes), .outward)
    statistics.count(Int(report.received_packets), byteCount: Int(report.received_bytes), .inward)
    statistics.failed = Int(report.failed)
    statistics.foundNothing = Int(report.found_nothing)
    statistics.calls = Int(report.calls)
    return statistics
}
