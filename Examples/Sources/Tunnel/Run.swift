// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Support
import SystemPackage
import URing

/// The command that is one end of a tunnel.
struct Run: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Be one end of a tunnel, until Ctrl-C.",
        discussion: """
            Makes a TUN device, and passes what the system routes to it on to the other end, and what comes from there on to the device. The \
            end with --peer-port calls; the other one waits to be called. Both need CAP_NET_ADMIN. To try it on one machine, run \
            both ends with --isolate, and commands in an end's network with "nsenter --target PID --net":

              tunnel run --isolate --port 4000 --inside 10.9.0.1 --inside-peer 10.9.0.2
              tunnel run --isolate --peer-port 4000 --inside 10.9.0.2 --inside-peer 10.9.0.1
            """)

    enum Engine: String, CaseIterable, ExpressibleByArgument {
        /// One operation for each side that reads again and again.
        case multishot
        /// A number of reads in flight at each side.
        case slots
        /// Epoll in C, to compare with.
        case epoll
        /// The same as multishot in C with liburing, to compare with.
        case liburing
    }

    @Option(help: "What passes packets on: reads that repeat, reads in slots, or, to compare with, epoll or liburing in C.")
    var engine = Engine.multishot

    @Option(help: "How packets travel; \"tcp\" is for the engine \"multishot\".")
    var transport = Transport.udp

    @Option(help: ArgumentHelp("The IPv4 or IPv6 address of this end.", valueName: "ip"))
    var address = "127.0.0.1"

    @Option(help: ArgumentHelp("The port of this end; with 0 the system chooses one, which is printed.", valueName: "number"))
    var port: UInt16 = 0

    @Option(name: .customLong("peer"), help: ArgumentHelp("The IPv4 or IPv6 address of the other end, if this one calls.", valueName: "ip"))
    var peerAddress = "127.0.0.1"

    @Option(help: ArgumentHelp("The port of the other end, if this one calls.", valueName: "number"))
    var peerPort: UInt16?

    @Option(help: ArgumentHelp("The IPv4 address of this end inside the tunnel.", valueName: "ip"))
    var inside = "10.9.0.1"

    @Option(help: ArgumentHelp("The IPv4 address of the other end inside the tunnel.", valueName: "ip"))
    var insidePeer = "10.9.0.2"

    @Option(help: ArgumentHelp("How large a packet may be.", valueName: "bytes"))
    var mtu = 1400

    @Flag(help: "Make the device in a network namespace of the process's own; the socket stays outside.")
    var isolate = false

    @OptionGroup(title: "Tuning")
    var tuning: Tuning

    func validate() throws {
        if let peerPort { try ValidationError.check(peerPort, in: 1...UInt16.max, "--peer-port") }
        try ValidationError.check(mtu, in: 68...65_535, "--mtu")
        if transport == .tcp && engine != .multishot {
            throw ValidationError("--transport tcp is for the engine \"multishot\".")
        }
        if tuning.zeroCopy && (transport == .tcp || engine != .multishot) {
            throw ValidationError("--zero-copy is for the engine \"multishot\" with --transport udp.")
        }
        if tuning.blocking && engine == .epoll { throw ValidationError("The engine \"epoll\" wants a device that does not block.") }
    }

    func run() throws {
        let stop = try stopDescriptor()
        let (own, other) = (try insideAddress(inside, "--inside"), try insideAddress(insidePeer, "--inside-peer"))
        let peer = try peerPort.map { try Support.address(ip: peerAddress, port: $0, "--peer") }
        let outside = try Outside(transport, at: Support.address(ip: address, port: port, "--address"), peer: peer)
        if isolate { try Device.enterNewNetwork() }
        let device = try Device(own: own, peer: other, packetByteCount: mtu, isBlocking: tuning.blocking)
        let meeting = peer.map { "to \($0)" } ?? "for whoever calls"
        say("\(device.name) is \(inside), and \(insidePeer) over \(transport.rawValue) from \(outside.address) \(meeting); Ctrl-C ends.\n")

        guard let socket = try outside.connected(unless: stop) else { return }
        let start = processorTime()
        var statistics = try passPackets(device: device.file, socket: socket, stop: stop)
        statistics.processorTime = processorTime() - start
        say("\(statistics)\n")
    }

    private func passPackets(
        device: borrowing Descriptor, socket: borrowing Descriptor, stop: UnownedDescriptor
    ) throws -> Statistics {
        let options = tuning.loopOptions(packetByteCount: mtu)
        switch (engine, transport) {
        case (.multishot, .udp):
            let loop = try MultishotLoop(device: device, socket: socket, stop: stop, options: options, isZeroCopy: tuning.zeroCopy)
            return try loop.run()
        case (.multishot, .tcp):
            let loop = try StreamLoop(device: device, socket: socket, stop: stop, options: options)
            return try loop.run()
        case (.slots, _):
            let loop = try SlotLoop(device: device, socket: socket, stop: stop, options: options)
            return try loop.run()
        case (.epoll, _):
            return try runEpollLoop(device: device, socket: socket, stop: stop)
        case (.liburing, _):
            return try runLiburingLoop(device: device, socket: socket, stop: stop, options: options)
        }
    }

    private func insideAddress(_ ip: String, _ option: String) throws -> SocketAddress {
        let address = try Support.address(ip: ip, port: 0, option)
        guard address.isIPv4 else { throw Failure("\(option) must be an IPv4 address.") }
        return address
    }
}

