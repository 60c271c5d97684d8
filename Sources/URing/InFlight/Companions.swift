// SPDX-License-Identifier: Apache-2.0

/// What the ring keeps of an operation beside its slot, when it has a linked timeout, is a member of a chain, or takes buffers of an
/// incremental pool.
struct Companion: BitwiseCopyable {
    /// The time of the linked timeout, which the kernel reads when it consumes the timeout's entry.
    var time = KernelTime()
    /// The incremental pool that the operation takes buffers of, which it holds.
    var incrementalPool: BufferRingState?
    /// The operation's last completion, while that of its timeout is waited for.
    var heldEntry: CompletionEntry?
    /// The slot of the next member of a soft chain, by its user data; 0 when there is none.
    var successor: UInt64 = 0
    /// With a smaller result the kernel does not start the next member of a soft chain.
    var leastResult: Int32 = 0
    /// Whether that is so when the operation was carried out and failed.
    var ownFailures = OwnFailures.endChain
    /// Whether the completion of the linked timeout is still to come.
    var awaitsTimeout = false
    /// Whether the time was up before the operation was done.
    var timedOut = false
    /// Whether the member before this one ended a soft chain.
    var isCutOff = false
    /// Whether the operation's last completion was read from the queue.
    var hasEnded = false
}

extension Companion {
    /// What becomes of a soft chain when an operation of it fails.
    enum OwnFailures {
        case endChain
        /// The next member starts.
        case goOn
        /// The next member starts when this one was cancelled.
        case goOnWhenCancelled
    }

    /// Whether the kernel starts the next member of a soft chain no more after this completion.
    ///
    /// A member that was cut off, or that a worker never began with, ends its chain whatever it is. So does one that the kernel refuses as
    /// `EBADF`, `ENOTSOCK` or `EINVAL`; an operation may also find that itself, which cannot be told from it.
    func endsChain(_ entry: CompletionEntry) -> Bool {
        if entry.result >= leastResult { return false }
        switch ownFailures {
        case .endChain: return true
        case .goOn: return [.canceled, .badFileDescriptor, .notSocket, .invalidArgument].contains(entry.errno)
        case .goOnWhenCancelled: return isCutOff || entry.errno != .canceled
        }
    }
}

/// The companions of a ring's operations, found by the user data of their slots.
///
/// They lie in pages that never move, because the kernel has addresses inside them, and there is a page as soon as an operation needs
/// it. So operations without a companion pay nothing, and one that has had one before allocates nothing. A companion means something
/// only as long as user data in flight says so; each use begins with `make`.
@safe
struct Companions: BitwiseCopyable {
    /// One page is for the slots in 64 KiB of the table.
    private static let pageCount = InFlightTable.maximumByteCount >> 16
    private static let companionsPerPage = (1 << 16) >> 7

    private var pages: UnsafeMutablePointer<UnsafeMutablePointer<Companion>?>?
    /// Entries in flight that are no operations of the caller's, or that stand for an operation besides its own.
    var surplusCount = 0

    init() {
        unsafe pages = nil
    }

    /// A new companion for the operation in a slot.
    mutating func make(for userData: UInt64) -> UnsafeMutablePointer<Companion> {
        // SAFETY: pages belong to the ring until `deallocate()`; the number of the page has 14 bits, those of the offsets in the table.
        let pages = unsafe self.pages ?? makeDirectory()
        let number = Companions.page(of: userData)
        let page = unsafe pages[number] ?? Companions.makePage()
        unsafe pages[number] = unsafe page
        let companion = unsafe page + Companions.index(of: userData)
        unsafe companion.initialize(to: Companion())
        return unsafe companion
    }

    /// The companion of an operation that was given one.
    subscript(userData: UInt64) -> UnsafeMutablePointer<Companion> {
        guard let page = unsafe pages?[Companions.page(of: userData)] else {
            trap("An operation that is linked has a companion.", file: #fileID, line: #line)
        }
        return unsafe page + Companions.index(of: userData)
    }

    /// Keeps the last completion of an operation while that of its timeout is still to come.
    ///
    /// - Returns: Whether it does; the operation ends with this completion otherwise.
    mutating func keep(_ entry: CompletionEntry, of userData: UInt64) -> Bool {
        let companion = unsafe self[userData]
        guard unsafe companion.pointee.awaitsTimeout else { return false }
        unsafe companion.pointee.heldEntry = entry
        surplusCount -= 1
        return true
    }

    /// Notes that the timeout of an operation has ended.
    ///
    /// - Returns: The operation's last completion, if that came before.
    mutating func endTimeout(of userData: UInt64, timedOut: Bool) -> CompletionEntry? {
        let companion = unsafe self[userData]
        unsafe companion.pointee.awaitsTimeout = false
        unsafe companion.pointee.timedOut = timedOut
        if let entry = unsafe companion.pointee.heldEntry { return entry }
        surplusCount -= 1
        return nil
    }

    /// Frees the pages: the ring is gone.
    mutating func deallocate() {
        guard let pages = unsafe pages else { return }
        for number in 0..<Companions.pageCount { unsafe pages[number]?.deallocate() }
        unsafe pages.deallocate()
        unsafe self.pages = nil
    }

    private mutating func makeDirectory() -> UnsafeMutablePointer<UnsafeMutablePointer<Companion>?> {
        let pages = UnsafeMutablePointer<UnsafeMutablePointer<Companion>?>.allocate(capacity: Companions.pageCount)
        unsafe pages.initialize(repeating: nil, count: Companions.pageCount)
        unsafe self.pages = unsafe pages
        return unsafe pages
    }

    private static func makePage() -> UnsafeMutablePointer<Companion> {
        let page = UnsafeMutablePointer<Companion>.allocate(capacity: companionsPerPage)
        unsafe page.initialize(repeating: Companion(), count: companionsPerPage)
        return unsafe page
    }

    private static func page(of userData: UInt64) -> Int {
        Int(truncatingIfNeeded: userData >> 16) & (pageCount - 1)
    }

    private static func index(of userData: UInt64) -> Int {
        Int(truncatingIfNeeded: userData >> 7) & (companionsPerPage - 1)
    }
}
