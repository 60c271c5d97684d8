// SPDX-License-Identifier: Apache-2.0

import SystemPackage
import URing

/// The file table of a loop's ring.
final class RegisteredFiles {
    private let table: FileTable
    private var next = 0

    init(of ring: inout Ring<Tag>, count: Int) throws(FileTableError) {
        table = try ring.makeFileTable(count: count, allocating: 0..<0)
    }

    /// Puts a file into the table; nil if it cannot be, and has to be used by its number.
    func register(_ file: borrowing some NumberedFileResource & ~Copyable) -> FileHold? {
        guard table.usedCount < table.count else { return nil }
        for _ in 0..<table.count {
            next = (next + 1) % table.count
            guard let slot = table.slot(next) else { continue }
            do {
                return try table.register(file, in: slot).hold()
            } catch {
                return nil
            }
        }
        return nil
    }
}
