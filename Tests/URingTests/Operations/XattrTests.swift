// SPDX-License-Identifier: Apache-2.0

import CLiburingReference
import CTestSupport
import Glibc
import SystemPackage
import Testing

@testable import URing

@Suite struct XattrTests {
    private let file = UnownedDescriptor(FileDescriptor(rawValue: 7))

    @Test func encodesLikeLiburing() {
        let set = SetXattr("user.a", of: "b/c", to: Buffer(copying: pattern(5)), flags: [.create, .replace])
        unsafe expectEncoding(of: set) { entry, operation, _ in
            let operation = unsafe operation.pointee.addresses
            unsafe reference_prep_setxattr(entry, operation.name, operation.value, operation.path, 3, 5)
            #expect(unsafe String(cString: operation.name) == "user.a" && String(cString: operation.path) == "b/c")
        }
        unsafe expectEncoding(of: GetXattr("user.a", of: "b/c", into: Buffer(byteCapacity: 70))) { entry, operation, _ in
            let operation = unsafe operation.pointee.addresses
            unsafe reference_prep_getxattr(entry, operation.name, operation.value, operation.path, 70)
        }
        unsafe expectEncoding(of: FSetXattr("user.a", of: file, to: Buffer(copying: pattern(5)), flags: .replace)) { entry, operation, _ in
            let operation = unsafe operation.pointee.addresses
            unsafe reference_prep_fsetxattr(entry, 7, operation.name, operation.value, 2, 5)
        }
        unsafe expectEncoding(of: FGetXattr("user.a", of: file, into: Buffer(byteCapacity: 70))) { entry, operation, _ in
            let operation = unsafe operation.pointee.addresses
            unsafe reference_prep_fgetxattr(entry, 7, operation.name, operation.value, 70)
        }
    }

    @Test(arguments: RingKind.allCases) func setsAndReadsAttributesOfAPath(kind: RingKind) throws {
        let directory = try TemporaryDirectory()
        let path = try directory.file("a", containing: [])
        try withRing(kind) { ring in
            try ring.run(SetXattr("user.one", of: path, to: Buffer(copying: pattern(100)), flags: .create)).result.get()
            #expect(try attribute("user.one", of: path) == pattern(100))
            let completed = try ring.run(GetXattr("user.one", of: path, into: Buffer(byteCapacity: 300)))
            #expect(try completed.result.get() == 100)
            #expect(completed.operation.memory.copyBytes() == pattern(100))
            try ring.run(SetXattr("user.one", of: path, to: Buffer(copying: pattern(7, seed: 1)), flags: .replace)).result.get()
            #expect(try attribute("user.one", of: path) == pattern(7, seed: 1))
        }
    }

    @Test func setsAndReadsAttributesOfAnOpenFileAlsoOfOneInTheFileTable() throws {
        var ring = try Ring<Int>(entries: 8)
        let table = try ring.makeFileTable(count: 1)
        let directory = try TemporaryDirectory()
        let path = try directory.file("a", containing: [])
        let file = try Descriptor(opening: path)
        try ring.run(FSetXattr("user.two", of: file, to: Buffer(copying: pattern(20)))).result.get()
        #expect(try attribute("user.two", of: path) == pattern(20))
        let direct = try ring.run(RegisterDescriptor(file, into: table.anySlot)).result.get()
        try ring.run(FSetXattr("user.two", of: direct, to: Buffer(copying: pattern(30, seed: 3)))).result.get()
        var completed = try ring.run(FGetXattr("user.two", of: direct, into: Buffer(byteCapacity: 30)))
        #expect(try completed.result.get() == 30)
        #expect(completed.operation.memory.copyBytes() == pattern(30, seed: 3))
        // Again, and from the start: what the memory has is no prefix to be kept.
        completed = try ring.run(completed.operation)
        #expect(try completed.result.get() == 30)
        #expect(completed.operation.memory.copyBytes() == pattern(30, seed: 3))
    }

