// SPDX-License-Identifier: Apache-2.0
// Rule: a descriptor has one owner, who closes it once.

import URing

func closeTwice(_ descriptor: consuming Descriptor) throws {  // error: 'descriptor' consumed more than once
    try descriptor.close()
    try descriptor.close()
}

func useAfterTransfer(_ descriptor: consuming Descriptor) -> Bool {  // error: 'descriptor' used after consume
    _ = descriptor.transfer()
    return descriptor.isHeld
}

func adoptTwice(_ transferred: consuming TransferableDescriptor) {  // error: 'transferred' consumed more than once
    _ = Descriptor(transferred)
    _ = Descriptor(transferred)
}
