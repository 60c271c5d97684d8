// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Support

/// A piece of work that several engines do.
///
/// To add one, write a file in `Cases/` and name what it declares in ``all``. For each engine it has a function that sets up, starts a
/// ``Stopwatch``, does exactly so many operations, verifies what came of them, and returns what the stopwatch says. An engine with a wrong byte
/// throws.
struct Case: Sendable {
    /// One way to do the work.
    struct Engine: Sendable {
        /// The engine that the others are compared with, unless they name another one.
        static let baselineName = "c"

        let name: String
        /// The engine that this one is compared with.
        var baseline = Engine.baselineName
        /// The engine that does the same without what the case is about; nil if there is none.
        var bare: String?
        let run: @Sendable (_ operations: Int) throws -> Sample
    }

    let name: String
    let summary: String
    /// How many operations one run has, for about a fifth of a second.
    let operations: Int
    /// Two sizes that are runs for counting instructions, both multiples of what is done at once; nil if threads wait for each other.
    var countedOperations: ClosedRange<Int>?
    let engines: [Engine]

    /// Everything that can be measured.
    static let all =
        nops + [wait, read, readFixed, write, accept, receiveRing] + echoes + pipes + messages + [linkedTimeout, linkedTimeoutSend]
        + zeroCopies + [teardown]
}

extension Case {
    /// Finds a case by its name.
    init(named name: String) throws {
        guard let found = Case.all.first(where: { $0.name == name }) else {
            throw ValidationError("There is no case '\(name)'; the cases are \(Case.all.map(\.name).joined(separator: ", ")).")
        }
        self = found
    }

    /// Finds engines by their names, separated by commas; those that only other cases have are left out, which is said.
    func engines(named names: String) throws -> [Engine] {
        let wanted = names.split(separator: ",").map(String.init)
        let known = Set(Case.all.flatMap { $0.engines.map(\.name) })
        let unknown = wanted.filter { !known.contains($0) }
        guard unknown.isEmpty else {
            throw ValidationError(
                "No case has an engine named \(unknown.joined(separator: ", ")); the engines are \(known.sorted().joined(separator: ", "))."
            )
        }
        let chosen = engines.filter { wanted.contains($0.name) }
        if chosen.isEmpty { _ = try engine(named: names) }
        let missing = wanted.filter { name in !chosen.contains { $0.name == name } }
        if !missing.isEmpty { complain("uring-bench: '\(name)' has no engine \(missing.joined(separator: ", ")); it is left out.\n") }
        return chosen
    }

    /// Finds an engine by its name.
    func engine(named name: String) throws -> Engine {
        guard let found = engines.first(where: { $0.name == name }) else {
            throw ValidationError("'\(self.name)' has no engine '\(name)'; its engines are \(engines.map(\.name).joined(separator: ", ")).")
        }
        return found
    }
}
