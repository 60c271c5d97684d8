// SPDX-License-Identifier: Apache-2.0

import CTestSupport
import Foundation
import SystemPackage
import Testing

/// The process's memory, in bytes.
struct Memory {
    /// Address space.
    let mapped: Int
    /// Pages that are there.
    let resident: Int

    static func now() throws -> Memory {
        let words = try String(decoding: contents(of: "/proc/self/statm"), as: UTF8.self).split(separator: " ").compactMap { Int($0) }
        let page = Int(getpagesize())
        return Memory(mapped: words[0] * page, resident: words[1] * page)
    }

    /// How many mappings the process has, of which the system allows so many.
    static func mappingCount() throws -> Int {
        let file = try FileDescriptor.open(FilePath("/proc/self/maps"), .readOnly)
        defer { try? file.close() }
        var (part, count) = ([UInt8](repeating: 0, count: 1 << 16), 0)
        while true {
            // A part at a time, which is less than there is room for.
            let byteCount = try unsafe part.withUnsafeMutableBytes { try unsafe file.read(into: $0) }
            if byteCount == 0 { return count }
            count += part[..<byteCount].count { $0 == UInt8(ascii: "\n") }
        }
    }

    /// Lets a process of a test's own map no more than so many bytes besides what it has.
    static func limitMapped(toFurther byteCount: Int) throws {
        try #require(test_limit_addresses(UInt64(now().mapped + byteCount)) == 0)
    }

    /// How many descriptors the process can have when it asks for more.
    static var descriptorLimit: Int {
        var limit = rlimit()
        guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 0 }
        return Int(clamping: limit.rlim_max)
    }
}

/// Expects a function to free what it allocates, but for so many bytes, and to unmap what it maps; in a process of the test's own.
func requireNothingIsLeaked(but limit: Int, by body: () throws -> Void) throws {
    let (allocated, mapped) = (test_allocated_byte_count(), try Memory.now().mapped)
    try body()
    // Nothing is counted under a sanitizer, which keeps what is freed.
    if allocated == 0 { return }
    let notFreed = Int(test_allocated_byte_count()) - Int(allocated)
    try #require(notFreed < limit, "\(notFreed) bytes were not freed")
    let notUnmapped = try Memory.now().mapped - mapped
    try #require(notUnmapped < 1 << 20, "\(notUnmapped) bytes were not unmapped")
}