    @Test func noRoomAsksForTheSize() throws {
        var ring = try Ring<Int>(entries: 8)
        let directory = try TemporaryDirectory()
        let path = try directory.file("a", containing: [])
        try ring.run(SetXattr("user.size", of: path, to: Buffer(copying: pattern(123)))).result.get()
        let ofPath = try ring.run(GetXattr("user.size", of: path, into: Buffer(byteCapacity: 0)))
        #expect(try ofPath.result.get() == 123)
        #expect(ofPath.operation.memory.count == 0)
        let ofFile = try ring.run(FGetXattr("user.size", of: Descriptor(opening: path), into: Buffer(byteCapacity: 0)))
        #expect(try ofFile.result.get() == 123)
        #expect(ofFile.operation.memory.count == 0)
    }

    @Test func aValueMayBeEmpty() throws {
        var ring = try Ring<Int>(entries: 8)
        let directory = try TemporaryDirectory()
        let path = try directory.file("a", containing: [])
        try ring.run(SetXattr("user.empty", of: path, to: Buffer(byteCapacity: 10))).result.get()
        #expect(try attribute("user.empty", of: path) == [])
        let completed = try ring.run(GetXattr("user.empty", of: path, into: Buffer(copying: pattern(9))))
        #expect(try completed.result.get() == 0)
        #expect(completed.operation.memory.count == 0)
    }

    @Test func reportsTheKernelsErrors() throws {
        var ring = try Ring<Int>(entries: 8)
        let directory = try TemporaryDirectory()
        let path = try directory.file("a", containing: [])
        let file = try Descriptor(opening: path)
        let dataMissing = Errno(rawValue: ENODATA)
        var errno = try ring.run(SetXattr("user.a", of: path, to: Buffer(copying: pattern(9)), flags: .replace)).entry.errno
        #expect(errno == dataMissing)
        errno = try ring.run(GetXattr("user.a", of: path, into: Buffer(byteCapacity: 9))).entry.errno
        #expect(errno == dataMissing)
        try ring.run(SetXattr("user.a", of: path, to: Buffer(copying: pattern(9)))).result.get()
        errno = try ring.run(FSetXattr("user.a", of: file, to: Buffer(copying: pattern(9)), flags: .create)).entry.errno
        #expect(errno == .fileExists)
        let short = try ring.run(FGetXattr("user.a", of: file, into: Buffer(copying: [1, 2, 3] as [UInt8], byteCapacity: 8)))
        #expect(short.entry.errno == .outOfRange)
        #expect(short.operation.memory.copyBytes() == [1, 2, 3])
        errno = try ring.run(FSetXattr("user.a", of: file, to: Buffer(copying: pattern(65_537)))).entry.errno
        #expect(errno == Errno(rawValue: E2BIG))
        errno = try ring.run(FSetXattr("a", of: file, to: Buffer(copying: pattern(9)))).entry.errno
        #expect(errno == .notSupported)
        for name in ["", "user." + String(repeating: "a", count: 251)] {
            errno = try ring.run(FGetXattr(name, of: file, into: Buffer(byteCapacity: 9))).entry.errno
            #expect(errno == .outOfRange)
        }
        errno = try ring.run(GetXattr("user.a", of: path.appending("b"), into: Buffer(byteCapacity: 9))).entry.errno
        #expect(errno == .notDirectory)
    }

    @Test func letsGoOfFileAndMemoryWhenTheRingIsDropped() throws {
        let ledger = Ledger()
        let directory = try TemporaryDirectory()
        let path = try directory.file("a", containing: [])
        let file = try Descriptor(opening: path)
        for _ in 0..<50 {
            var ring = try Ring<Int>(entries: 16)
            // The kernel leaves all of them to its workers, so that some are in flight when the ring ends.
            for tag in 0..<4 {
                try ring.prepare(SetXattr("user.a", of: path, to: CountedMemory(ledger, byteCapacity: 64, filledWith: 1)), tag: tag)
                try ring.prepare(GetXattr("user.a", of: path, into: CountedMemory(ledger, byteCapacity: 64)), tag: tag)
                try ring.prepare(FSetXattr("user.a", of: file, to: CountedMemory(ledger, byteCapacity: 64, filledWith: 2)), tag: tag)
                try ring.prepare(FGetXattr("user.a", of: file, into: CountedMemory(ledger, byteCapacity: 64)), tag: tag)
            }
            try ring.submit()
            #expect(ring.inFlightCount == 16)
            let leftovers = ring.close(deadline: .seconds(10))
            #expect(leftovers.isEmpty)
        }
        #expect(ledger.bornCount == 800 && ledger.isSettled)
        expectHeld(file, false)
    }

