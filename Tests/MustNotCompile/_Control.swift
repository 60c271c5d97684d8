// SPDX-License-Identifier: Apache-2.0
// expect: compiles
// Proves that the runner's search paths and flags are right: without it, a missing module would pass for a rejection.

import SystemPackage
import URing

func control() throws {
    let ring = try Ring<UInt64>(entries: 8)
    _ = consume ring
    _ = FilePath("/tmp")
}
