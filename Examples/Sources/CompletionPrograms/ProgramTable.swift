// SPDX-License-Identifier: Apache-2.0

/// The programs of a ring, by name.
struct ProgramTable {
    private struct Entry {
        var generation: UInt32
        var program: (any CompletionProgram)?
    }

    private static let indexBits: UInt32 = 20

    /// The first place stays empty: its name is nobody's.
    private var entries = [Entry(generation: 0, program: nil)]
    private var free: [Int] = []
    /// Those that were attached and have not been started yet.
    private var starting: [ProgramName] = []
    /// How many programs have been attached and have not finished.
    private(set) var count = 0

    mutating func insert(_ program: any CompletionProgram) -> ProgramName {
        if free.isEmpty {
            precondition(entries.count < 1 << ProgramTable.indexBits, "A ring has at most a million programs.")
            free.append(entries.count)
            entries.append(Entry(generation: 0, program: nil))
        }
        let index = free.removeLast()
        entries[index].program = program
        count += 1
        let name = ProgramName(rawValue: entries[index].generation << ProgramTable.indexBits | UInt32(index))
        starting.append(name)
        return name
    }

    mutating func remove(_ name: ProgramName) {
        guard self[name] != nil else { return }
        let index = ProgramTable.index(of: name)
        entries[index].program = nil
        entries[index].generation = (entries[index].generation + 1) & (1 << (32 - ProgramTable.indexBits) - 1)
        free.append(index)
        count -= 1
    }

    /// The program of a name, or nil if it has finished.
    subscript(name: ProgramName) -> (any CompletionProgram)? {
        let index = ProgramTable.index(of: name)
        guard index < entries.count, entries[index].generation == name.rawValue >> ProgramTable.indexBits else { return nil }
        return entries[index].program
    }

    /// Those that are to be started now.
    mutating func takeStarting() -> [ProgramName] {
        guard !starting.isEmpty else { return [] }
        defer { starting = [] }
        return starting
    }

    private static func index(of name: ProgramName) -> Int {
        Int(name.rawValue & (1 << indexBits - 1))
    }
}
