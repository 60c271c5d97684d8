// SPDX-License-Identifier: Apache-2.0

import CLiburingReference
import SystemPackage
import Testing

@testable import URing

@Suite struct FadviseTests {
    @Test func encodesLikeLiburing() {
        let file = UnownedDescriptor(FileDescriptor(rawValue: 7))
        let all: [FileAdvice] = [.normal, .random, .sequential, .willNeed, .doNotNeed, .noReuse]
        for (number, advice) in all.enumerated() {
            unsafe expectEncoding(of: Fadvise(file, advice)) { entry, _, _ in unsafe reference_prep_fadvise(entry, 7, 0, 0, Int32(number)) }
        }
        unsafe expectEncoding(of: Fadvise(file, .willNeed, at: 5 << 32, byteCount: UInt64(UInt32.max))) { entry, _, _ in
            unsafe reference_prep_fadvise(entry, 7, 5 << 32, .max, 3)
        }
        unsafe expectEncoding(of: Fadvise(file, .willNeed, at: 4096, byteCount: 1 << 32)) { entry, _, _ in
            unsafe reference_prep_fadvise64(entry, 7, 4096, 1 << 32, 3)
        }
    }

    @Test func takesAllKindsOfAdvice() throws {
        let directory = try TemporaryDirectory()
        let path = try directory.file("a", containing: pattern(10_000))
        let file = try Descriptor(opening: path)
        var ring = try Ring<Int>(entries: 8)
        for advice in [FileAdvice.normal, .random, .sequential, .willNeed, .doNotNeed, .noReuse] {
            try ring.run(Fadvise(file, advice, at: 4096, byteCount: 4096)).result.get()
        }
        try ring.run(Fadvise(file, .doNotNeed, byteCount: 1 << 40)).result.get()
        #expect(try contents(of: path) == pattern(10_000))
    }

    @Test func reportsWhatCannotBeAdvised() throws {
        let directory = try TemporaryDirectory()
        let pair = try DescriptorPair.pipe()
        var ring = try Ring<Int>(entries: 8)
        var errno = try ring.run(Fadvise(pair.first, .willNeed)).entry.errno
        #expect(errno == .illegalSeek)
        errno = try ring.run(Fadvise(directory.open("a"), FileAdvice(rawValue: 99))).entry.errno
        #expect(errno == .invalidArgument)
    }
}
