// SPDX-License-Identifier: Apache-2.0

import Glibc
import SystemPackage
import URing

/// The processor time that a process and its threads have used so far, as /proc/PID/stat of proc(5) says.
public func processorTime(of process: Int32) throws -> Duration {
    // The second field is the program's name in parentheses, which may contain anything; user and system time are the 14th and 15th.
    let text = try statistics(of: process, "stat")
    let fields = text[(text.lastIndex(of: ")") ?? text.startIndex)...].split(separator: " ")
    guard fields.count > 13, let user = Int(fields[12]), let system = Int(fields[13]) else {
        throw Failure("/proc/\(process)/stat is not in the expected form.")
    }
    return .seconds(1) * (user + system) / sysconf(Int32(_SC_CLK_TCK))
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
