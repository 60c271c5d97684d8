// SPDX-License-Identifier: Apache-2.0

/// What a load found out.
public struct LoadResult {
    /// How many connections made requests.
    public var connectionCount: Int
    /// How large requests were, for the sentence about them.
    public var size: String
    /// How long each request took.
    public var latencies = LatencyHistogram()
    /// How long all of it took.
    public var elapsed = Duration.zero
    /// How many bytes came back and were compared.
    public var verifiedByteCount = 0
    /// The processor time the server used meanwhile, if it was asked for.
    public var serverTime: Duration?

    /// Describes a load that has not begun.
    public init(connectionCount: Int, size: String) {
        self.connectionCount = connectionCount
        self.size = size
    }

    /// The result for a person.
    public var text: String {
        var text = """
            \(connectionCount) connections made \(latencies.count) requests of \(size) in \
            \(decimal(elapsed / .seconds(1), places: 2)) s: \(rate) requests/s.
            Latency: p50 \(microseconds(0.5)) µs, p90 \(microseconds(0.9)) µs, p99 \(microseconds(0.99)) µs, \
            max \(microseconds(1)) µs.

            """
        if let serverTimePerRequest { text += "Server: \(serverTimePerRequest) µs of CPU time per request.\n" }
        return text + "Verified: all \(verifiedByteCount) bytes came back as they had to.\n"
    }

    /// The result as a row of a table: requests/s, p50, p90, p99, max, the server's CPU time per request, verified bytes.
    public func row(named name: String) -> String {
        let columns = [
            name, rate, microseconds(0.5), microseconds(0.9), microseconds(0.99), microseconds(1), serverTimePerRequest ?? "-",
            String(verifiedByteCount),
        ]
        return columns.joined(separator: "\t") + "\n"
    }

    private var rate: String { decimal(Double(latencies.count) / (elapsed / .seconds(1)), places: 0) }

    private func microseconds(_ quantile: Double) -> String {
        decimal(latencies.quantile(quantile) / .microseconds(1), places: 0)
    }

    private var serverTimePerRequest: String? {
        serverTime.map { decimal($0 / .microseconds(1) / Double(latencies.count), places: 2) }
    }
}
