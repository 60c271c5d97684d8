// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage

/// Sets an option of a socket.
///
/// The result is empty. This is how a ``DirectDescriptor``, which setsockopt(2) does not know, gets its options; a ``Descriptor`` gets them
/// without a ring with ``Descriptor/setOption(_:to:)``. An option that the socket does not have is `ENOPROTOOPT`, or `EOPNOTSUPP` where the
/// kind of socket has no such options.
///
/// - Requires: Linux 6.7, `IORING_OP_URING_CMD` with `SOCKET_URING_OP_SETSOCKOPT`.
/// - Important: The kernel reads the value from the operation's kernel data until the completion.
///
/// The liburing function is `io_uring_prep_cmd_sock`; see `io_uring_prep_cmd(3)`, `setsockopt(2)`.
@frozen
public struct SetSocketOption<Value: SocketOptionValue>: SingleShotOperation, ~Copyable {
    /// The socket, kept open until the operation is done.
    public var file: FileHold
    /// The option.
    public var option: SocketOption<Value>
    /// What it is set to.
    public var value: Value

    /// Makes the operation.
    ///
    /// - Parameters:
    ///   - file: The socket; another file is `EOPNOTSUPP` in the result.
    ///   - option: The option.
    ///   - value: What it is set to.
    @inlinable @inline(__always)
    public init(_ file: borrowing some FileResource & ~Copyable, _ option: SocketOption<Value>, to value: Value) {
        self.file = file.hold()
        self.option = option
        self.value = value
    }

    @inlinable public static var opcode: Opcode { .uringCmd }

    @inlinable public static var minimumKernel: KernelVersion { KernelVersion(6, 7) }

    @inlinable @inline(__always)
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<Int32>) {
        // SAFETY: the kernel data is uninitialised, and stays in place until the operation is done.
        unsafe kernelData.initialize(to: value.optionNumber)
        entry.setFile(file)
        entry.setSocketCommand(CURING_SOCKET_OP_SETSOCKOPT)
        unsafe entry.setSocketOption(level: option.level, name: option.name, value: kernelData)
    }

    @inlinable @inline(__always)
    @unsafe public mutating func complete(_ completion: CompletionEntry, kernelData: borrowing Int32) -> Result<Void, Errno> {
        completion.status
    }
}

/// Reads an option of a socket.
///
/// The result is the option's value. The kernel gives options of the level `SOL_SOCKET` only; others, such as ``SocketOption/noDelay``, are
/// `EOPNOTSUPP`, though they can be set. A ``Descriptor`` tells all of them without a ring, with ``Descriptor/option(_:)``.
///
/// - Requires: Linux 6.7, `IORING_OP_URING_CMD` with `SOCKET_URING_OP_GETSOCKOPT`.
/// - Important: The kernel writes the value to the operation's kernel data until the completion.
///
/// The liburing function is `io_uring_prep_cmd_sock`; see `io_uring_prep_cmd(3)`, `getsockopt(2)`.
@frozen
public struct GetSocketOption<Value: SocketOptionValue>: SingleShotOperation, ~Copyable {
    /// The socket, kept open until the operation is done.
    public var file: FileHold
    /// The option.
    public var option: SocketOption<Value>

    /// Makes the operation.
    ///
    /// - Parameters:
    ///   - file: The socket; another file is `EOPNOTSUPP` in the result.
    ///   - option: The option.
    @inlinable @inline(__always)
    public init(_ file: borrowing some FileResource & ~Copyable, _ option: SocketOption<Value>) {
        self.file = file.hold()
        self.option = option
    }

    @inlinable public static var opcode: Opcode { .uringCmd }

    @inlinable public static var minimumKernel: KernelVersion { KernelVersion(6, 7) }

