// SPDX-License-Identifier: Apache-2.0

import URing

enum Tag {
    case open
    case read
    case close
}

var ring = try Ring<Tag>(entries: 8)
// Room for sixteen files, which this ring alone knows.
let table = try ring.makeFileTable(count: 16)

try ring.prepare(OpenAt("/etc/passwd", into: table.anySlot), tag: .open)
while ring.inFlightCount > 0 {
    try ring.submit(waitingFor: 1)
    while let completion = ring.nextCompletion() {
        switch completion.tag {
        case .open:
            let file = try completion.take(OpenAt<DirectDescriptor>.self).result.get()
            print("opened in slot \(file.slot), one of \(table.usedCount) in use")
            try ring.prepare(Read(file, into: Buffer(byteCapacity: 4096), at: 0), tag: .read)
            // The read holds the slot, so that it is cleared when the read is done.
            try ring.prepare(Close(file), tag: .close)
        case .read:
            print("read \(try completion.take(Read<Buffer>.self).result.get()) bytes")
        case .close:
            print("closing is \(try completion.take(Close<DirectDescriptor>.self).result.get())")
        }
    }
}
print("\(table.usedCount) slots are in use")