    @Test func keepsTheFileOpenUntilItIsDone() throws {
        var ring = try Ring<Int>(entries: 8)
        let directory = try TemporaryDirectory()
        let path = try directory.file("a", containing: [])
        let file = try Descriptor(opening: path)
        try ring.prepare(FSetXattr("user.a", of: file, to: Buffer(copying: pattern(9))), tag: 0)
        drop(file)
        try ring.nextCompletionWaiting().take(FSetXattr<Buffer>.self).result.get()
        #expect(try attribute("user.a", of: path) == pattern(9))
    }

    @Test func aNameIsTakenAsItIs() throws {
        var ring = try Ring<Int>(entries: 8)
        let directory = try TemporaryDirectory()
        let path = try directory.file("a", containing: [])
        // A path would lose some of the slashes.
        let name = try XattrName(validating: "user.//ü/")
        #expect(name.string == "user.//ü/")
        let completed = try ring.run(SetXattr(name, of: PathStorage(path), to: Buffer(copying: pattern(9))))
        try completed.result.get()
        #expect(completed.operation.name.string == "user.//ü/")
        #expect(try attribute("user.//ü/", of: path) == pattern(9))
    }

    @Test func findsANulInANameThatTheKernelWouldCutOff() {
        do throws(Errno) {
            _ = try XattrName(validating: "user.a\0.b")
            Issue.record("the NUL went unnoticed")
        } catch {
            #expect(error == .invalidArgument)
        }
    }

    @Test func aNulInANameTraps() async {
        expectSentence(
            "The name of an attribute cannot have a NUL in it",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) { _ = XattrName("user.a\0.b") })
    }

    /// An attribute's value, by the system call.
    private func attribute(_ name: String, of path: FilePath) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 1000)
        let count = unsafe bytes.withUnsafeMutableBytes { unsafe test_get_attribute(path.string, name, $0.baseAddress, $0.count) }
        guard count >= 0 else { throw Errno(rawValue: -count) }
        return Array(bytes.prefix(Int(count)))
    }
}

extension SetXattr where Memory == Buffer {
    /// Where what the kernel reads is.
    fileprivate var addresses: (name: UnsafePointer<CChar>, value: UnsafeRawPointer?, path: UnsafePointer<CChar>) {
        unsafe (UnsafePointer(name.storage.characters), memory.kernelBytes.baseAddress, UnsafePointer(path.characters))
    }
}

extension GetXattr where Memory == Buffer {
    /// Where what the kernel reads and writes is.
    fileprivate var addresses: (name: UnsafePointer<CChar>, value: UnsafeMutableRawPointer?, path: UnsafePointer<CChar>) {
        mutating get { unsafe (UnsafePointer(name.storage.characters), memory.kernelRoom.baseAddress, UnsafePointer(path.characters)) }
    }
}

extension FSetXattr where Memory == Buffer {
    /// Where what the kernel reads is.
    fileprivate var addresses: (name: UnsafePointer<CChar>, value: UnsafeRawPointer?) {
        unsafe (UnsafePointer(name.storage.characters), memory.kernelBytes.baseAddress)
    }
}

extension FGetXattr where Memory == Buffer {
    /// Where what the kernel reads and writes is.
    fileprivate var addresses: (name: UnsafePointer<CChar>, value: UnsafeMutableRawPointer?) {
        mutating get { unsafe (UnsafePointer(name.storage.characters), memory.kernelRoom.baseAddress) }
    }
}
