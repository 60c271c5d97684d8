// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage

/// Waits as long as a word is a certain number and nobody wakes it.
///
/// The result says whether it was woken, or the number was another one when the kernel looked, which is once, when the operation starts.
///
/// - Requires: Linux 6.7, `IORING_OP_FUTEX_WAIT`.
/// - Note: In a chain, what is behind it starts although it was cancelled; see <doc:LinkedRequests>.
/// - Important: The kernel reads the word when the operation starts; the word stays until the completion.
///
/// The liburing function is `io_uring_prep_futex_wait`; see `io_uring_prep_futex_wait(3)`, `futex(2)`.
@frozen
public struct FutexWait: SingleShotOperation, ~Copyable {
    /// The word.
    public var word: FutexWord
    /// The number to wait with.
    public var value: UInt32
    /// Which wake-ups count: those whose mask has a bit in common with this.
    public var mask: UInt32

    /// Makes the operation.
    ///
    /// - Parameters:
    ///   - word: The word.
    ///   - value: The number to wait with.
    ///   - mask: Which wake-ups count: those whose mask has a bit in common with this.
    /// - Precondition: The mask is not zero.
    @inlinable @inline(__always)
    public init(_ word: FutexWord, while value: UInt32, mask: UInt32 = .max) {
        self.word = word
        self.value = value
        self.mask = mask
    }

    @inlinable public static var opcode: Opcode { .futexWait }

    @inlinable public static var minimumKernel: KernelVersion { KernelVersion(6, 7) }

    @inlinable @inline(__always)
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<NoKernelData>) {
        // SAFETY: the operation keeps the word.
        entry.opcode = .futexWait
        unsafe entry.setFutex(word.address, value: UInt64(value), mask: mask)
    }

    @inlinable @inline(__always)
    @unsafe public mutating func complete(_ completion: CompletionEntry, kernelData: borrowing NoKernelData) -> Result<FutexOutcome, Errno>
    {
        Result { () throws(Errno) in try FutexOutcome(completion.result) }
    }
}

/// Wakes threads and rings that wait for a word.
///
/// The result says how many there were; a ``FutexWaitVectored`` that has the word twice is two.
///
/// - Requires: Linux 6.7, `IORING_OP_FUTEX_WAKE`.
/// - Important: The kernel does not touch the word, whose address it goes by.
///
/// The liburing function is `io_uring_prep_futex_wake`; see `io_uring_prep_futex_wake(3)`, `futex(2)`.
@frozen
public struct FutexWake: SingleShotOperation, ~Copyable {
    /// The word.
    public var word: FutexWord
    /// How many to wake at most.
    public var count: Int
    /// Whom to wake: those whose mask has a bit in common with this.
    public var mask: UInt32

    /// Makes the operation.
    ///
    /// - Parameters:
    ///   - word: The word.
    ///   - count: How many to wake at most.
    ///   - mask: Whom to wake: those whose mask has a bit in common with this.
    /// - Precondition: The count is not negative, and less than 2^31; the mask is not zero.
    @inlinable @inline(__always)
    public init(_ word: FutexWord, count: Int = 1, mask: UInt32 = .max) {
        self.word = word
        self.count = count
        self.mask = mask
    }

    @inlinable public static var opcode: Opcode { .futexWake }

    @inlinable public static var minimumKernel: KernelVersion { KernelVersion(6, 7) }

    @inlinable @inline(__always)
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<NoKernelData>) {
        // SAFETY: the operation keeps the word.
        entry.opcode = .futexWake
        unsafe entry.setFutex(word.address, value: UInt64(FutexWord.wakeCount(count)), mask: mask)
    }

    @inlinable @inline(__always)
    @unsafe public mutating func complete(_ completion: CompletionEntry, kernelData: borrowing NoKernelData) -> Result<Int, Errno> {
        completion.count
    }
}

/// What ended a wait for several words.
@frozen
public enum FutexVectorOutcome: Sendable, Hashable {
    /// Somebody woke the word with this index.
    case woken(index: Int)
    /// There was nothing to wait for: the number in one of the words was another one already.
    case changed
}

