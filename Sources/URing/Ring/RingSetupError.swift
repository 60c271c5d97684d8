// SPDX-License-Identifier: Apache-2.0

import CURing
import Glibc
import SystemPackage

/// Why a ring could not be made.
public struct RingSetupError: Error, CustomStringConvertible, Sendable {
    /// The likely reason.
    public enum Cause: Sendable, Hashable {
        /// The kernel has no io_uring, or a seccomp filter says so.
        case kernelWithoutRings
        /// The system's administrator has switched io_uring off with the `kernel.io_uring_disabled` setting.
        case disabledByAdministrator(setting: Int)
        /// A seccomp filter or a security module forbids it, as container runtimes do.
        case forbidden
        /// There is no memory for the queues, most likely because of the limit on locked memory.
        ///
        /// Linux before 5.12, and again from 6.14 on, counts the queues of all of a user's rings against it, unless the process has
        /// `CAP_IPC_LOCK`. What a ring took may be given back a moment after the ring is gone.
        case lockedMemoryLimit
        /// The process may not have the addresses that the ring's table of operations needs, or not so many mappings.
        case addressSpaceLimit
        /// The user may not have another thread, which the kernel needs for polling.
        case threadLimit
        /// The process or the system has too many files open.
        case tooManyDescriptors
        /// The number of entries is zero or more than the kernel allows.
        case entryCount(Int)
        /// The completion queue is smaller than the submission queue, or larger than the kernel allows.
        case completionQueueEntries(Int)
        /// The kernel does not know an option, or options exclude each other.
        case unsupportedOptions(RingOptions.Flags)
        /// The polling thread cannot run on this processor: there is none of this number, or the process may not use it.
        case pollingProcessor(Int)
        /// The polling thread would have to share this processor with the thread that makes the ring.
        case sharedProcessor(Int)
        /// The kernel cannot register waits, or not so many.
        case registeredWaitCount(Int)
        /// Something else.
        case other
    }

    /// What the kernel returned.
    public let errno: Errno
    /// The likely reason.
    public let cause: Cause

    /// The reason as a sentence.
    public var description: String {
        let reason =
            switch cause {
            case .kernelWithoutRings:
                "this kernel has no io_uring, or a seccomp filter says so; URing needs Linux 5.6 or newer, and 6.1 for most of what it does"
            case .disabledByAdministrator(setting: 1):
                "io_uring is kept for privileged processes here: kernel.io_uring_disabled is 1; an administrator can set it to 0, or "
                    + "add the user to the group that kernel.io_uring_group names"
            case .disabledByAdministrator(let setting):
                "io_uring is switched off here: kernel.io_uring_disabled is \(setting); an administrator can set it to 0"
            case .forbidden:
                "this process may not use io_uring; a seccomp filter (container runtimes have one) or a security module is the likely cause"
            case .lockedMemoryLimit:
                "there is no memory for it, most likely because of the limit on locked memory: Linux before 5.12, and from 6.14 on, counts all "
                    + "rings of a user against it, those that ended just now as well, and a process that locks all it has the 16 MiB "
                    + "that each reserves; raise it (ulimit -l, LimitMEMLOCK), make fewer or smaller rings, or give the process CAP_IPC_LOCK"
            case .addressSpaceLimit:
                "the process may not reserve 16 MiB of addresses more; the likely cause is a limit (ulimit -v, vm.max_map_count)"
            case .threadLimit:
                "there is no thread for polling; the likely cause is a limit on the user's threads (ulimit -u, TasksMax)"
            case .tooManyDescriptors: "too many files are open (ulimit -n)"
            case .entryCount(let count):
                "a ring cannot have \(count) entries; the kernel takes 1 to 32768, and rounds up to a power of two"
            case .completionQueueEntries(let count):
                "a completion queue cannot have \(count) entries; the kernel takes no fewer than the submission queue has, and 65536 at most"
            case .unsupportedOptions(let flags):
                "this kernel is too old for one of the options, they exclude each other, or one of them needs another that is not set "
                    + "(setup flags 0x\(String(flags.rawValue, radix: 16)))"
            case .pollingProcessor(let processor):
                "the polling thread cannot run on processor \(processor); it is not there, or this process may not use it"
            case .sharedProcessor(let processor):
                """
                the polling thread would run on processor \(processor) only, and so does this thread; they would wait for each other for \
                milliseconds. Give the polling thread another processor, make the ring before binding the thread, or allow it with \
                mayShareProcessor
                """
            case .registeredWaitCount(let count):
                "a ring cannot register \(count) waits; it takes Linux 6.13, and 65536 is the most"
            case .other: "io_uring_setup failed"
            }
        return "No ring: \(reason) (\(errno))."
    }
}

extension RingSetupError {
    init(_ errno: Errno, entries: Int, completionQueueEntries: Int?, flags: RingOptions.Flags) {
        self.errno = errno
        cause =
            switch errno {
            case .noFunction: .kernelWithoutRings
            case .notPermitted: RingSetupError.disabledSetting.map(Cause.disabledByAdministrator) ?? .forbidden
            case .permissionDenied: .forbidden
            case .noMemory: .lockedMemoryLimit
            case .tooManyOpenFiles, .tooManyOpenFilesInSystem: .tooManyDescriptors
            case .invalidArgument where entries < 1 || entries > 32768: .entryCount(entries)
            case .invalidArgument where completionQueueEntries.map { $0 < entries || $0 > 65536 } ?? false:
                .completionQueueEntries(completionQueueEntries ?? 0)
            case .invalidArgument: .unsupportedOptions(flags)
            default: .other
            }
    }

    /// The administrator's setting, when it is the one that forbids rings.
    private static var disabledSetting: Int? {
        guard let file = try? FileDescriptor.open(FilePath("/proc/sys/kernel/io_uring_disabled"), .readOnly) else { return nil }
        defer { try? file.close() }
        var digit: UInt8 = 0
        let count = try? unsafe withUnsafeMutableBytes(of: &digit) { unsafe try file.read(into: $0) }
        guard count == 1, digit > UInt8(ascii: "0"), digit <= UInt8(ascii: "9") else { return nil }
        return Int(digit - UInt8(ascii: "0"))
    }
}
