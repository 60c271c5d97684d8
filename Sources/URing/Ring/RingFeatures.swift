// SPDX-License-Identifier: Apache-2.0

import CURing

/// What a kernel's rings can do, `IORING_FEAT_*`.
public struct RingFeatures: OptionSet, Sendable, Hashable {
    /// The kernel's bits.
    public let rawValue: UInt32

    /// Takes the kernel's bits.
    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// Both queues share one mapping (Linux 5.4).
    public static let singleMapping = RingFeatures(rawValue: CURING_FEAT_SINGLE_MMAP)
    /// Completions are kept when the queue is full (Linux 5.5).
    public static let noDrop = RingFeatures(rawValue: CURING_FEAT_NODROP)
    /// What an entry points to is consumed with the entry (Linux 5.5).
    public static let stableSubmissions = RingFeatures(rawValue: CURING_FEAT_SUBMIT_STABLE)
    /// Reads and writes can use the file's own position (Linux 5.6).
    public static let currentPosition = RingFeatures(rawValue: CURING_FEAT_RW_CUR_POS)
    /// Operations run with the submitter's credentials (Linux 5.6).
    public static let currentPersonality = RingFeatures(rawValue: CURING_FEAT_CUR_PERSONALITY)
    /// Operations wait by polling instead of in a worker thread (Linux 5.7).
    public static let fastPoll = RingFeatures(rawValue: CURING_FEAT_FAST_POLL)
    /// Polls take 32 bits of events (Linux 5.9).
    public static let poll32Bits = RingFeatures(rawValue: CURING_FEAT_POLL_32BITS)
    /// A polling thread takes normal descriptors (Linux 5.11).
    public static let pollingNonFixed = RingFeatures(rawValue: CURING_FEAT_SQPOLL_NONFIXED)
    /// Waits take a timeout (Linux 5.11).
    public static let extendedArgument = RingFeatures(rawValue: CURING_FEAT_EXT_ARG)
    /// Worker threads belong to the process (Linux 5.12).
    public static let nativeWorkers = RingFeatures(rawValue: CURING_FEAT_NATIVE_WORKERS)
    /// Registered resources can have tags (Linux 5.13).
    public static let resourceTags = RingFeatures(rawValue: CURING_FEAT_RSRC_TAGS)
    /// Completions of successes can be left out (Linux 5.17).
    public static let completionSkip = RingFeatures(rawValue: CURING_FEAT_CQE_SKIP)
    /// A chain's files are looked up when their operation starts (Linux 5.17).
    public static let linkedFile = RingFeatures(rawValue: CURING_FEAT_LINKED_FILE)
    /// Registrations can go through a registered ring (Linux 6.3).
    public static let registeredRing = RingFeatures(rawValue: CURING_FEAT_REG_REG_RING)
    /// Sends and receives can use several provided buffers (Linux 6.10).
    public static let bundles = RingFeatures(rawValue: CURING_FEAT_RECVSEND_BUNDLE)
    /// Waits take a minimum time (Linux 6.12).
    public static let minimumTimeout = RingFeatures(rawValue: CURING_FEAT_MIN_TIMEOUT)
    /// Reads and writes take attributes (Linux 6.15).
    public static let transferAttributes = RingFeatures(rawValue: CURING_FEAT_RW_ATTR)
    /// Waits need not count as waiting for I/O (Linux 6.15).
    public static let noIOWait = RingFeatures(rawValue: CURING_FEAT_NO_IOWAIT)
}
