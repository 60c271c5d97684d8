// SPDX-License-Identifier: Apache-2.0

import Support

extension Measurement {
    /// The medians as one JSON object; ratios to an engine that did not run are null.
    func json(of benchmark: Case) -> String {
        let engines = rows.map { row in
            let fields = [
                "\"name\": \"\(row.name)\"",
                "\"opsPerSecond\": \(number(row.operationsPerSecond, places: 1))",
                "\"cpuNanosecondsPerOperation\": \(number(row.cpuNanosecondsPerOperation, places: 2))",
                "\"ratioToC\": \(number(row.ratioToC, places: 4))",
                "\"cpuRatioToC\": \(number(row.cpuRatioToC, places: 4))",
                "\"ratioToEpoll\": \(number(row.ratioToEpoll, places: 4))",
                "\"ratioToBare\": \(number(row.ratioToBare, places: 4))",
                "\"cpuRatioToBare\": \(number(row.cpuRatioToBare, places: 4))",
            ]
            return "{\(fields.joined(separator: ", "))}"
        }
        return "{\"case\": \"\(benchmark.name)\", \"engines\": [\(engines.joined(separator: ", "))]}\n"
    }

    /// The medians with their ranges, for the person at the terminal.
    func table(of benchmark: Case) -> String {
        let lines = lines(firstHeading: benchmark.name)
        let widths = lines[0].indices.map { index in lines.map { $0[index].count }.max() ?? 0 }
        let text = lines.map { line in
            // Blanks at the end of a line would only make it wrap.
            let columns = zip(line, widths).map { column($0, $1) }.joined(separator: "  ")
            return String(columns.reversed().drop { $0 == " " }.reversed())
        }
        return text.joined(separator: "\n") + "\n"
    }

    /// The same as a table of Markdown.
    var markdown: String {
        var lines = lines(firstHeading: "engine")
        lines.insert(lines[0].indices.map { $0 == 0 ? "---" : "--:" }, at: 1)
        return lines.map { "| \($0.joined(separator: " | ")) |\n" }.joined()
    }

    /// The heading and the rows, without the columns in which there is nothing.
    private func lines(firstHeading: String) -> [[String]] {
        let headings = [
            firstHeading, "operations/s", "CPU ns/operation", "speed to C", "CPU to C", "lowest CPU to C", "speed to epoll",
            "speed to bare",
            "CPU to bare", "note",
        ]
        let cells = rows.map(\.cells)
        let used = headings.indices.filter { index in cells.contains { !$0[index].isEmpty } }
        return ([headings] + cells).map { line in used.map { line[$0] } }
    }
}

extension Measurement.Row {
    fileprivate var cells: [String] {
        [
            name, cell(operationsPerSecond, places: 0), cell(cpuNanosecondsPerOperation, places: 1), cell(ratioToC, places: 3),
            cell(cpuRatioToC, places: 3), lowestCPURatioToC.map { decimal($0, places: 3) } ?? "", cell(ratioToEpoll, places: 3),
            cell(ratioToBare, places: 3), cell(cpuRatioToBare, places: 3), note ?? "",
        ]
    }
}

/// A text filled up with blanks.
func column(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.count))
}

private func number(_ spread: Spread?, places: Int) -> String {
    guard let spread, spread.median.isFinite else { return "null" }
    return decimal(spread.median, places: places)
}

private func cell(_ spread: Spread?, places: Int) -> String {
    guard let spread else { return "" }
    let texts = [spread.median, spread.lowest, spread.highest].map { decimal($0, places: places) }
    return "\(texts[0]) [\(texts[1])-\(texts[2])]"
}
