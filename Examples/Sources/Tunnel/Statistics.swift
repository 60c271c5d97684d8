// SPDX-License-Identifier: Apache-2.0

import CProcess
import CTunnel
import Support
import SystemPackage
import URing

/// Which way a packet goes.
enum Direction: Int {
    /// From the device to the peer.
    case outward
    /// From the peer to the device.
    case inward
}

/// What a tunnel did.
struct Statistics: CustomStringConvertible {
    /// Packets and their bytes, by direction.
    private(set) var packets: InlineArray<2, Int> = [0, 0]
    private(set) var bytes: InlineArray<2, Int> = [0, 0]
    /// Packets that could not be passed on, or are larger than packets may be.
    var failed = 0
    /// Errors that the network reported to the socket, such as that nobody listens at the peer.
    var networkErrors = 0
    /// How often there was nothing to do, `EAGAIN`: a read found no packet and was prepared again, or a send found no room and the packet is
    /// lost.
    var foundNothing = 0
    /// How often a receive found no buffer.
    var exhaustions = 0
    /// Buffers that had not come back at the end, when no write was in flight any more; only the multishot loop over UDP looks.
    var missingBuffers: Int?
    /// Writes that had not ended when the loop did.
    var unfinishedCount = 0
    /// Zero-copy sends whose buffer came back, and those of them that the kernel copied all the same; only a loop that makes such sends looks.
    var zeroCopyCount: Int?
    var copiedCount = 0
    /// System calls that submit or wait; of the epoll loop all system calls.
    var calls = 0
    /// The processor time of the process, with the kernel's threads for the ring.
    var processorTime = Duration.zero

    var packetCount: Int { packets[0] + packets[1] }

    mutating func count(_ packets: Int = 1, byteCount: Int, _ direction: Direction) {
        self.packets[direction.rawValue] += packets
        bytes[direction.rawValue] += byteCount
    }

    /// Counts a packet that was passed on, or was not.
    mutating func count(_ result: Result<Int, Errno>, _ direction: Direction) {
        switch result {
        case .success(let byteCount): count(byteCount: byteCount, direction)
        // A network that cannot be reached now may be so later, and lost packets are for those who sent them to notice.
        case .failure(let errno):
            failed += 1
            if errno == .resourceTemporarilyUnavailable { foundNothing += 1 }
        }
    }

    var description: String {
        let perPacket = { (value: Double, places: Int) in
            packetCount == 0 ? "-" : decimal(value / Double(packetCount), places: places)
        }
        let missing = missingBuffers.map { " Not given back: \($0) buffers." } ?? ""
        let unfinished = unfinishedCount > 0 ? " Still on their way: \(unfinishedCount) packets." : ""
        let zeroCopy = zeroCopyCount.map { "\nZero copy: \($0) packets, and the kernel copied \(copiedCount) of them." } ?? ""
        return """
            To the peer: \(packets[0]) packets, \(bytes[0]) bytes.
            From the peer: \(packets[1]) packets, \(bytes[1]) bytes.
            Not passed on: \(failed) packets.\(unfinished) Errors from the network: \(networkErrors).\(zeroCopy)
            Found nothing: \(foundNothing) times. No buffer: \(exhaustions) times.\(missing)
            System calls: \(calls), \(perPacket(Double(calls), 3)) a packet.
            CPU time: \(decimal(processorTime / .milliseconds(1), places: 1)) ms, \(perPacket(processorTime / .microseconds(1), 3)) µs a packet.
            """
    }
}

extension Errno {
    /// Whether a connected datagram socket reports with it what became of an earlier packet, which says nothing of the next one.
    var isOfTheNetwork: Bool { tunnel_is_network_error(rawValue) }
}

/// The processor time that the process has used so far.
func processorTime() -> Duration {
    let time = process_used_time()
    return .microseconds(time.user + time.system)
}
