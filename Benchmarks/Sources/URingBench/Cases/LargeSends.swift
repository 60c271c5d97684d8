// SPDX-License-Identifier: Apache-2.0

import CBaseline
import Support
import SystemPackage
import URing

extension Case {
    /// Sends without copying, over the loopback device, beside sends that copy.
    ///
    /// The kernel has to copy what stays on the machine, and says so: this shows what asking for more than it can do costs. Receiving the bytes
    /// is part of the work.
    static let zeroCopies = [1400, 16 * 1024, 64 * 1024].map { byteCount in
        Case(
            name: "zero-copy-\(byteCount)",
            summary: "Sends over TCP on the loopback device, with and without SEND_ZC, one at a time, of so many bytes: \(byteCount)",
            operations: byteCount > 16 * 1024 ? 8_000 : 20_000,
            countedOperations: 640...1_920,
            engines: [
                Engine(name: "uring") { try zeroCopy(byteCount, operations: $0) },
                Engine(name: "c") { try c(byteCount, isZeroCopy: true, operations: $0) },
                Engine(name: "uring-copy", baseline: "c-copy") { try copy(byteCount, operations: $0) },
                Engine(name: "c-copy", baseline: "c-copy") { try c(byteCount, isZeroCopy: false, operations: $0) },
            ])
    }

    private static func zeroCopy(_ byteCount: Int, operations: Int) throws -> Sample {
        var ring = try Ring<UInt8>(entries: 4, options: ringOptions)
        return try unsafe measure(byteCount, operations: operations) { sender, receiver, memory in
            var next: SendZeroCopy<Buffer>? = SendZeroCopy(
                UnownedDescriptor(sender), from: .contents(byteCount), flags: .waitAll, reportsUsage: true)
            var copied = 0
            for number in 0..<operations {
                guard var operation = next.take() else { throw Failure("A send did not come back.") }
                operation.memory.stamp(number)
                try ring.prepare(operation, tag: 0)
                try ring.submit(waitingFor: 1)
                guard let sent = ring.nextReadyCompletion(), case .more(let result) = sent.event(SendZeroCopy<Buffer>.self) else {
                    throw Failure("A send has no result of its own.")
                }
                if try result.get() != byteCount { throw Failure("A send is incomplete.") }
                // SAFETY: the memory has room for a message.
                try check(unsafe baseline_receive_large(receiver.rawValue, memory.baseAddress, byteCount, number), "receive")
                try ring.submit(waitingFor: 1)
                guard let notified = ring.nextReadyCompletion(), case .finished(let completed) = notified.event(SendZeroCopy<Buffer>.self)
                else {
                    throw Failure("A send has no notification.")
                }
                if completed.operation.usage == .copied { copied += 1 }
                next = .some(completed.operation)
            }
            return copied
        }
    }

    private static func copy(_ byteCount: Int, operations: Int) throws -> Sample {
        var ring = try Ring<UInt8>(entries: 4, options: ringOptions)
        return try unsafe measure(byteCount, operations: operations) { sender, receiver, memory in
            var next: Send<Buffer>? = Send(UnownedDescriptor(sender), from: .contents(byteCount), flags: .waitAll)
            for number in 0..<operations {
                guard var operation = next.take() else { throw Failure("A send did not come back.") }
                operation.memory.stamp(number)
                try ring.prepare(operation, tag: 0)
                try ring.submit(waitingFor: 1)
                guard let completion = ring.nextReadyCompletion() else { throw Failure("A send has no completion.") }
                let completed = completion.take(Send<Buffer>.self)
                if try completed.result.get() != byteCount { throw Failure("A send is incomplete.") }
                next = .some(completed.operation)
                // SAFETY: the memory has room for a message.
                try check(unsafe baseline_receive_large(receiver.rawValue, memory.baseAddress, byteCount, number), "receive")
            }
            return nil
        }
    }

    private static func c(_ byteCount: Int, isZeroCopy: Bool, operations: Int) throws -> Sample {
        let ring = try BaselineRing(entries: 4)
        return try unsafe measure(byteCount, operations: operations) { sender, receiver, memory in
            let message = UnsafeMutableRawBufferPointer.allocate(byteCount: byteCount, alignment: 4096)
            defer { unsafe message.deallocate() }
            unsafe message.copyMemory(from: UnsafeRawBufferPointer(start: baseline_contents(0), count: byteCount))
            var copied = 0
            // SAFETY: the memory is there until the function has returned, which leaves nothing in flight unless it fails; the run is over then.
            let status = unsafe ring.with {
                unsafe baseline_send_large(
                    $0, sender.rawValue, receiver.rawValue, message.baseAddress, memory.baseAddress, byteCount, isZeroCopy, operations,
                    &copied)
            }
            try check(status, "send")
            return isZeroCopy ? copied : nil
        }
    }

    /// Measures a function that sends and receives so many messages, and says how many the kernel copied if it was asked not to.
    private static func measure(
        _ byteCount: Int, operations: Int,
        _ body: (_ sender: FileDescriptor, _ receiver: FileDescriptor, _ memory: UnsafeMutableRawBufferPointer) throws -> Int?
    ) throws -> Sample {
        var sender: Int32 = -1
        var receiver: Int32 = -1
        // SAFETY: the variables are there for the call.
        try check(unsafe baseline_tcp_pair(&sender, &receiver, Int32(4 * byteCount + 1 << 17)), "connect")
        let sockets = [FileDescriptor(rawValue: sender), FileDescriptor(rawValue: receiver)]
        defer { for socket in sockets { try? socket.close() } }
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: byteCount, alignment: 4096)
        defer { unsafe memory.deallocate() }
        let stopwatch = Stopwatch()
        // SAFETY: the memory is there until the function has returned.
        let copied = try unsafe body(sockets[0], sockets[1], memory)
        var sample = stopwatch.sample(operations: operations)
        sample.note = copied.map { "the kernel copied \(decimal(100 * Double($0) / Double(operations), places: 0)) %" }
        return sample
    }
}

extension Buffer {
    /// Memory with the contents of number 0, which begins where a page does, as it does in C.
    fileprivate static func contents(_ byteCount: Int) -> Buffer {
        var buffer = Buffer(byteCapacity: byteCount, alignment: 4096)
        // SAFETY: so many bytes are there as long as the program runs.
        unsafe buffer.append(RawSpan(_unsafeStart: baseline_contents(0), byteCount: byteCount))
        return buffer
    }

    /// Writes a number into the first and the last word.
    fileprivate mutating func stamp(_ number: Int) {
        let last = count - MemoryLayout<Int>.size
        var bytes = mutableBytes
        bytes.storeBytes(of: number, as: Int.self)
        bytes.storeBytes(of: number, toByteOffset: last, as: Int.self)
    }
}