    @inlinable @inline(__always)
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<Int32>) {
        // SAFETY: the kernel data is uninitialised, and stays in place until the operation is done.
        unsafe kernelData.initialize(to: 0)
        entry.setFile(file)
        entry.setSocketCommand(CURING_SOCKET_OP_GETSOCKOPT)
        unsafe entry.setSocketOption(level: option.level, name: option.name, value: kernelData)
    }

    @inlinable @inline(__always)
    @unsafe public mutating func complete(_ completion: CompletionEntry, kernelData: borrowing Int32) -> Result<Value, Errno> {
        if let errno = completion.errno { return .failure(errno) }
        return .success(Value(optionNumber: copy kernelData))
    }
}

/// Asks how many bytes wait in a socket.
///
/// The result is how many there are. Sockets that do not count them, such as Unix sockets, are `EOPNOTSUPP`, and what a socket is in no
/// condition for, such as what a listening TCP socket received, is `EINVAL`.
///
/// - Requires: Linux 6.7, `IORING_OP_URING_CMD` with `SOCKET_URING_OP_SIOCINQ` or `SOCKET_URING_OP_SIOCOUTQ`.
/// - Important: The kernel touches no memory.
///
/// The liburing function is `io_uring_prep_cmd_sock`; see `io_uring_prep_cmd(3)`, `tcp(7)`, `udp(7)`.
@frozen
public struct SocketQueue: SingleShotOperation, ~Copyable {
    /// Which bytes are counted.
    @frozen
    public enum Bytes: Sendable, Hashable {
        /// Those that have been received and not read: of a datagram socket those of the next datagram. `SIOCINQ`.
        case unread
        /// Those that have been written, and that the other side has not acknowledged. `SIOCOUTQ`.
        case unsent
    }

    /// The socket, kept open until the operation is done.
    public var file: FileHold
    /// Which bytes are counted.
    public var bytes: Bytes

    /// Makes the operation.
    ///
    /// - Parameters:
    ///   - file: The socket; another file is `EOPNOTSUPP` in the result.
    ///   - bytes: Which bytes are counted.
    @inlinable @inline(__always)
    public init(_ file: borrowing some FileResource & ~Copyable, _ bytes: Bytes) {
        self.file = file.hold()
        self.bytes = bytes
    }

    @inlinable public static var opcode: Opcode { .uringCmd }

    @inlinable public static var minimumKernel: KernelVersion { KernelVersion(6, 7) }

    @inlinable @inline(__always)
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<NoKernelData>) {
        entry.setFile(file)
        entry.setSocketCommand(bytes == .unread ? CURING_SOCKET_OP_SIOCINQ : CURING_SOCKET_OP_SIOCOUTQ)
    }

    @inlinable @inline(__always)
    @unsafe public mutating func complete(_ completion: CompletionEntry, kernelData: borrowing NoKernelData) -> Result<Int, Errno> {
        completion.count
    }
}

extension SubmissionEntry {
    /// Makes the entry a command to a socket, whose number is the lower-addressed half of the offset.
    @inlinable @inline(__always)
    func setSocketCommand(_ command: UInt32) {
        opcode = .uringCmd
        unsafe offset = SubmissionEntry.word(command, 0)
    }

    /// Names an option and points the entry at its value: the address carries level and name, and the third address the value's.
    @inlinable @inline(__always)
    @unsafe func setSocketOption(level: Int32, name: Int32, value: UnsafeMutablePointer<Int32>) {
        unsafe address = SubmissionEntry.word(UInt32(bitPattern: level), UInt32(bitPattern: name))
        fileIndex = UInt32(MemoryLayout<Int32>.size)
        unsafe address3 = UInt64(UInt(bitPattern: value))
    }

    /// Two halves in the order of their addresses.
    @inlinable @inline(__always)
    static func word(_ first: UInt32, _ second: UInt32) -> UInt64 {
        #if _endian(little)
            UInt64(first) | UInt64(second) << 32
        #else
            UInt64(first) << 32 | UInt64(second)
        #endif
    }
}
