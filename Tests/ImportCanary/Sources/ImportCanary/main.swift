// SPDX-License-Identifier: Apache-2.0

import Glibc
import NIOCore
import SystemPackage
import URing

// One symbol of each module, so that every import is really resolved.
let allocator = ByteBufferAllocator()
let path = FilePath("/proc/self")
let ring = try Ring<UInt64>(entries: 8)
print("process \(getpid()) at \(path): a ring, and a buffer of \(allocator.buffer(capacity: 64).capacity) bytes")
