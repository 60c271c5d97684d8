// SPDX-License-Identifier: Apache-2.0

import Glibc
import URing

/// A pipe of which the write end is sent away: the read end tells what became of it.
final class WatchedPipe {
    let reader: Descriptor
    var writer: Descriptor?

    init() throws {
        let pair = try DescriptorPair.pipe()
        reader = pair.first
        writer = .some(pair.second)
    }

    /// Puts the write end into a message, which alone holds it then.
    func giveWriter(to message: inout Message) {
        if let taken = writer.take() {
            message.appendDescriptor(taken)
            drop(taken)
        }
    }

    /// Whether nobody has the write end any more; does not wait.
    var isAbandoned: Bool {
        var waiting = pollfd(fd: reader.unowned.fileDescriptor.rawValue, events: 0, revents: 0)
        return unsafe poll(&waiting, 1, 0) == 1 && waiting.revents & Int16(POLLHUP) != 0
    }

    /// Whether nobody has the write end any more, waiting up to ten seconds.
    var becomesAbandoned: Bool {
        var waiting = pollfd(fd: reader.unowned.fileDescriptor.rawValue, events: 0, revents: 0)
        return unsafe poll(&waiting, 1, 10_000) == 1
    }
}
