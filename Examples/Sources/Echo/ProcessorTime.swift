// SPDX-License-Identifier: Apache-2.0

import Glibc
import Support
import SystemPackage
import URing

/// The processor time that a process and its threads have used so far, as /proc/PID/stat of proc(5) says.
func processorTime(of process: Int32) throws -> Duration {
    let path = FilePath("/proc/\(process)/stat")
    let file = try attempt("Cannot ask for the CPU time of process \(process)") { () throws(Errno) in try Descriptor(opening: path) }
    var ring = try Ring<UInt8>(entries: 1)
    let read = try ring.run(Read(file, into: Buffer(byteCapacity: 4096)))
    _ = try read.result.get(whenDoing: path.string)

    // The second field is the program's name in parentheses, which may contain anything; user and system time are the 14th and 15th.
    let text = String(decoding: read.operation.memory.copyBytes(), as: UTF8.self)
    let fields = text[(text.lastIndex(of: ")") ?? text.startIndex)...].split(separator: " ")
    guard fields.count > 13, let user = Int(fields[12]), let system = Int(fields[13]) else {
        throw Failure("\(path) is not in the expected form.")
    }
    return .seconds(1) * (user + system) / sysconf(Int32(_SC_CLK_TCK))
}
