// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Support
import SystemPackage
import URing

/// The command that asks for echoes, one after the other.
struct Ping: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Send ICMP echo requests one after the other, and tell how many were lost and how long they took.",
        discussion: """
            Like ping(8), which gives no median. It gives up when three in a row are lost; one that the network cannot pass on is lost at \
            once. It needs CAP_NET_RAW.
            """
    )

    @Argument(help: ArgumentHelp("Whom to ask.", valueName: "ip"))
    var address: String

    @Option(help: ArgumentHelp("How many requests to send.", valueName: "count"))
    var count = 1000

    @Option(name: .customLong("size"), help: ArgumentHelp("How many bytes a request carries.", valueName: "bytes"))
    var byteCount = 56

    @Option(help: ArgumentHelp("How long to wait for an answer.", valueName: "milliseconds"))
    var patience = 2000

    func validate() throws {
        try ValidationError.check(count, in: 1...65_536, "--count")
        try ValidationError.check(byteCount, in: 0...65_000, "--size")
        try ValidationError.check(patience, in: 1...1_000_000, "--patience")
    }

    func run() throws {
        let peer = try Support.address(ip: address, port: 0, "The address")
        guard peer.isIPv4 else { throw Failure("The address must be an IPv4 address.") }
        let socket = try attempt("Cannot have a raw socket, which needs CAP_NET_RAW") { () throws(Errno) in
            try Descriptor.socket(.ipv4, .raw, protocol: SocketProtocol(rawValue: 1))
        }
        var ring = try Ring<Bool>(entries: 4)
        try ring.run(Connect(socket, to: peer), tag: false).result.get(whenDoing: "Cannot connect to \(address)")

        var times: [Duration] = []
        let identifier = UInt16.random(in: .min ... .max)
        var (sentCount, lostInARow) = (0, 0)
        while sentCount < count && lostInARow < 3 {
            let request = EchoRequest(identifier: identifier, number: UInt16(truncatingIfNeeded: sentCount), byteCount: byteCount)
            let start = ContinuousClock.now
            let sent = try ring.run(Send(socket, from: request.makeBuffer()), tag: false).result
            sentCount += 1
            if try sent.isPassedOn(whenDoing: "Cannot send"),
                try isAnswered(request, by: start + .milliseconds(patience), on: socket, &ring)
            {
                times.append(.now - start)
                lostInARow = 0
            } else {
                lostInARow += 1
            }
        }
        times.sort()
        let microseconds = { (fraction: Double) in
            times.isEmpty ? "-" : decimal(times[Int(Double(times.count - 1) * fraction)] / .microseconds(1), places: 1)
        }
        say("Sent: \(sentCount). Lost: \(sentCount - times.count).\n")
        say("Round trip: p50 \(microseconds(0.5)) µs, p99 \(microseconds(0.99)) µs, max \(microseconds(1)) µs.\n")
        if times.count < sentCount { throw ExitCode.failure }
    }

    /// Whether the answer comes in time; what else comes, such as late answers, is not it.
    private func isAnswered(
        _ request: EchoRequest, by deadline: ContinuousClock.Instant, on socket: borrowing Descriptor, _ ring: inout Ring<Bool>
    ) throws -> Bool {
        while true {
            let receive = Receive(socket, into: Buffer(byteCapacity: 65_535))
            let token = try ring.prepare(receive, tag: true, timeout: .after(ContinuousClock.now.duration(to: deadline)))
            var completion = ring.nextCompletion()
            while completion == nil {
                try ring.submit(waitingFor: 1)
                completion = ring.nextCompletion()
            }
            guard let completed = completion?.take(token) else { return false }
            if case .failure(.canceled) = completed.result { return false }
            guard try completed.result.isPassedOn(whenDoing: "Cannot receive") else { return false }
            if request.isAnswered(by: completed.operation.memory.span) { return true }
        }
    }
}

extension Result<Int, Errno> {
    /// Whether it is a success, and not an error that the network reported.
    fileprivate func isPassedOn(whenDoing what: String) throws(Support.Failure) -> Bool {
        if case .failure(let errno) = self, errno.isOfTheNetwork { return false }
        _ = try get(whenDoing: what)
        return true
    }
}

/// A request that whoever gets it answers with the same bytes.
private struct EchoRequest {
    let identifier: UInt16
    let number: UInt16
    let byteCount: Int

    private static var headerByteCount: Int { 8 }

    func makeBuffer() -> Buffer {
        // Type and code, the sum, and what tells one request from another.
        var bytes: [UInt8] = [8, 0, 0, 0] + words
        bytes += (0..<byteCount).map { UInt8(truncatingIfNeeded: $0) }
        let sum = EchoRequest.sum(of: bytes)
        bytes[2] = UInt8(sum >> 8)
        bytes[3] = UInt8(sum & 255)
        return Buffer(copying: bytes)
    }

    /// Whether a received IP packet is the answer.
    func isAnswered(by packet: borrowing Span<UInt8>) -> Bool {
        guard packet.count > 0 else { return false }
        // The IP header's own length, in words.
        let start = Int(packet[0] & 15) * 4
        guard packet.count == start + EchoRequest.headerByteCount + byteCount, packet[start] == 0 else { return false }
        return words.indices.allSatisfy { packet[start + 4 + $0] == words[$0] }
    }

    private var words: [UInt8] {
        [UInt8(identifier >> 8), UInt8(identifier & 255), UInt8(number >> 8), UInt8(number & 255)]
    }

    /// The Internet's checksum: the complement of the sum of all words, in which carries go round.
    private static func sum(of bytes: [UInt8]) -> UInt16 {
        var sum = 0
        for (index, byte) in bytes.enumerated() { sum += index % 2 == 0 ? Int(byte) << 8 : Int(byte) }
        while sum > 0xffff { sum = sum >> 16 + sum & 0xffff }
        return ~UInt16(sum)
    }
}
