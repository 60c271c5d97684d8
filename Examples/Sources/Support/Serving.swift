// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import CProcess
import SystemPackage
import URing

// What commands share that serve until Ctrl-C.

/// Listens at an address, for connections that send what they have at once.
public func listen(at ip: String, port: UInt16) throws -> Descriptor {
    try listen(at: address(ip: ip, port: port, "--address"))
}

/// Listens at an address, for connections that send what they have at once.
public func listen(at wanted: SocketAddress) throws(Failure) -> Descriptor {
    let listener = try attempt("Cannot listen at \(wanted)") { () throws(Errno) in try Descriptor.listening(at: wanted) }
    // The sockets of connections inherit this. An answer that goes out in parts would else wait for the client's acknowledgements.
    try attempt("Cannot set TCP_NODELAY") { () throws(Errno) in try listener.setOption(.noDelay, to: true) }
    return listener
}

/// Makes a datagram socket with an address of its own.
public func datagramSocket(at address: SocketAddress) throws(Failure) -> Descriptor {
    try attempt("Cannot have a socket at \(address)") { () throws(Errno) in
        let socket = try Descriptor.socket(address.domain, .datagram)
        try socket.bind(to: address)
        return socket
    }
}

/// The address of a socket, such as where a listener listens.
public func address(of listener: borrowing Descriptor) throws(Failure) -> SocketAddress {
    do {
        return try listener.localAddress()
    } catch {
        throw Failure("Cannot ask for the address: \(error)")
    }
}

/// Lets the program have as many connections as it may: many systems allow 1024 files until it is asked for more.
public func raiseFileLimit() {
    process_raise_file_limit()
}

/// How much processor time the program has used, as a sentence.
public func usedTime() -> String {
    let time = process_used_time()
    let seconds = { (microseconds: Int64) in decimal(Double(microseconds) / 1e6, places: 2) }
    return "CPU time: \(seconds(time.user + time.system)) s, \(seconds(time.user)) s of it in user space."
}

/// The address that options say; an error names the option that is to be the IP address.
public func address(ip: String, port: UInt16, _ option: String) throws(ValidationError) -> SocketAddress {
    do {
        return try SocketAddress(ip: ip, port: port)
    } catch {
        throw ValidationError("\(option) must be an IPv4 or IPv6 address, such as 127.0.0.1 or ::1.")
    }
}

extension ValidationError {
    /// Throws when an option's value is outside its range.
    public static func check<Value: Comparable>(_ value: Value, in range: ClosedRange<Value>, _ name: String) throws {
        guard range.contains(value) else {
            throw ValidationError("\(name) must be between \(range.lowerBound) and \(range.upperBound).")
        }
    }

    /// Throws when the number of buffers of a pool is one that the kernel does not take.
    public static func checkBufferCount(_ count: Int, _ name: String) throws {
        try check(count, in: 1...32768, name)
        guard count.nonzeroBitCount == 1 else { throw ValidationError("\(name) must be a power of two.") }
    }
}
