// SPDX-License-Identifier: Apache-2.0

import URing

/// Has the kernel bring in a page before it is used: `IORING_OP_MADVISE` with `MADV_WILLNEED`.
func willNeedPage() -> RawOperation<Buffer> {
    let pageSize: UInt64 = 4096
    // Advice is about whole pages, and one of them lies in memory of two, wherever that begins.
    var buffer = Buffer(byteCapacity: 2 * Int(pageSize))
    // SAFETY: the address is used while the buffer exists.
    let address = unsafe UInt64(UInt(bitPattern: buffer.kernelRoom.baseAddress))
    var entry = RawEntry(.madvise)
    entry.address = (address + pageSize - 1) / pageSize * pageSize
    entry.length = UInt32(pageSize)
    entry.operationFlags = 3
    // SAFETY: the page lies in the buffer, which the operation owns, and whose bytes stay in place when it is moved.
    return unsafe RawOperation(entry, owning: buffer)
}

var ring = try Ring<Int>(entries: 8)
guard try ring.probe().supports(.madvise) else { fatalError("this kernel does not take advice about memory") }
try ring.prepare(willNeedPage(), tag: 0)
try ring.submit(waitingFor: 1)
if let completion = ring.nextCompletion() {
    let completed = completion.take(RawOperation<Buffer>.self)
    // A negative number is an error, which only `status` and `count` make of it.
    let answer = try completed.result.get()
    try answer.status.get()
    print("the kernel answered: \(answer)")
}
