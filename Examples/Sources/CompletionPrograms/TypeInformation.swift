// SPDX-License-Identifier: Apache-2.0

/// What the kernel says of its own types, in the BPF Type Format.
///
/// The format is in the kernel's `include/uapi/linux/btf.h`: a header, the types one behind the other, and the names.
struct TypeInformation {
    /// The kinds of types that are looked at.
    private enum Kind {
        static let pointer: UInt32 = 2
        static let structure: UInt32 = 4
        static let typeDefinition: UInt32 = 8
        static let functionPrototype: UInt32 = 13
    }

    private let bytes: [UInt8]
    private let names: Range<Int>
    /// Where each type begins; the first type has the number 1.
    private let types: [Int]

    /// Takes what is in `/sys/kernel/btf/vmlinux`; nil if that is not what the format says.
    init?(_ bytes: [UInt8]) {
        self.bytes = bytes
        func word(_ offset: Int) -> Int? {
            guard offset >= 0, offset + 4 <= bytes.count else { return nil }
            return Int(TypeInformation.word(bytes, offset))
        }
        guard bytes.starts(with: [0x9f, 0xeb, 1]), let start = word(4), let typeOffset = word(8), let typeCount = word(12),
            let nameOffset = word(16), let nameCount = word(20), start + typeOffset + typeCount <= bytes.count,
            start + nameOffset + nameCount <= bytes.count
        else { return nil }
        names = start + nameOffset..<start + nameOffset + nameCount
        var types = [0]
        var offset = start + typeOffset
        let end = offset + typeCount
        while offset + 12 <= end {
            types.append(offset)
            guard let more = TypeInformation.additionalByteCount(TypeInformation.word(bytes, offset + 4)) else { return nil }
            offset += 12 + more
        }
        guard offset == end else { return nil }
        self.types = types
    }

    /// Whether there is a structure of this name.
    func hasStructure(_ name: String) -> Bool {
        type(named: name, Kind.structure) != nil
    }

    /// Whether the program at the tracepoint `io_uring_complete` would get a ring, a request and a completion, in this order.
    ///
    /// The arguments of tracepoints are no interface of the kernel: they have changed, and can again.
    var hasCompletionTracepoint: Bool {
        guard let definition = type(named: "btf_trace_io_uring_complete", Kind.typeDefinition), let pointer = target(of: definition),
            kind(of: pointer) == Kind.pointer, let prototype = target(of: pointer), kind(of: prototype) == Kind.functionPrototype
        else { return false }
        // The first parameter is the tracepoint's own.
        let parameters = (0..<Int(TypeInformation.word(bytes, prototype + 4) & 0xffff)).map {
            TypeInformation.word(bytes, prototype + 12 + $0 * 8 + 4)
        }
        return parameters.count >= 4 && isPointer(parameters[1], to: "io_ring_ctx") && isPointer(parameters[3], to: "io_uring_cqe")
    }

    private func isPointer(_ number: UInt32, to structure: String) -> Bool {
        guard Int(number) < types.count, number > 0, kind(of: types[Int(number)]) == Kind.pointer,
            let target = target(of: types[Int(number)]), kind(of: target) == Kind.structure
        else { return false }
        return offset(ofName: structure).map { TypeInformation.word(bytes, target) == $0 } ?? false
    }

    /// Where the type of a name and kind begins.
    private func type(named name: String, _ kind: UInt32) -> Int? {
        guard let offset = offset(ofName: name) else { return nil }
        return types.dropFirst().first { TypeInformation.word(bytes, $0) == offset && self.kind(of: $0) == kind }
    }

    private func kind(of type: Int) -> UInt32 { TypeInformation.word(bytes, type + 4) >> 24 & 0x1f }

    /// What a type points to, or is another name of.
    private func target(of type: Int) -> Int? {
        let number = Int(TypeInformation.word(bytes, type + 8))
        return number > 0 && number < types.count ? types[number] : nil
    }

    private func offset(ofName name: String) -> UInt32? {
        let wanted = [0] + Array(name.utf8) + [0]
        var index = names.lowerBound
        while let zero = bytes[index..<names.upperBound].firstIndex(of: 0), zero + wanted.count <= names.upperBound {
            if bytes[zero..<zero + wanted.count].elementsEqual(wanted) { return UInt32(zero + 1 - names.lowerBound) }
            index = zero + 1
        }
        return nil
    }

    /// How many bytes follow the first twelve of a type, or nil for a kind that is not known.
    private static func additionalByteCount(_ info: UInt32) -> Int? {
        let count = Int(info & 0xffff)
        switch info >> 24 & 0x1f {
        case 2, 7, 8, 9, 10, 11, 12, 16, 18: return 0
        case 1, 14, 17: return 4
        case 3: return 12
        case 6, 13: return count * 8
        case 4, 5, 15, 19: return count * 12
        default: return nil
        }
    }

    private static func word(_ bytes: [UInt8], _ offset: Int) -> UInt32 {
        UInt32(bytes[offset]) | UInt32(bytes[offset + 1]) << 8 | UInt32(bytes[offset + 2]) << 16 | UInt32(bytes[offset + 3]) << 24
    }
}
