// SPDX-License-Identifier: Apache-2.0

import Support

/// What a load found out.
struct LoadResult {
    var connectionCount: Int
    var requestByteCount: Int
    var latencies = LatencyHistogram()
    var elapsed = Duration.zero
    /// The processor time the server used meanwhile, if it was asked for.
    var serverTime: Duration?

    /// The result for a person.
    var text: String {
        var text = """
            \(connectionCount) connections made \(latencies.count) requests of \(requestByteCount) bytes in \
            \(decimal(elapsed / .seconds(1), places: 2)) s: \(rate) requests/s.
            Latency: p50 \(microseconds(0.5)) µs, p90 \(microseconds(0.9)) µs, p99 \(microseconds(0.99)) µs, \
            max \(microseconds(1)) µs.

            """
        if let serverTimePerRequest {
            text += "Server: \(serverTimePerRequest) µs of CPU time per request.\n"
        } else if serverTime != nil {
            text += "Server: too little CPU time to say how much per request.\n"
        }
        return text + "Verified: all \(verifiedByteCount) bytes came back as they were sent.\n"
    }

    /// The result as a row of a table: requests/s, p50, p90, p99, max, the server's CPU time per request, verified bytes.
    func row(named name: String) -> String {
        let columns = [
            name, rate, microseconds(0.5), microseconds(0.9), microseconds(0.99), microseconds(1), serverTimePerRequest ?? "-",
            String(verifiedByteCount),
        ]
        return columns.joined(separator: "\t") + "\n"
    }

    private var verifiedByteCount: Int { latencies.count * requestByteCount }

    private var rate: String { decimal(Double(latencies.count) / (elapsed / .seconds(1)), places: 0) }

    private func microseconds(_ quantile: Double) -> String {
        decimal(latencies.quantile(quantile) / .microseconds(1), places: 0)
    }

    /// The kernel counts in hundredths of a second.
    private var serverTimePerRequest: String? {
        guard let serverTime, serverTime >= .milliseconds(200) else { return nil }
        return decimal(serverTime / .microseconds(1) / Double(latencies.count), places: 2)
    }
}
