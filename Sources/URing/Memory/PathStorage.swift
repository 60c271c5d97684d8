// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage

/// A path in memory of its own, as the kernel reads it: its bytes and a NUL.
///
/// Operations on paths own one. Most callers give them a `FilePath`; making the storage beforehand allows to check a string that
/// comes from elsewhere, and to take it out of one operation for the next.
@safe @frozen
public struct PathStorage: ~Copyable, @unchecked Sendable {
    // SAFETY: the memory is this value's alone until `deinit`, and is never written to after `init`: `byteCount` bytes, none of them
    // NUL, and a NUL.
    @usableFromInline let characters: UnsafeMutablePointer<CChar>
    /// How long the path is, without the NUL.
    public let byteCount: Int

    /// Copies a path.
    ///
    /// A `FilePath` has no NUL in it: one made of a string ends at the first. See ``init(validating:)`` for strings that may have one.
    public init(_ path: FilePath) {
        let count = path.length
        let memory = UnsafeMutablePointer<CChar>.allocate(capacity: count + 1)
        unsafe path.withPlatformString { source in
            // SAFETY: a file path has `length` bytes, none of them NUL, and a NUL behind them.
            unsafe memory.initialize(from: source, count: count + 1)
        }
        unsafe characters = unsafe memory
        byteCount = count
    }

    /// Copies a string as it is, unless it has a NUL in it.
    ///
    /// For strings from outside: a `FilePath` made of such a string silently ends at the NUL and names another file. Nor does it keep a
    /// slash at the end, with which a path names a directory.
    ///
    /// - Throws: `EINVAL` if there is a NUL in the string.
    public init(validating string: String) throws(Errno) {
        if string.utf8.contains(0) { throw .invalidArgument }
        self.init(copying: string)
    }

    /// Copies bytes as they are, unless there is a NUL among them: names need not be text, nor what links say.
    ///
    /// - Throws: `EINVAL` if there is a NUL among the bytes.
    public init(validating bytes: some Collection<UInt8>) throws(Errno) {
        let bytes = Array(bytes)
        if bytes.contains(0) { throw .invalidArgument }
        self.init(copying: bytes)
    }

    /// Copies a string as it is, which has no NUL in it.
    init(copying string: String) {
        self.init(copying: Array(string.utf8))
    }

    private init(copying bytes: [UInt8]) {
        byteCount = bytes.count
        unsafe characters = .allocate(capacity: bytes.count + 1)
        // SAFETY: there is room for all the bytes, and a NUL.
        for (index, byte) in bytes.enumerated() { unsafe characters[index] = CChar(bitPattern: byte) }
        unsafe characters[bytes.count] = 0
    }

    deinit {
        unsafe characters.deallocate()
    }

    /// The path.
    public var path: FilePath { unsafe FilePath(platformString: characters) }

    /// The characters as they are.
    var string: String { unsafe String(cString: characters) }
}

extension SubmissionEntry {
    /// Points the entry at a path that the operation owns.
    @inlinable @inline(__always)
    @unsafe public func setPath(_ path: borrowing PathStorage) {
        unsafe address = unsafe path.kernelAddress
    }

    /// Points the entry at two paths that the operation owns, which begin at their directories.
    @inlinable @inline(__always)
    @unsafe func setPaths(
        _ path: borrowing PathStorage, in directory: borrowing FileHold,
        _ newPath: borrowing PathStorage, in newDirectory: borrowing FileHold
    ) {
        setDirectory(directory)
        unsafe setPath(path)
        unsafe offset = unsafe newPath.kernelAddress
        // The length carries the second directory's descriptor.
        length = UInt32(bitPattern: newDirectory.processNumber)
    }
}

extension PathStorage {
    /// Where the path's bytes are, for an operation that owns it.
    ///
    /// - Important: Unsafe to use, because the address outlives the access.
    @inlinable
    @unsafe public var kernelAddress: UInt64 {
        @inline(__always) get { unsafe UInt64(UInt(bitPattern: characters)) }
    }
}
