// SPDX-License-Identifier: Apache-2.0

import CTestSupport
import Foundation
import SystemPackage
import URing

/// A file that is read from a disk around the page cache, so that reads of it are in flight for a while.
struct DirectFile: ~Copyable {
    static let readCount = 16
    static let readByteCount = 1 << 20

    let descriptor: Descriptor

    /// Makes a file of so many reads on a file system that can do it.
    init() throws {
        let directory = try TemporaryDirectory()
        let local = FilePath(FileManager.default.currentDirectoryPath).appending(".build")
        for folder in [directory.path, local] {
            let path = folder.appending("direct-\(UUID().uuidString)")
            defer { try? FileManager.default.removeItem(atPath: path.string) }
            let contents = Data(count: DirectFile.readCount * DirectFile.readByteCount)
            guard (try? contents.write(to: URL(fileURLWithPath: path.string))) != nil else { continue }
            let options = FileDescriptor.OpenOptions(rawValue: test_open_direct())
            guard let file = try? Descriptor(opening: path, .readOnly, options: options) else { continue }
            var ring = try Ring<Int>(entries: 8)
            let read = try ring.run(Read(file, into: Buffer(byteCapacity: 4096, alignment: 4096), at: 0))
            if read.result == .success(4096) {
                descriptor = file
                return
            }
        }
        throw Errno.notSupported
    }

    /// Reads some of the file on another ring, so that reads that were queued at the device before are done.
    func passReads(on ring: inout Ring<Int>) throws {
        var operation = Read(descriptor, into: Buffer(byteCapacity: DirectFile.readByteCount, alignment: 4096), at: 0)
        for index in 0..<4 {
            operation.position = .offset(index * DirectFile.readByteCount)
            let completed = try ring.run(operation)
            operation = completed.operation
        }
    }
}
