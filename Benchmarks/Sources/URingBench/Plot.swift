// SPDX-License-Identifier: Apache-2.0

import Foundation
import Support

/// A picture of the ratios to C: for each engine of URing's a mark for speed and one for processor time, with the range of the rounds.
struct Plot {
    private struct Line {
        let label: String
        let speed: Spread
        let cpu: Spread
    }

    private let lines: [Line]

    private static let labelWidth = 230.0
    private static let plotWidth = 600.0
    private static let lineHeight = 22.0
    private static let top = 60.0
    private static let ratios = 0.4...1.6

    init(_ measurements: [(Case, Measurement)]) {
        lines = measurements.flatMap { benchmark, measurement in
            measurement.rows.compactMap { row in
                guard row.name.hasPrefix("uring"), let speed = row.ratioToC, let cpu = row.cpuRatioToC else { return nil }
                let engine = row.name == "uring" ? "" : " (\(row.name.dropFirst("uring-".count)))"
                return Line(label: benchmark.name + engine, speed: speed, cpu: cpu)
            }
        }
    }

    var svg: String {
        let height = Plot.top + Plot.lineHeight * Double(lines.count) + 20
        let width = Plot.labelWidth + Plot.plotWidth + 20
        var parts = [
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 \(text(width)) \(text(height))\" font-family=\"sans-serif\" font-size=\"12\">",
            "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>",
            "<text x=\"\(text(Plot.labelWidth))\" y=\"18\">",
            "<tspan fill=\"\(Plot.speedColor)\">● speed</tspan> and <tspan fill=\"\(Plot.cpuColor)\">■ processor time</tspan>",
            "of URing as multiples of C's: median and range of the rounds</text>",
        ]
        for tenths in stride(from: 4, through: 16, by: 2) {
            let x = Plot.x(Double(tenths) / 10)
            let isOne = tenths == 10
            parts += [
                "<line x1=\"\(text(x))\" x2=\"\(text(x))\" y1=\"\(text(Plot.top - 14))\" y2=\"\(text(height - 16))\" stroke=\"\(isOne ? "#000" : "#ccc")\"/>",
                "<text x=\"\(text(x))\" y=\"\(text(Plot.top - 20))\" text-anchor=\"middle\">\(decimal(Double(tenths) / 10, places: 1))</text>",
            ]
        }
        for (index, line) in lines.enumerated() {
            let y = Plot.top + Plot.lineHeight * Double(index)
            parts.append("<text x=\"\(text(Plot.labelWidth - 10))\" y=\"\(text(y + 5))\" text-anchor=\"end\">\(line.label)</text>")
            parts += Plot.mark(line.speed, y: y - 4, color: Plot.speedColor, isRound: true)
            parts += Plot.mark(line.cpu, y: y + 4, color: Plot.cpuColor, isRound: false)
        }
        parts.append("</svg>")
        return parts.joined(separator: "\n") + "\n"
    }

    private static let speedColor = "#1f6feb"
    private static let cpuColor = "#b35900"

    /// Where a ratio lies; those outside the plot lie at its edge.
    private static func x(_ ratio: Double) -> Double {
        let inside = min(max(ratio, ratios.lowerBound), ratios.upperBound)
        return labelWidth + plotWidth * (inside - ratios.lowerBound) / (ratios.upperBound - ratios.lowerBound)
    }

    private static func mark(_ spread: Spread, y: Double, color: String, isRound: Bool) -> [String] {
        let range =
            "<line x1=\"\(text(x(spread.lowest)))\" x2=\"\(text(x(spread.highest)))\" y1=\"\(text(y))\" y2=\"\(text(y))\" stroke=\"\(color)\"/>"
        let middle = x(spread.median)
        let mark =
            isRound
            ? "<circle cx=\"\(text(middle))\" cy=\"\(text(y))\" r=\"4\" fill=\"\(color)\"/>"
            : "<rect x=\"\(text(middle - 3.5))\" y=\"\(text(y - 3.5))\" width=\"7\" height=\"7\" fill=\"\(color)\"/>"
        return [range, mark]
    }
}

private func text(_ coordinate: Double) -> String {
    decimal(coordinate, places: 1)
}
