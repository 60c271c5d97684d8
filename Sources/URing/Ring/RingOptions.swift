// SPDX-License-Identifier: Apache-2.0

import CURing
import Glibc

/// How a ring is set up; each option is an `IORING_SETUP_*` flag or parameter of io_uring_setup(2).
///
/// A ring made with ``recommended`` takes what the kernel has of it. Options set by hand are required, unless they are named in
/// ``optional``.
public struct RingOptions: Sendable, Hashable {
    /// One of the flags.
    public struct Flags: OptionSet, Sendable, Hashable {
        /// The kernel's bits.
        public let rawValue: UInt32

        /// Takes the kernel's bits.
        public init(rawValue: UInt32) {
            self.rawValue = rawValue
        }

        /// Polls the device for completions; only for direct I/O on devices that can.
        public static let ioPolling = Flags(rawValue: CURING_SETUP_IOPOLL)
        /// Caps sizes that are too large, as far as 32 bits go, instead of failing.
        public static let clampsSizes = Flags(rawValue: CURING_SETUP_CLAMP)
        /// Starts the ring disabled, until ``Ring/enable()``: the thread that enables it becomes its submitter (Linux 5.10).
        public static let startsDisabled = Flags(rawValue: CURING_SETUP_R_DISABLED)
        /// Goes on with a batch after an entry that fails (Linux 5.18).
        public static let submitsAll = Flags(rawValue: CURING_SETUP_SUBMIT_ALL)
        /// Completes work when the thread enters the kernel anyway, without interrupting it (Linux 5.19).
        public static let cooperativeTaskRun = Flags(rawValue: CURING_SETUP_COOP_TASKRUN)
        /// Shows when such work is waiting, so that an empty ``Ring/nextCompletion()`` knows to fetch it (Linux 5.19).
        ///
        /// It needs ``cooperativeTaskRun`` or ``deferredTaskRun`` as well.
        public static let showsPendingTaskRun = Flags(rawValue: CURING_SETUP_TASKRUN_FLAG)
        /// Has entries of 128 bytes (Linux 5.19).
        public static let largeSubmissions = Flags(rawValue: CURING_SETUP_SQE128)
        /// Has completions of 32 bytes (Linux 5.19).
        public static let largeCompletions = Flags(rawValue: CURING_SETUP_CQE32)
        /// Has completions of 16 and of 32 bytes (Linux 6.18).
        ///
        /// Only raw operations have large ones. With those the completion queue must never be full: the kernel (6.18) then gives a completion
        /// once more, as if an operation that was taken, or is still held, had ended again. ``largeCompletions`` does not have that fault.
        public static let mixedCompletions = Flags(rawValue: CURING_SETUP_CQE_MIXED)
        /// Lets one thread only submit: the one that made the ring, or enabled it (Linux 6.0).
        ///
        /// Every other thread gets `EEXIST`.
        public static let singleIssuer = Flags(rawValue: CURING_SETUP_SINGLE_ISSUER)
        /// Completes work only when the submitter waits or calls ``Ring/processPending()`` (Linux 6.1).
        ///
        /// It needs ``singleIssuer`` as well.
        public static let deferredTaskRun = Flags(rawValue: CURING_SETUP_DEFER_TASKRUN)
        /// Does without the array of indexes (Linux 6.6).
        public static let noSubmissionArray = Flags(rawValue: CURING_SETUP_NO_SQARRAY)
        /// Sleeps before it polls the device (Linux 6.13).
        ///
        /// It needs ``ioPolling`` as well.
        public static let hybridPolling = Flags(rawValue: CURING_SETUP_HYBRID_IOPOLL)
        /// Fills the queue from its beginning each time (Linux 7.0); URing does not support it and falls back.
        static let rewindsSubmissions = Flags(rawValue: CURING_SETUP_SQ_REWIND)
    }

    /// A kernel thread that submits what is published (SQPOLL).
    public struct SubmissionPolling: Sendable, Hashable {
        /// How long the thread goes on looking before it sleeps; the kernel's default, one second, when it is zero.
        ///
        /// The kernel counts milliseconds; parts of one count as a whole.
        public var idle: Duration
        /// The processor it is bound to; else it may run where the thread that makes the ring may.
        public var processor: Int?
        /// Whether it may have to share one processor with the thread that makes the ring.
        ///
        /// They would take turns, each for as long as the scheduler lets it: an operation then takes milliseconds. Unless this is set, making such
        /// a ring fails on a machine with several processors, with ``RingSetupError/Cause/sharedProcessor(_:)``.
        public var mayShareProcessor: Bool

        /// Describes a polling thread.
        public init(idle: Duration = .zero, processor: Int? = nil, mayShareProcessor: Bool = false) {
            self.idle = idle
            self.processor = processor
            self.mayShareProcessor = mayShareProcessor
        }
    }

