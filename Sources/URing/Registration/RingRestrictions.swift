// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage

/// What a ring allows once it is enabled; see ``Ring/restrict(to:)``.
public struct RingRestrictions: Sendable, Hashable {
    /// The operations that the ring takes; entries with others end with `EACCES`.
    public var operations: Set<Opcode>
    /// What may be registered with the ring; the calls for anything else throw `EACCES`.
    ///
    /// What the ring needs to release what it has is always allowed, as far as the kernel knows it: unregistering, cancelling, and emptying
    /// slots of its file table; so slots of a table that was made before can be filled as well.
    public var registrations: Set<Registration>
    /// The flags that entries may have; an entry with another ends with `EACCES`.
    public var allowedFlags: EntryFlags
    /// The flags that each entry must have; one without them ends with `EACCES`.
    public var requiredFlags: EntryFlags

    /// Describes what a ring allows.
    ///
    /// - Parameters:
    ///   - operations: The operations that the ring takes. What it does itself counts as well: an operation with a limit to its time has
    ///     ``Opcode/linkTimeout`` behind it, and ends with `ECANCELED` at once if that is refused; closing with cancelling
    ///     ``Opcode/asyncCancel``, and a ``Close`` that has to be put off ``Opcode/nop``. With a polling thread the ring's end needs that, too,
    ///     for what a worker thread carries out.
    ///   - registrations: What may be registered with the ring.
    ///   - allowedFlags: The flags that entries may have; all by default.
    ///   - requiredFlags: The flags that each entry must have; those that the ring adds itself, such as timeouts, do not.
    public init(
        operations: Set<Opcode>, registrations: Set<Registration> = [], allowedFlags: EntryFlags = .all, requiredFlags: EntryFlags = []
    ) {
        self.operations = operations
        self.registrations = registrations
        self.allowedFlags = allowedFlags
        self.requiredFlags = requiredFlags
    }

    /// What all operations can have in common, `IOSQE_*`.
    public struct EntryFlags: OptionSet, Sendable, Hashable {
        /// The kernel's bits.
        public let rawValue: UInt8

        /// Takes the kernel's bits.
        public init(rawValue: UInt8) {
            self.rawValue = rawValue
        }

        /// The file is a ``DirectDescriptor``; if this is required, no other can be used.
        public static let directDescriptor = EntryFlags(rawValue: CURING_SQE_FIXED_FILE)
        /// It waits for all operations before it, ``PrepareOptions/drains``.
        public static let drain = EntryFlags(rawValue: CURING_SQE_IO_DRAIN)
        /// It is a member of a ``Chain``, or has a timeout.
        public static let link = EntryFlags(rawValue: CURING_SQE_IO_LINK)
        /// It is a member of a hard chain.
        public static let hardLink = EntryFlags(rawValue: CURING_SQE_IO_HARDLINK)
        /// A worker thread does it from the start.
        public static let asynchronous = EntryFlags(rawValue: CURING_SQE_ASYNC)
        /// Its memory comes from a pool of buffers.
        public static let providedBuffer = EntryFlags(rawValue: CURING_SQE_BUFFER_SELECT)
        /// Its success has no completion.
        public static let skipsSuccess = EntryFlags(rawValue: CURING_SQE_CQE_SKIP_SUCCESS)
        /// All of these.
        public static let all: EntryFlags = [
            .directDescriptor, .drain, .link, .hardLink, .asynchronous, .providedBuffer, .skipsSuccess,
        ]
    }

    /// Something that can be registered with a ring, `IORING_REGISTER_*`.
    public struct Registration: RawRepresentable, Sendable, Hashable {
        /// The kernel's number.
        public let rawValue: UInt8

        /// Names a registration by the kernel's number.
        public init(rawValue: UInt8) {
            self.rawValue = rawValue
        }

        private init(_ number: UInt32) {
            rawValue = UInt8(truncatingIfNeeded: number)
        }

        /// Asking for the operations that there are, ``Ring/probe()``.
        public static let probe = Registration(CURING_REGISTER_PROBE)
        /// File tables, ``FileTable``.
        public static let files = Registration(CURING_REGISTER_FILES2)
        /// The slots of a file table that the kernel may choose.
        public static let fileAllocationRange = Registration(CURING_REGISTER_FILE_ALLOC_RANGE)
        /// Registered buffers, ``RegisteredBuffers``.
        public static let buffers = Registration(CURING_REGISTER_BUFFERS2)
        /// Putting a registered buffer into a slot, or taking it out.
        public static let buffersUpdate = Registration(CURING_REGISTER_BUFFERS_UPDATE)
        /// Cloning another ring's registered buffers.
        public static let clonedBuffers = Registration(CURING_REGISTER_CLONE_BUFFERS)
        /// Pools of buffers, ``BufferRing``, and queues of them, ``SendQueue``; with it ``bufferRingStatus``, which a queue needs.
        ///
        /// A queue that was made before the ring is restricted needs it as well, as soon as a send leaves something.
        public static let bufferRings = Registration(CURING_REGISTER_PBUF_RING)
        /// Asking how far the kernel is in a pool of buffers.
        public static let bufferRingStatus = Registration(CURING_REGISTER_PBUF_STATUS)
        /// An eventfd, ``Ring/registerEvents(on:onlyAsynchronous:)``.
        public static let events = Registration(CURING_REGISTER_EVENTFD)
        /// An eventfd for the completions of worker threads.
        public static let asynchronousEvents = Registration(CURING_REGISTER_EVENTFD_ASYNC)
        /// Credentials, ``Ring/registerPersonality()``.
        public static let personalities = Registration(CURING_REGISTER_PERSONALITY)
        /// The ring's own descriptor, ``Ring/registerDescriptor()``.
        public static let ringDescriptor = Registration(CURING_REGISTER_RING_FDS)
        /// The clock of its waits, ``Ring/useClock(_:)``.
        public static let clock = Registration(CURING_REGISTER_CLOCK)
        /// Other sizes of its queues.
        public static let resize = Registration(CURING_REGISTER_RESIZE_RINGS)
        /// Busy polling of network devices.
        public static let busyPolling = Registration(CURING_REGISTER_NAPI)
        /// The processors of its worker threads.
        public static let workerProcessors = Registration(CURING_REGISTER_IOWQ_AFF)
        /// The limits of its worker threads.
        public static let workerLimits = Registration(CURING_REGISTER_IOWQ_MAX_WORKERS)

