// SPDX-License-Identifier: Apache-2.0

import Foundation
import Support

/// What a reader has to know of the machine, as a few sentences.
struct Machine: CustomStringConvertible {
    private let processor: String
    private let processorCount = ProcessInfo.processInfo.activeProcessorCount
    private let memory = ProcessInfo.processInfo.physicalMemory
    private let kernel: String
    private let before = ProcessorTimes.now
    private var after: ProcessorTimes?

    init() {
        let information = Machine.text(of: "/proc/cpuinfo").split(separator: "\n").first { $0.hasPrefix("model name") }
        processor = information?.split(separator: ":").last.map { $0.trimmingCharacters(in: .whitespaces) } ?? "an unknown processor"
        kernel = Machine.text(of: "/proc/sys/kernel/osrelease").trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// Looks once more what else the machine has done.
    mutating func notesEnd() {
        after = ProcessorTimes.now
    }

    var description: String {
        let others = (after ?? ProcessorTimes.now).othersShare(since: before)
        let share = "\(decimal(100 * others, places: 1)) % of the processors' time"
        let warning =
            others > 0.05
            ? "**The machine had other work to do** (\(share)): only the ratios mean something, and those only where their range is narrow;"
                + " the tables are to be made again on a quiet machine."
            : "Others had \(share) meanwhile."
        return """
            \(processorCount) processors (\(processor)), \(memory >> 30) GiB of memory, Linux \(kernel).
            \(warning)
            """
    }

    /// How long the processors have worked, in the kernel's ticks.
    private struct ProcessorTimes {
        private let all: Int
        /// With what the machine's host took away from it.
        private let busy: Int
        /// What this process and the children that it has waited for used of it.
        private let own: Int

        static var now: ProcessorTimes {
            let times = numbers(in: Machine.text(of: "/proc/stat").prefix { $0 != "\n" }).prefix(8)
            // Behind the program's name, which may have anything in it.
            let process = numbers(in: Machine.text(of: "/proc/self/stat").split(separator: ")").last ?? "")
            // Nobody's, or of interrupts, which the benchmark's own connections make.
            let rest = times.dropFirst(3).prefix(4).reduce(0, +)
            let all = times.reduce(0, +)
            return ProcessorTimes(all: all, busy: all - rest, own: process.dropFirst(10).prefix(4).reduce(0, +))
        }

        func othersShare(since start: ProcessorTimes) -> Double {
            Double(max(0, busy - start.busy - (own - start.own))) / Double(max(1, all - start.all))
        }

        private static func numbers(in text: Substring) -> [Int] { text.split(separator: " ").compactMap { Int($0) } }
    }

    private static func text(of path: String) -> String {
        (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
    }
}