    /// The flags to set.
    public var flags: Flags
    /// The flags among them that the ring may do without on a kernel that does not know them.
    public var optional: Flags
    /// How many completions the queue holds before the kernel keeps them aside; twice the entries by default.
    public var completionQueueEntries: Int?
    /// A kernel thread that submits (SQPOLL).
    public var submissionPolling: SubmissionPolling?
    /// A ring whose worker threads to share, and its polling thread if both have one.
    ///
    /// It has to be open while the new ring is made; ``Ring/descriptor`` is what to put here. With a polling thread that several rings share,
    /// the idle time is the longest of them.
    public var sharedWorkers: UnownedDescriptor?
    /// For how many waits that are alike the ring has room to register them; see ``Ring/registerWait(_:)`` (Linux 6.13).
    public var registeredWaitCount: Int
    /// Whether a thread that waits in the ring counts as waiting for a disk.
    ///
    /// It does not by default, where the kernel can leave it out (Linux 6.15; it always counts before that). Tools show such a wait as
    /// I/O wait, and the kernel may raise the processor's frequency for it, which saves some latency and costs energy.
    public var countsAsIOWait: Bool
    /// Whether a forked child inherits the ring's memory, for programs of C that look at it; with URing it can only drop it, see <doc:Threads>.
    public var isKeptOnFork: Bool
    /// Whether ``Ring/prepare(_:tag:)`` submits when the queue is full; else it throws `EAGAIN`.
    ///
    /// With a polling thread that other rings share, a chain, or an operation with a limit of time, has to begin where the thread does, so it
    /// throws also when something is queued before it that was not submitted.
    public var submitsWhenFull: Bool

    /// Describes a ring with these flags and no others.
    public init(_ flags: Flags = []) {
        self.flags = flags
        optional = []
        completionQueueEntries = nil
        submissionPolling = nil
        sharedWorkers = nil
        registeredWaitCount = 0
        countsAsIOWait = false
        isKeptOnFork = false
        submitsWhenFull = true
    }

    /// The best that the running kernel has for one thread that submits and waits.
    public static var recommended: RingOptions {
        var options = RingOptions([
            .singleIssuer, .deferredTaskRun, .showsPendingTaskRun, .submitsAll, .noSubmissionArray, .clampsSizes,
        ])
        options.optional = options.flags
        return options
    }

    /// The best that the running kernel has for one thread that leaves submitting to a kernel thread.
    ///
    /// That thread excludes ``Flags/deferredTaskRun``.
    public static func recommended(submissionPolling: SubmissionPolling) -> RingOptions {
        var options = RingOptions([.singleIssuer, .submitsAll, .noSubmissionArray, .clampsSizes])
        options.optional = options.flags
        options.submissionPolling = submissionPolling
        return options
    }
}

extension RingOptions {
    /// The optional flags from the newest to the oldest, in groups that make sense only together: the order in which they are given up.
    static let fallbackOrder: [Flags] = [
        .rewindsSubmissions, .mixedCompletions, .hybridPolling, .noSubmissionArray, [.deferredTaskRun],
        [.singleIssuer], [.showsPendingTaskRun, .cooperativeTaskRun], [.largeSubmissions, .largeCompletions], .submitsAll, .clampsSizes,
    ]

    /// The processor that the calling thread and a new polling thread would have to share on a machine that has others.
    var processorOfBothThreads: Int? {
        guard let submissionPolling, !submissionPolling.mayShareProcessor, sharedWorkers == nil, sysconf(Int32(_SC_NPROCESSORS_ONLN)) > 1
        else { return nil }
        // The kernel has the new thread run where this one may.
        let processor = Int(curing_only_processor())
        return processor >= 0 && submissionPolling.processor ?? processor == processor ? processor : nil
    }

    /// The same options with a polling thread that is not bound.
    var withoutPollingProcessor: RingOptions {
        var options = self
        options.submissionPolling?.processor = nil
        return options
    }

    func parameters(flags: Flags, entries: Int) -> curing_params {
        var parameters = curing_params()
        parameters.flags = flags.rawValue
        if let completionQueueEntries {
            parameters.flags |= CURING_SETUP_CQSIZE
            parameters.cq_entries = UInt32(completionQueueEntries)
        }
        if let submissionPolling {
            parameters.flags |= CURING_SETUP_SQPOLL
            parameters.sq_thread_idle = submissionPolling.idle.millisecondsInWord
            if let processor = submissionPolling.processor {
                parameters.flags |= CURING_SETUP_SQ_AFF
                parameters.sq_thread_cpu = UInt32(processor)
            }
        }
        if let sharedWorkers {
            parameters.flags |= CURING_SETUP_ATTACH_WQ
            parameters.wq_fd = UInt32(bitPattern: sharedWorkers.fileDescriptor.rawValue)
        }
        // The kernel takes a wait region only while nobody can wait.
        if registeredWaitCount > 0 { parameters.flags |= CURING_SETUP_R_DISABLED }
        return parameters
    }
}
