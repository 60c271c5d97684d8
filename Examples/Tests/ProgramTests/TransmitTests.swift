// SPDX-License-Identifier: Apache-2.0

import CNetworks
import Foundation
import Support
import Testing
import URing

@Suite(.serialized) struct TransmitTests {
    /// Sends records, and expects that both ends are content.
    private func transmit(
        records: Int, byteCount: Int, _ options: String..., sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> [String: [String]] {
        let receiver = try Program("transmit", ["receive", "--size", String(byteCount)])
        let port = try portNumber(in: receiver.firstLine())
        let sender = try Program(
            "transmit",
            ["send", "--port", port, "--size", String(byteCount), "--records", String(records), "--rounds", "1"] + options
        ).outcome()
        #expect(sender.status == 0 && sender.errors == "", sourceLocation: sourceLocation)
        receiver.terminate()
        let outcome = try receiver.outcome()
        #expect(outcome.status == 0 && outcome.errors == "", sourceLocation: sourceLocation)
        let verified = "Verified: all \(3 * records * byteCount) bytes of \(3 * records) records."
        #expect(String(decoding: outcome.output, as: UTF8.self).contains(verified), sourceLocation: sourceLocation)
        let lines = String(decoding: sender.output, as: UTF8.self).split(separator: "\n")
        let rows = lines.map { $0.split(separator: " ").map(String.init) }
        return Dictionary(rows.compactMap { row in row.first.map { ($0, row) } }, uniquingKeysWith: { first, _ in first })
    }

    @Test func everyByteArrivesAndLazySendingWaitsATwentiethAsOften() throws {
        let rows = try transmit(records: 30_000, byteCount: 1400)
        let lazy = try #require(rows["lazy"])
        let waiting = try #require(rows["waiting"])
        #expect(rows["copying"] != nil)
        // Name, sends per second, processor time per send, and voluntary context switches per 1000 sends.
        let lazySwitches = try #require(Double(lazy[3]))
        let waitingSwitches = try #require(Double(waiting[3]))
        #expect(waitingSwitches >= 20 * lazySwitches)
        #expect(lazy[4] == "100" && waiting[4] == "100")
    }

    @Test(arguments: [8, 100_000]) func recordsOfOtherSizesArriveWhole(byteCount: Int) throws {
        _ = try transmit(records: 500, byteCount: byteCount, "--connections", "3", "--buffers", "5")
    }

    @Test func aReceiverOfAnotherSizeSaysWhichByteIsWrong() throws {
        let receiver = try Program("transmit", ["receive", "--size", "100"])
        let port = try portNumber(in: receiver.firstLine())
        let sender = try run("transmit", "send", "--port", port, "--size", "101", "--records", "100", "--rounds", "1", "--connections", "1")
        #expect(sender.status == 1)
        let outcome = try receiver.outcome()
        #expect(outcome.status == 1 && outcome.errors.contains("Byte 100 of connection 0 is not as it was sent."))
    }

    /// The bytes of a sender that does not know what records are; the number of the first, zero, is right.
    @Test(arguments: [
        (100, "Byte 8 of connection 0 is not as it was sent."), (8, "Connection 0 ended within a record."),
    ]) func aReceiverNoticesWrongBytesAndMissingOnes(count: Int, sentence: String) throws {
        let receiver = try Program("transmit", ["receive", "--size", "100"])
        var ring = try Ring<UInt8>(entries: 1)
        do {
            let address = SocketAddress.ipv4Loopback(port: try #require(UInt16(try portNumber(in: receiver.firstLine()))))
            let socket = try Descriptor.socket(.ipv4, .stream)
            try ring.run(Connect(socket, to: address)).result.get()
            #expect(try ring.run(Send(socket, from: Buffer(copying: [UInt8](repeating: 0, count: count)))).result.get() == count)
        }
        let outcome = try receiver.outcome()
        #expect(outcome.status == 1)
        #expect(outcome.errors == "Error: \(sentence)\n")
    }

    @Test func aSenderNoticesAReceiverThatCountsOtherwise() throws {
        var ring = try Ring<UInt8>(entries: 1)
        let listener = try Descriptor.listening(at: .ipv4Loopback(port: 0))
        let port = try portNumber(in: "\(listener.localAddress())")
        let sender = try Program("transmit", ["send", "--port", port, "--connections", "1", "--records", "1", "--rounds", "1"])
        let connection = try ring.run(Accept(listener)).result.get().descriptor
        while try ring.run(Receive(connection, into: Buffer(byteCapacity: 4096))).result.get() > 0 {}
        #expect(try ring.run(Send(connection, from: Buffer(copying: [2, 0, 0, 0, 0, 0, 0, 0]))).result.get() == 8)
        let outcome = try sender.outcome()
        #expect(outcome.status == 1)
        #expect(outcome.errors == "Error: The receiver did not verify the 1 records of connection 0.\n")
    }

    @Test func aSenderThatWasStoppedGoesOn() throws {
        let receiver = try Program("transmit", ["receive"])
        let port = try portNumber(in: receiver.firstLine())
        // The system takes the connection and the record, and nobody answers.
        try receiver.suspend()
        let sender = try Program("transmit", ["send", "--port", port, "--connections", "1", "--records", "1", "--rounds", "1"])
        let deadline = ContinuousClock.now + .seconds(20)
        while try sender.awaitedCompletionCounts(ofFirstThread: true) != [1] { try #require(.now < deadline) }
        try sender.suspend()
        sender.resume()
        receiver.resume()
        let outcome = try sender.outcome()
        #expect(outcome.status == 0 && outcome.errors == "")
    }

    @Test func aReceiverTakesMoreConnectionsThanItHasRoomForCompletions() throws {
        raiseFileLimit()
        let receiver = try Program("transmit", ["receive", "--buffer", "4096"])
        let address = SocketAddress.ipv4Loopback(port: try #require(UInt16(try portNumber(in: receiver.firstLine()))))
        var ring = try Ring<UInt8>(entries: 1)
        var sockets: [Socket] = []
        // They wait until it goes on. The rest of what the system lets wait comes afterwards.
        try receiver.suspend()
        for _ in 0..<2000 {
            let socket = try Descriptor.socket(.ipv4, .stream)
            try ring.run(Connect(socket, to: address)).result.get()
            sockets.append(Socket(socket))
        }
        receiver.resume()
        // One of them sends what is wrong, which the receiver notices when it has taken the connection.
        let last = try #require(sockets.last)
        #expect(try ring.run(Send(last.descriptor, from: Buffer(copying: Array(repeating: 1 as UInt8, count: 8)))).result.get() == 8)
        let outcome = try receiver.outcome()
        #expect(outcome.status == 1 && outcome.errors == "Error: Byte 0 of connection 1999 is not as it was sent.\n")
    }

    private final class Socket {
        let descriptor: Descriptor

        init(_ descriptor: consuming Descriptor) {
            self.descriptor = descriptor
        }
    }

    @Test func aClientThatResetsItsConnectionAndSendsNothingCostsNothing() throws {
        let receiver = try Program("transmit", ["receive"])
        let port = try portNumber(in: receiver.firstLine())
        var ring = try Ring<UInt8>(entries: 1)
        do {
            let socket = try Descriptor.socket(.ipv4, .stream)
            // Closing then resets the connection: socket(7).
            try #require(networks_reset_at_close(socket.unowned.fileDescriptor.rawValue) == 0)
            try ring.run(Connect(socket, to: .ipv4Loopback(port: #require(UInt16(port))))).result.get()
        }
        let sender = try run("transmit", "send", "--port", port, "--records", "10", "--rounds", "1")
        #expect(sender.status == 0)
        receiver.terminate()
        let outcome = try receiver.outcome()
        #expect(outcome.status == 0 && outcome.errors == "")
    }

    @Test func comparesSizesAndSaysWhatWasCopied() throws {
        let outcome = try run("transmit", "sizes", "--size", "1400", "16384", "--mebibytes", "2", "--rounds", "1")
        #expect(outcome.status == 0 && outcome.errors == "")
        let rows = String(decoding: outcome.output, as: UTF8.self).split(separator: "\n").dropFirst().map { $0.split(separator: " ") }
        #expect(rows.map(\.first) == ["1400", "16384"])
        for row in rows { #expect(row.suffix(2) == ["100", "%"]) }
    }

    @Test func sendingWithoutAReceiverSaysSo() throws {
        let sender = try run("transmit", "send", "--port", "1")
        #expect(sender.status == 1)
        #expect(sender.errors.contains("Cannot connect to 127.0.0.1:1"))
    }

    @Test func anAddressThatIsNoneIsNamed() throws {
        for arguments in [["receive"], ["send", "--port", "1"]] {
            let outcome = try Program("transmit", arguments + ["--address", "nonsense"]).outcome()
            #expect(outcome.status != 0)
            #expect(outcome.errors.contains("--address must be an IPv4 or IPv6 address, such as 127.0.0.1 or ::1."))
        }
    }
}