        /// What a ring does to release what it has: without these it would not come to its end, and descriptors would stay open.
        ///
        /// No two have the same number, so the newest is the one with the largest.
        static let releases: [Registration] = [
            Registration(CURING_REGISTER_ENABLE_RINGS), Registration(CURING_REGISTER_SYNC_CANCEL),
            Registration(CURING_REGISTER_FILES_UPDATE2), Registration(CURING_UNREGISTER_FILES), Registration(CURING_UNREGISTER_BUFFERS),
            Registration(CURING_UNREGISTER_PBUF_RING), Registration(CURING_UNREGISTER_EVENTFD), Registration(CURING_UNREGISTER_PERSONALITY),
            Registration(CURING_UNREGISTER_RING_FDS), Registration(CURING_UNREGISTER_NAPI), Registration(CURING_UNREGISTER_IOWQ_AFF),
        ]
    }

    /// Whether an entry may close: it never has a file that is a slot, a buffer of a pool, or no completion.
    var allowClosing: Bool {
        operations.contains(.close) && requiredFlags.isDisjoint(with: [.directDescriptor, .providedBuffer, .skipsSuccess])
    }

    /// What is allowed without having been asked for.
    ///
    /// A ``SendQueue`` asks for the status of its entries, and that changes nothing.
    var implied: [Registration] {
        registrations.contains(.bufferRings) ? Registration.releases + [.bufferRingStatus] : Registration.releases
    }

    /// The kernel's form.
    func elements(with implied: [Registration]) -> [curing_restriction] {
        var elements = operations.map { curing_restriction(CURING_RESTRICTION_SQE_OP, $0.rawValue) }
        for registration in registrations.union(implied) {
            elements.append(curing_restriction(CURING_RESTRICTION_REGISTER_OP, registration.rawValue))
        }
        elements.append(curing_restriction(CURING_RESTRICTION_SQE_FLAGS_ALLOWED, allowedFlags.rawValue))
        elements.append(curing_restriction(CURING_RESTRICTION_SQE_FLAGS_REQUIRED, requiredFlags.rawValue))
        return elements
    }
}

extension curing_restriction {
    fileprivate init(_ kind: UInt16, _ value: UInt8) {
        self.init()
        opcode = kind
        self.value = value
    }
}

extension Ring where Tag: BitwiseCopyable {
    /// Has the ring allow no more than this from when it is enabled until its end; nothing takes it back.
    ///
    /// For a ring that code uses which is not to do everything: the kernel checks each entry and each registration.
    ///
    /// - Parameter restrictions: What is allowed.
    /// - Throws: `EBADFD` if the ring is enabled, which only ``RingOptions/Flags/startsDisabled`` prevents, or `EACCES` if it is restricted,
    ///   too; `EBUSY` if it is restricted already; `EINVAL` if the kernel does not know an operation or a registration.
    /// - Requires: Linux 5.10, `IORING_REGISTER_RESTRICTIONS`.
    ///
    /// The liburing function is `io_uring_register_restrictions`; see `io_uring_register_restrictions(3)`.
    public mutating func restrict(to restrictions: RingRestrictions) throws(Errno) {
        try restrict(to: restrictions, with: restrictions.implied)
    }

    /// Has the ring allow no more than this, and of what it needs besides as much as the kernel knows.
    mutating func restrict(to restrictions: RingRestrictions, with implied: [RingRestrictions.Registration]) throws(Errno) {
        // The kernel refuses all of it for a registration that it does not know, and knows all that are older than one that it does.
        var known = implied.sorted { $0.rawValue < $1.rawValue }
        while true {
            var elements = restrictions.elements(with: known)
            let count = UInt32(elements.count)
            let status = unsafe elements.withUnsafeMutableBytes { elements in
                // SAFETY: the kernel reads so many elements before the call returns.
                unsafe curing_register(core.descriptor, CURING_REGISTER_RESTRICTIONS, elements.baseAddress, count)
            }
            if status >= 0 {
                if !restrictions.allowClosing { core.table.refuseClosing() }
                return
            }
            let errno = Errno(rawValue: -status)
            guard errno == .invalidArgument, known.popLast() != nil else { throw errno }
        }
    }
}
