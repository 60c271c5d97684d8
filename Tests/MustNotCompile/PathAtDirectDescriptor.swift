// SPDX-License-Identifier: Apache-2.0
// Rule: a direct descriptor has no number in the process, so it is not accepted where one is needed: as the directory of a path, in a
// message, or as an eventfd.

import URing

func open(in directory: borrowing DirectDescriptor) {
    _ = OpenAt("name", in: directory)  // error: requires that 'DirectDescriptor' conform to 'NumberedFileResource'
}

func send(_ file: borrowing DirectDescriptor, in message: inout Message) {
    message.appendDescriptor(file)  // error: requires that 'DirectDescriptor' conform to 'NumberedFileResource'
}
