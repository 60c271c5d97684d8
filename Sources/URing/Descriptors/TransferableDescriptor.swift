// SPDX-License-Identifier: Apache-2.0

import Glibc
import SystemPackage

/// An owned descriptor on its way to another isolation region; dropping it closes the descriptor.
///
/// Make one with ``Descriptor/transfer()`` and turn it back into a descriptor on the other side.
public struct TransferableDescriptor: ~Copyable, Sendable {
    let number: Int32

    init(_ descriptor: FileDescriptor) {
        number = descriptor.rawValue
    }

    deinit {
        _ = Glibc.close(number)
    }

    consuming func take() -> Int32 {
        let number = number
        discard self
        return number
    }
}
