// SPDX-License-Identifier: Apache-2.0

import CURing

/// The code of an operation, `IORING_OP_*`.
@frozen
public struct Opcode: RawRepresentable, Sendable, Hashable {
    /// The kernel's number.
    public let rawValue: UInt8

    /// Names an operation by the kernel's number.
    @inlinable
    public init(rawValue: UInt8) {
        self.rawValue = rawValue
    }
}

extension Opcode {
    /// `IORING_OP_NOP`.
    @inlinable public static var nop: Opcode { Opcode(rawValue: CURING_OP_NOP) }
    /// `IORING_OP_READV`.
    @inlinable public static var readVectored: Opcode { Opcode(rawValue: CURING_OP_READV) }
    /// `IORING_OP_WRITEV`.
    @inlinable public static var writeVectored: Opcode { Opcode(rawValue: CURING_OP_WRITEV) }
    /// `IORING_OP_FSYNC`.
    @inlinable public static var fsync: Opcode { Opcode(rawValue: CURING_OP_FSYNC) }
    /// `IORING_OP_READ_FIXED`.
    @inlinable public static var readFixed: Opcode { Opcode(rawValue: CURING_OP_READ_FIXED) }
    /// `IORING_OP_WRITE_FIXED`.
    @inlinable public static var writeFixed: Opcode { Opcode(rawValue: CURING_OP_WRITE_FIXED) }
    /// `IORING_OP_POLL_ADD`.
    @inlinable public static var pollAdd: Opcode { Opcode(rawValue: CURING_OP_POLL_ADD) }
    /// `IORING_OP_POLL_REMOVE`.
    @inlinable public static var pollRemove: Opcode { Opcode(rawValue: CURING_OP_POLL_REMOVE) }
    /// `IORING_OP_SYNC_FILE_RANGE`.
    @inlinable public static var syncFileRange: Opcode { Opcode(rawValue: CURING_OP_SYNC_FILE_RANGE) }
    /// `IORING_OP_SENDMSG`.
    @inlinable public static var sendMessage: Opcode { Opcode(rawValue: CURING_OP_SENDMSG) }
    /// `IORING_OP_RECVMSG`.
    @inlinable public static var receiveMessage: Opcode { Opcode(rawValue: CURING_OP_RECVMSG) }
    /// `IORING_OP_TIMEOUT`.
    @inlinable public static var timeout: Opcode { Opcode(rawValue: CURING_OP_TIMEOUT) }
    /// `IORING_OP_TIMEOUT_REMOVE`.
    @inlinable public static var timeoutRemove: Opcode { Opcode(rawValue: CURING_OP_TIMEOUT_REMOVE) }
    /// `IORING_OP_ACCEPT`.
    @inlinable public static var accept: Opcode { Opcode(rawValue: CURING_OP_ACCEPT) }
    /// `IORING_OP_ASYNC_CANCEL`.
    @inlinable public static var asyncCancel: Opcode { Opcode(rawValue: CURING_OP_ASYNC_CANCEL) }
    /// `IORING_OP_LINK_TIMEOUT`.
    @inlinable public static var linkTimeout: Opcode { Opcode(rawValue: CURING_OP_LINK_TIMEOUT) }
    /// `IORING_OP_CONNECT`.
    @inlinable public static var connect: Opcode { Opcode(rawValue: CURING_OP_CONNECT) }
    /// `IORING_OP_FALLOCATE`.
    @inlinable public static var fallocate: Opcode { Opcode(rawValue: CURING_OP_FALLOCATE) }
    /// `IORING_OP_OPENAT`.
    @inlinable public static var openAt: Opcode { Opcode(rawValue: CURING_OP_OPENAT) }
    /// `IORING_OP_CLOSE`.
    @inlinable public static var close: Opcode { Opcode(rawValue: CURING_OP_CLOSE) }
    /// `IORING_OP_FILES_UPDATE`.
    @inlinable public static var filesUpdate: Opcode { Opcode(rawValue: CURING_OP_FILES_UPDATE) }
    /// `IORING_OP_STATX`.
    @inlinable public static var statx: Opcode { Opcode(rawValue: CURING_OP_STATX) }
    /// `IORING_OP_READ`.
    @inlinable public static var read: Opcode { Opcode(rawValue: CURING_OP_READ) }
    /// `IORING_OP_WRITE`.
    @inlinable public static var write: Opcode { Opcode(rawValue: CURING_OP_WRITE) }
    /// `IORING_OP_FADVISE`.
    @inlinable public static var fadvise: Opcode { Opcode(rawValue: CURING_OP_FADVISE) }
    /// `IORING_OP_MADVISE`.
    @inlinable public static var madvise: Opcode { Opcode(rawValue: CURING_OP_MADVISE) }
    /// `IORING_OP_SEND`.
    @inlinable public static var send: Opcode { Opcode(rawValue: CURING_OP_SEND) }
    /// `IORING_OP_RECV`.
    @inlinable public static var receive: Opcode { Opcode(rawValue: CURING_OP_RECV) }
    /// `IORING_OP_OPENAT2`.
    @inlinable public static var openAt2: Opcode { Opcode(rawValue: CURING_OP_OPENAT2) }
    /// `IORING_OP_EPOLL_CTL`.
    @inlinable public static var epollCtl: Opcode { Opcode(rawValue: CURING_OP_EPOLL_CTL) }
    /// `IORING_OP_SPLICE`.
    @inlinable public static var splice: Opcode { Opcode(rawValue: CURING_OP_SPLICE) }
    /// `IORING_OP_PROVIDE_BUFFERS`.
    @inlinable public static var provideBuffers: Opcode { Opcode(rawValue: CURING_OP_PROVIDE_BUFFERS) }
    /// `IORING_OP_REMOVE_BUFFERS`.
    @inlinable public static var removeBuffers: Opcode { Opcode(rawValue: CURING_OP_REMOVE_BUFFERS) }
    /// `IORING_OP_TEE`.
    @inlinable public static var tee: Opcode { Opcode(rawValue: CURING_OP_TEE) }
    /// `IORING_OP_SHUTDOWN`.
    @inlinable public static var shutdown: Opcode { Opcode(rawValue: CURING_OP_SHUTDOWN) }
    /// `IORING_OP_RENAMEAT`.
    @inlinable public static var renameAt: Opcode { Opcode(rawValue: CURING_OP_RENAMEAT) }
    /// `IORING_OP_UNLINKAT`.
    @inlinable public static var unlinkAt: Opcode { Opcode(rawValue: CURING_OP_UNLINKAT) }
    /// `IORING_OP_MKDIRAT`.
    @inlinable public static var mkdirAt: Opcode { Opcode(rawValue: CURING_OP_MKDIRAT) }
    /// `IORING_OP_SYMLINKAT`.
    @inlinable public static var symlinkAt: Opcode { Opcode(rawValue: CURING_OP_SYMLINKAT) }
    /// `IORING_OP_LINKAT`.
    @inlinable public static var linkAt: Opcode { Opcode(rawValue: CURING_OP_LINKAT) }
    /// `IORING_OP_MSG_RING`.
    @inlinable public static var msgRing: Opcode { Opcode(rawValue: CURING_OP_MSG_RING) }
    /// `IORING_OP_FSETXATTR`.
    @inlinable public static var fsetxattr: Opcode { Opcode(rawValue: CURING_OP_FSETXATTR) }
    /// `IORING_OP_SETXATTR`.
    @inlinable public static var setxattr: Opcode { Opcode(rawValue: CURING_OP_SETXATTR) }
    /// `IORING_OP_FGETXATTR`.
    @inlinable public static var fgetxattr: Opcode { Opcode(rawValue: CURING_OP_FGETXATTR) }
    /// `IORING_OP_GETXATTR`.
    @inlinable public static var getxattr: Opcode { Opcode(rawValue: CURING_OP_GETXATTR) }
    /// `IORING_OP_SOCKET`.
    @inlinable public static var socket: Opcode { Opcode(rawValue: CURING_OP_SOCKET) }
    /// `IORING_OP_URING_CMD`.
    @inlinable public static var uringCmd: Opcode { Opcode(rawValue: CURING_OP_URING_CMD) }
    /// `IORING_OP_SEND_ZC`.
    @inlinable public static var sendZeroCopy: Opcode { Opcode(rawValue: CURING_OP_SEND_ZC) }
    /// `IORING_OP_SENDMSG_ZC`.
    @inlinable public static var sendMessageZeroCopy: Opcode { Opcode(rawValue: CURING_OP_SENDMSG_ZC) }
    /// `IORING_OP_READ_MULTISHOT`.
    @inlinable public static var readMultishot: Opcode { Opcode(rawValue: CURING_OP_READ_MULTISHOT) }
    /// `IORING_OP_WAITID`.
    @inlinable public static var waitid: Opcode { Opcode(rawValue: CURING_OP_WAITID) }
    /// `IORING_OP_FUTEX_WAIT`.
    @inlinable public static var futexWait: Opcode { Opcode(rawValue: CURING_OP_FUTEX_WAIT) }
    /// `IORING_OP_FUTEX_WAKE`.
    @inlinable public static var futexWake: Opcode { Opcode(rawValue: CURING_OP_FUTEX_WAKE) }
    /// `IORING_OP_FUTEX_WAITV`.
    @inlinable public static var futexWaitv: Opcode { Opcode(rawValue: CURING_OP_FUTEX_WAITV) }
    /// `IORING_OP_FIXED_FD_INSTALL`.
    @inlinable public static var fixedFdInstall: Opcode { Opcode(rawValue: CURING_OP_FIXED_FD_INSTALL) }
    /// `IORING_OP_FTRUNCATE`.
    @inlinable public static var ftruncate: Opcode { Opcode(rawValue: CURING_OP_FTRUNCATE) }
    /// `IORING_OP_BIND`.
    @inlinable public static var bind: Opcode { Opcode(rawValue: CURING_OP_BIND) }
    /// `IORING_OP_LISTEN`.
    @inlinable public static var listen: Opcode { Opcode(rawValue: CURING_OP_LISTEN) }
    /// `IORING_OP_RECV_ZC`.
    @inlinable public static var receiveZeroCopy: Opcode { Opcode(rawValue: CURING_OP_RECV_ZC) }
    /// `IORING_OP_EPOLL_WAIT`.
    @inlinable public static var epollWait: Opcode { Opcode(rawValue: CURING_OP_EPOLL_WAIT) }
    /// `IORING_OP_READV_FIXED`.
    @inlinable public static var readVectoredFixed: Opcode { Opcode(rawValue: CURING_OP_READV_FIXED) }
    /// `IORING_OP_WRITEV_FIXED`.
    @inlinable public static var writeVectoredFixed: Opcode { Opcode(rawValue: CURING_OP_WRITEV_FIXED) }
    /// `IORING_OP_PIPE`.
    @inlinable public static var pipe: Opcode { Opcode(rawValue: CURING_OP_PIPE) }
    /// `IORING_OP_NOP128`.
    @inlinable public static var nop128: Opcode { Opcode(rawValue: CURING_OP_NOP128) }
    /// `IORING_OP_URING_CMD128`.
    @inlinable public static var uringCmd128: Opcode { Opcode(rawValue: CURING_OP_URING_CMD128) }
}
