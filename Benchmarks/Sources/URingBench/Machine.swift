// SPDX-License-Identifier: Apache-2.0

import Foundation
import Support

/// What a reader has to know of the machine, as a few sentences.
struct Machine: CustomStringConvertible {
    private let processor: String
    private let processorCount = ProcessInfo.processInfo.activeProcessorCount
    private let memory = ProcessInfo.processInfo.physicalMemory
    private let kernel: String
    private let loadAtStart = Machine.load
    private var loadAtEnd: Double?

    init() {
        let information = Machine.text(of: "/proc/cpuinfo").split(separator: "\n").first { $0.hasPrefix("model name") }
        processor = information?.split(separator: ":").last.map { $0.trimmingCharacters(in: .whitespaces) } ?? "an unknown processor"
        kernel = Machine.text(of: "/proc/sys/kernel/osrelease").trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// Looks once more what else the machine is doing.
    mutating func notesEnd() {
        loadAtEnd = Machine.load
    }

    var description: String {
        let loads = [loadAtStart, loadAtEnd ?? loadAtStart].map { decimal($0, places: 1) }
        // The benchmark itself is one of the processes that run.
        let isBusy = max(loadAtStart, loadAtEnd ?? 0) > 1.5
        let warning =
            isBusy
            ? "**The machine had other work to do** (load \(loads[0]) at the beginning, \(loads[1]) at the end): only the ratios mean something, and"
                + " those only where their range is narrow; the tables are to be made again on a quiet machine."
            : "Load \(loads[0]) at the beginning, \(loads[1]) at the end."
        return """
            \(processorCount) processors (\(processor)), \(memory >> 30) GiB of memory, Linux \(kernel).
            \(warning)
            """
    }

    /// How many processes ran or wanted to in the last minute, on average.
    private static var load: Double {
        text(of: "/proc/loadavg").split(separator: " ").first.flatMap { Double($0) } ?? 0
    }

    private static func text(of path: String) -> String {
        (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
    }
}
