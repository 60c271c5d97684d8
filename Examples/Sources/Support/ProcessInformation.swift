// SPDX-License-Identifier: Apache-2.0

import CProcess
import Glibc
import SystemPackage
import URing

/// The processor time that a process and its threads have used so far.
public func processorTime(of process: Int32) throws(Failure) -> Duration {
    let time = process_used_time_of(process)
    guard time >= 0 else { throw Failure("Cannot look at process \(process): \(Errno(rawValue: Int32(-time)))") }
    return .nanoseconds(time)
}

/// How many bytes of memory a process has, as /proc/PID/statm of proc(5) says.
public func residentByteCount(of process: Int32) throws -> Int {
    let fields = try statistics(of: process, "statm").split(separator: " ")
    guard fields.count > 1, let pages = Int(fields[1]) else { throw Failure("/proc/\(process)/statm is not in the expected form.") }
    return pages * sysconf(Int32(_SC_PAGESIZE))
}

private func statistics(of process: Int32, _ name: String) throws -> String {
    let path = FilePath("/proc/\(process)/\(name)")
    let file = try attempt("Cannot look at process \(process)") { () throws(Errno) in try Descriptor(opening: path) }
    var ring = try Ring<UInt8>(entries: 1)
    let read = try ring.run(Read(file, into: Buffer(byteCapacity: 4096)))
    _ = try read.result.get(whenDoing: path.string)
    return String(decoding: read.operation.memory.copyBytes(), as: UTF8.self)
}
