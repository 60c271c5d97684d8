// SPDX-License-Identifier: Apache-2.0

/// When the requests of a load are due that has a rate, whatever becomes of the answers.
///
/// Each connection has one in every interval, at a time of its own within it. These times are as if drawn by lot: so requests come as those of
/// clients do who know nothing of each other, several at a time and then none for a while. Yet there are exactly so many in a second, and at the
/// same times in every load. All times are nanoseconds from the beginning of the load.
public struct RequestSchedule: Sendable {
    /// The time from one request of a connection to its next.
    private let interval: Double
    /// Where in the interval each connection's request is, from 0 to 1.
    private let places: [Double]
    /// The connections in the order of their places.
    private let order: [Int]

    /// Describes the requests of a load.
    ///
    /// - Parameters:
    ///   - rate: How many requests are due in a second, of all connections together; more than none.
    ///   - connectionCount: How many connections there are, one at least.
    public init(rate: Int, connectionCount: Int) {
        interval = Double(connectionCount) / Double(rate) * 1e9
        let places = (0..<connectionCount).map(RequestSchedule.place)
        order = (0..<connectionCount).sorted { (places[$0], $0) < (places[$1], $1) }
        self.places = places
    }

    /// The connection whose turn a request is, of all requests in the order of their times.
    public func connection(ofRequest number: Int) -> Int { order[number % order.count] }

    /// When a request is due, of all requests in the order of their times.
    public func time(ofRequest number: Int) -> Int {
        time(ofRequest: number / order.count, on: connection(ofRequest: number))
    }

    /// When a request of a connection is due; its latency counts from here, even if the connection could not send it in time.
    public func time(ofRequest number: Int, on connection: Int) -> Int {
        Int((Double(number) + places[connection]) * interval)
    }

    /// A number from 0 to 1 that tells nothing of its neighbours': the mixing function of SplitMix64.
    private static func place(of connection: Int) -> Double {
        var bits = UInt64(connection + 1) &* 0x9e37_79b9_7f4a_7c15
        bits = (bits ^ (bits >> 30)) &* 0xbf58_476d_1ce4_e5b9
        bits = (bits ^ (bits >> 27)) &* 0x94d0_49bb_1331_11eb
        bits ^= bits >> 31
        return Double(bits >> 11) / Double(1 << 53)
    }
}
