// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage

/// How the kernel is entered for a ring: by which descriptor, and with which flags besides those of the call.
@safe struct RingEntrance: BitwiseCopyable {
    private let descriptor: Int32
    /// The flags of every call, `IORING_ENTER_*`.
    var flags: UInt32 = 0
    /// Where the ring is in the table of `registeredThread`, or -1.
    private var registeredIndex: Int32 = -1
    private var registeredThread: UInt64 = 0

    init(descriptor: Int32) {
        self.descriptor = descriptor
    }

    /// Enters the ring into the present thread's table, and has calls of this thread go by that.
    mutating func register() throws(Errno) {
        var update = curing_rsrc_update(offset: UInt32.max, resv: 0, data: UInt64(UInt32(bitPattern: descriptor)))
        // SAFETY: the kernel reads the structure and writes the index to it before the call returns.
        let status = unsafe curing_register(descriptor, CURING_REGISTER_RING_FDS, &update, 1)
        guard status >= 0 else { throw Errno(rawValue: -status) }
        registeredIndex = Int32(bitPattern: update.offset)
        registeredThread = curing_thread_identity()
    }

    /// Takes the ring out of the table again, if it is the present thread's.
    mutating func unregister() {
        guard isRegisteredHere else { return }
        var update = curing_rsrc_update(offset: UInt32(bitPattern: registeredIndex), resv: 0, data: 0)
        // SAFETY: the kernel reads the structure before the call returns.
        _ = unsafe curing_register(descriptor, CURING_UNREGISTER_RING_FDS, &update, 1)
        registeredIndex = -1
    }

    /// Whether the present thread is the one whose table has the ring.
    ///
    /// In the table of another thread, the same place has another ring or none.
    var isRegisteredHere: Bool {
        registeredIndex >= 0 && registeredThread == curing_thread_identity()
    }

    /// Is io_uring_enter(2).
    ///
    /// - Important: Unsafe, because the kernel reads so many bytes of the argument, or what the flags make of it.
    @inline(__always)
    @unsafe func enter(
        submit: UInt32, minimum: UInt32, flags: UInt32, argument: UnsafeRawPointer? = nil, byteCount: Int = SignalSet.kernelByteCount
    ) -> Int32 {
        if isRegisteredHere {
            return unsafe curing_enter(
                registeredIndex, submit, minimum, flags | self.flags | CURING_ENTER_REGISTERED_RING, argument, byteCount)
        }
        return unsafe curing_enter(descriptor, submit, minimum, flags | self.flags, argument, byteCount)
    }
}