/// Waits for several words at once, as long as each is a certain number and nobody wakes one of them.
///
/// The result says which was woken, or that the number in one of them was another one when the kernel looked, which is once, when the operation
/// starts.
///
/// - Requires: Linux 6.7, `IORING_OP_FUTEX_WAITV`.
/// - Note: In a chain, what is behind it starts although it was cancelled; see <doc:LinkedRequests>.
/// - Important: The kernel reads the list when it consumes the entry, and the words when the operation starts; both stay until the
///   completion.
///
/// The liburing function is `io_uring_prep_futex_waitv`; see `io_uring_prep_futex_waitv(3)`, `futex_waitv(2)`.
@frozen
public struct FutexWaitVectored: SingleShotOperation, ~Copyable {
    /// The words, each with the number to wait with.
    public var words: FutexVector

    /// Makes the operation.
    ///
    /// - Parameter words: The words, each with the number to wait with.
    @inlinable @inline(__always)
    public init(_ words: consuming FutexVector) {
        self.words = words
    }

    @inlinable public static var opcode: Opcode { .futexWaitv }

    @inlinable public static var minimumKernel: KernelVersion { KernelVersion(6, 7) }

    @inlinable @inline(__always)
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<NoKernelData>) {
        // SAFETY: the operation owns the list, which keeps the words.
        entry.opcode = .futexWaitv
        unsafe entry.address = UInt64(UInt(bitPattern: words.list))
        entry.length = UInt32(truncatingIfNeeded: words.count)
    }

    @inlinable @inline(__always)
    @unsafe public mutating func complete(
        _ completion: CompletionEntry, kernelData: borrowing NoKernelData
    ) -> Result<FutexVectorOutcome, Errno> {
        switch completion.count {
        case .success(let index): .success(.woken(index: index))
        case .failure(.resourceTemporarilyUnavailable): .success(.changed)
        case .failure(let errno): .failure(errno)
        }
    }
}

/// Words to wait for at once, each with a number.
@safe @frozen
public struct FutexVector: ~Copyable {
    @usableFromInline var words: [FutexWord]
    // SAFETY: this value's own, one entry for each word, until `deinit`.
    @usableFromInline let list: UnsafeMutablePointer<curing_futex_waitv>

    /// Makes a list of words.
    ///
    /// - Parameter words: The words, each with the number to wait with.
    /// - Precondition: There are from 1 to 128.
    public init(_ words: [(word: FutexWord, value: UInt32)]) {
        require((1...128).contains(words.count), "The kernel waits for 1 to 128 words at once.")
        self.words = words.map(\.word)
        unsafe list = .allocate(capacity: words.count)
        for (index, element) in words.enumerated() {
            let entry = unsafe curing_futex_waitv(
                val: UInt64(element.value), uaddr: UInt64(UInt(bitPattern: element.word.address)),
                flags: CURING_FUTEX2_SIZE_U32 | CURING_FUTEX2_PRIVATE, resv: 0)
            unsafe (list + index).initialize(to: entry)
        }
    }

    @inlinable
    deinit {
        unsafe list.deallocate()
    }

    /// How many words there are.
    @inlinable
    public var count: Int { words.count }

    /// A word.
    @inlinable
    public subscript(index: Int) -> FutexWord { words[index] }

    /// Changes the number to wait with for one of the words.
    public mutating func setValue(_ value: UInt32, at index: Int) {
        require(words.indices.contains(index), "There is no word with this index.")
        unsafe list[index].val = UInt64(value)
    }
}

extension SubmissionEntry {
    /// Directs the operation at a word of this process.
    @inlinable @inline(__always)
    @unsafe func setFutex(_ word: UnsafeMutablePointer<UInt32>, value: UInt64, mask: UInt32) {
        require(mask != 0, "A mask without a bit matches no wake-up.")
        fileDescriptor = Int32(bitPattern: CURING_FUTEX2_SIZE_U32 | CURING_FUTEX2_PRIVATE)
        unsafe address = UInt64(UInt(bitPattern: word))
        unsafe offset = value
        unsafe address3 = UInt64(mask)
    }
}
