// SPDX-License-Identifier: Apache-2.0
// Rule: a slice that has gone back to its table cannot be used any more, because somebody else may have the memory.

import URing

func useAfterGivingBack(_ buffers: borrowing RegisteredBuffers) -> Int {
    guard let slice = buffers.take() else { return 0 }  // error: 'slice' used after consume
    slice.giveBack()
    return slice.count
}

func giveBackTwice(_ slice: consuming RegisteredSlice) {  // error: 'slice' consumed more than once
    slice.giveBack()
    slice.giveBack()
}
