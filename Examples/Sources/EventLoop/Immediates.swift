// SPDX-License-Identifier: Apache-2.0

/// Names a handler that is called at once.
public struct Immediate: BitwiseCopyable, Sendable, Hashable {
    let number: Int
}

/// The immediate handlers of a loop, in their order; those that were cancelled are nil.
struct ImmediateQueue {
    private var handlers: [((inout EventLoop) -> Void)?] = []
    /// The number of the first.
    private var start = 0
    private var next = 0
    private var count = 0

    var isEmpty: Bool { count == 0 }

    mutating func append(_ handler: @escaping (inout EventLoop) -> Void) -> Immediate {
        handlers.append(handler)
        count += 1
        return Immediate(number: start + handlers.count - 1)
    }

    mutating func cancel(_ immediate: Immediate) {
        let index = immediate.number - start
        guard index >= next, index < handlers.count, handlers[index].take() != nil else { return }
        count -= 1
        if count == 0 { removeFirst(handlers.count) }
    }

    /// Forgets as many places, whose handlers are gone.
    private mutating func removeFirst(_ placeCount: Int) {
        handlers.removeFirst(placeCount)
        start += placeCount
        next = 0
    }

    mutating func popFirst() -> ((inout EventLoop) -> Void)? {
        while next < handlers.count {
            next += 1
            guard let handler = handlers[next - 1].take() else { continue }
            count -= 1
            if next == handlers.count || next > 64 && next > handlers.count / 2 { removeFirst(next) }
            return handler
        }
        return nil
    }
}

extension EventLoop {
    /// Has a handler called at once, before everything else: by the next ``loopOnce(waiting:)`` that is free for it.
    ///
    /// Several are called in the order in which they were scheduled.
    @discardableResult
    public mutating func schedule(_ handler: @escaping (inout EventLoop) -> Void) -> Immediate {
        looksFirst = true
        return immediates.append(handler)
    }

    /// Sees to it that a handler is not called any more.
    public mutating func cancel(_ immediate: Immediate) {
        immediates.cancel(immediate)
    }

    mutating func runImmediate() -> Bool {
        guard let handler = immediates.popFirst() else { return false }
        handler(&self)
        return true
    }
}