/// The options that change how fast it is, and nothing else.
struct Tuning: ParsableArguments {
    @Option(name: .customLong("entries"), help: ArgumentHelp("How many operations the ring takes at once.", valueName: "count"))
    var entryCount = 1024

    @Option(
        name: .customLong("buffers"),
        help: ArgumentHelp("How many packets \"multishot\" has room for: a power of two.", valueName: "count"))
    var bufferCount = 256

    @Option(name: .customLong("tun-slots"), help: ArgumentHelp("How many reads \"slots\" has at the device.", valueName: "count"))
    var deviceSlotCount = 8

    @Option(name: .customLong("udp-slots"), help: ArgumentHelp("How many receives \"slots\" has at the socket.", valueName: "count"))
    var socketSlotCount = 8

    @Option(
        name: .customLong("tx"),
        help: ArgumentHelp("How many packets of \"slots\" may be on their way out while all slots read.", valueName: "count"))
    var sparePacketCount = 64

    @Option(
        name: .customLong("sqpoll-idle"),
        help: ArgumentHelp(
            "Have a thread of the kernel submit, which sleeps after so long without work; it wants a processor of its own.",
            valueName: "milliseconds"))
    var pollingIdle: Int?

    @Option(
        name: .customLong("workers"),
        help: ArgumentHelp("How many threads the kernel may start for reads that block.", valueName: "count"))
    var workerLimit: Int?

    @Flag(help: "Have reads of the device block, instead of failing with EAGAIN when another one had the packet.")
    var blocking = false

    @Flag(help: "Send without a copy, which pays only for packets that are larger than most.")
    var zeroCopy = false

    func validate() throws {
        try ValidationError.check(entryCount, in: 2...32768, "--entries")
        try ValidationError.checkBufferCount(bufferCount, "--buffers")
        try ValidationError.check(deviceSlotCount, in: 1...4096, "--tun-slots")
        try ValidationError.check(socketSlotCount, in: 1...4096, "--udp-slots")
        try ValidationError.check(sparePacketCount, in: 0...1024, "--tx")
        if let pollingIdle { try ValidationError.check(pollingIdle, in: 1...1_000_000, "--sqpoll-idle") }
        if let workerLimit { try ValidationError.check(workerLimit, in: 1...100_000, "--workers") }
    }

    func loopOptions(packetByteCount: Int) -> LoopOptions {
        LoopOptions(
            entryCount: entryCount, bufferCount: bufferCount, packetByteCount: packetByteCount, deviceSlotCount: deviceSlotCount,
            socketSlotCount: socketSlotCount, sparePacketCount: sparePacketCount,
            pollingIdle: pollingIdle.map { .milliseconds($0) }, workerLimit: workerLimit)
    }
}
