// SPDX-License-Identifier: Apache-2.0

import SystemPackage
import URing

/// The two files of a tunnel in the file table of a ring, which saves the kernel a look-up for each packet.
struct Sides: ~Copyable {
    let device: FileHold
    let socket: FileHold

    init<Tag>(device: borrowing Descriptor, socket: borrowing Descriptor, in ring: inout Ring<Tag>) throws {
        // The kernel chooses from the third slot, which stays empty.
        let table = try ring.makeFileTable(count: 3, allocating: 2..<3)
        guard let first = table.slot(0), let second = table.slot(1) else { fatalError("The slots of a new table are free.") }
        let directDevice = try table.register(device, in: first)
        let directSocket = try table.register(socket, in: second)
        self.device = directDevice.hold()
        self.socket = directSocket.hold()
    }

    /// Lets the ring end with the files out of its table.
    ///
    /// What is still in a table when the ring goes is let go of somewhen, maybe when the process has ended, and the socket's port is nobody
    /// else's until then. The slots are empty when the last operation on them has ended, in `Ring.close(deadline:)`.
    consuming func close() {}
}
