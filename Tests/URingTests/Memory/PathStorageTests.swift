// SPDX-License-Identifier: Apache-2.0

import SystemPackage
import Testing

@testable import URing

@Suite struct PathStorageTests {
    @Test func copiesThePathAndItsNul() {
        let storage = PathStorage("/tmp/über")
        #expect(storage.byteCount == 10)
        #expect(storage.path == "/tmp/über")
        // SAFETY: the storage lives until the end of the test.
        let last = unsafe storage.characters[10]
        #expect(last == 0)
        let empty = PathStorage(FilePath())
        #expect(empty.byteCount == 0)
        #expect(empty.path.isEmpty)
    }

    @Test func findsANulInAStringThatAFilePathWouldCutOff() throws {
        let hostile = "secret\0.png"
        #expect(FilePath(hostile) == "secret")
        do throws(Errno) {
            _ = try PathStorage(validating: hostile)
            Issue.record("the NUL went unnoticed")
        } catch {
            #expect(error == .invalidArgument)
        }
        do throws(Errno) {
            _ = try PathStorage(validating: Array(hostile.utf8))
            Issue.record("the NUL among the bytes went unnoticed")
        } catch {
            #expect(error == .invalidArgument)
        }
        let storage = try PathStorage(validating: "secret.png")
        #expect(storage.path == "secret.png")
    }

    @Test func leavesAStringAsItIs() throws {
        // The slash at the end says that it has to be a directory.
        let storage = try PathStorage(validating: "a//b/")
        #expect(storage.string == "a//b/" && storage.byteCount == 5)
        var ring = try Ring<Int>(entries: 4)
        let errno = try ring.run(OpenAt(PathStorage(validating: "/proc/self/stat/"))).entry.errno
        #expect(errno == .notDirectory)
    }

    @Test func namesNeedNotBeText() throws {
        let bytes: [UInt8] = [0x61, 0x2f, 0x2f, 0xff, 0x80, 0x2f]
        let storage = try PathStorage(validating: bytes)
        #expect(storage.byteCount == 6)
        // SAFETY: the storage lives until the end of the test.
        let copied = (0..<7).map { index in UInt8(bitPattern: unsafe storage.characters[index]) }
        #expect(copied == bytes + [0])
    }
}
