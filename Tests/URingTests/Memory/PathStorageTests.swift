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
        let storage = try PathStorage(validating: "secret.png")
        #expect(storage.path == "secret.png")
    }
}
