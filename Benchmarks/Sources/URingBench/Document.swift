// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Support

/// The command that writes what it measures into a document.
struct Document: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Compare the engines of all cases, and write tables and a plot into a document.",
        discussion: """
            The document has a line '\(Markers.begin)' and after it a line '\(Markers.end)'; what is between them is replaced. The plot goes \
            beside the document, under the same name.
            """)

    private enum Markers {
        static let begin = "<!-- begin: make bench -->"
        static let end = "<!-- end: make bench -->"
    }

    @Argument(help: "The document, a Markdown file.")
    var path: String

    @Option(help: ArgumentHelp("The cases to run, separated by commas; all by default.", valueName: "names"))
    var cases: String?

    @Option(help: ArgumentHelp("How often each engine runs.", valueName: "count"))
    var rounds = 7

    @Option(
        help: ArgumentHelp(
            """
            How much of a case's operations each run has, in percent. Many short rounds tell more than a few long ones where the \
            processor's speed changes all the time.
            """, valueName: "percent"))
    var portion = 100

    func validate() throws {
        try ValidationError.check(rounds, in: 1...1000, "--rounds")
        try ValidationError.check(portion, in: 1...100, "--portion")
        guard path.hasSuffix(".md") else { throw ValidationError("The document's name has to end in .md.") }
    }

    func run() throws {
        complainAboutDebugBuild()
        let chosen = try cases.map { try $0.split(separator: ",").map { try Case(named: String($0)) } } ?? Case.all
        // Looked at first, so that nothing is measured in vain.
        let parts = try surroundings()
        var machine = Machine()
        var measurements: [(Case, Measurement)] = []
        for one in chosen {
            complain("\(one.name)\n")
            measurements.append((one, try Measurement(of: one.engines, rounds: rounds, operations: max(1, one.operations * portion / 100))))
        }
        machine.notesEnd()

        let plotPath = path.dropLast(2) + "svg"
        let plotName = plotPath.split(separator: "/").last ?? plotPath
        let tables = measurements.map { "### \($0.name)\n\n\($0.summary).\n\n\($1.markdown)" }
        let text = """
            \(parts.before)\(Markers.begin)
            \(machine.description) Each engine ran \(rounds) times, \(portion) % of a case's operations each time.

            ![Speed and processor time of URing as multiples of C's](\(plotName))

            \(tables.joined(separator: "\n"))\(Markers.end)\(parts.after)
            """
        try write(text, to: path)
        try write(Plot(measurements).svg, to: String(plotPath))
    }

    /// What stands in the document before and after what is measured.
    private func surroundings() throws -> (before: Substring, after: Substring) {
        guard let text = try? String(contentsOfFile: path, encoding: .utf8) else { throw Failure("Cannot read \(path).") }
        guard let begin = text.range(of: Markers.begin), let end = text.range(of: Markers.end), begin.upperBound <= end.lowerBound else {
            throw Failure("\(path) has no place for the tables: \(Markers.begin) … \(Markers.end)")
        }
        return (text[..<begin.lowerBound], text[end.upperBound...])
    }

    private func write(_ text: String, to path: String) throws {
        do {
            try text.write(toFile: path, atomically: true, encoding: .utf8)
        } catch {
            throw Failure("Cannot write \(path): \(error.localizedDescription)")
        }
    }
}
