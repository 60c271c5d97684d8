// SPDX-License-Identifier: Apache-2.0

import CTunnel
import Support
import SystemPackage
import URing

// The loops to compare with, which are in C.

/// Passes packets on with epoll until the stop descriptor can be read; see `EpollLoop.c`.
func runEpollLoop(device: borrowing Descriptor, socket: borrowing Descriptor, stop: UnownedDescriptor) throws(Failure) -> Statistics {
    try Statistics(
        tunnel_run_epoll(
            device.unowned.fileDescriptor.rawValue, socket.unowned.fileDescriptor.rawValue, stop.fileDescriptor.rawValue))
}

/// Passes packets on with liburing until the stop descriptor can be read; see `LiburingLoop.c`.
func runLiburingLoop(
    device: borrowing Descriptor, socket: borrowing Descriptor, stop: UnownedDescriptor, options: LoopOptions
) throws(Failure) -> Statistics {
    try Statistics(
        tunnel_run_liburing(
            device.unowned.fileDescriptor.rawValue, socket.unowned.fileDescriptor.rawValue, stop.fileDescriptor.rawValue,
            UInt32(options.entryCount), UInt32(options.bufferCount), UInt32(options.packetByteCount)))
}

extension Statistics {
    fileprivate init(_ report: tunnel_report) throws(Failure) {
        guard report.error == 0 else { throw Failure("The loop ended: \(Errno(rawValue: report.error))") }
        self.init()
        count(Int(report.sent_packets), byteCount: Int(report.sent_bytes), .outward)
        count(Int(report.received_packets), byteCount: Int(report.received_bytes), .inward)
        failed = Int(report.failed)
        networkErrors = Int(report.network_errors)
        foundNothing = Int(report.found_nothing)
        calls = Int(report.calls)
    }
}
