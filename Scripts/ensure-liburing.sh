#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Makes sure that liburing's header and library are there; installs Debian's liburing-dev when they are not.
set -euo pipefail
cd "$(dirname "$0")"

# A compiler's answer counts wherever the files are. Every Swift toolchain brings clang; pkg-config is for one that does not.
have_liburing() {
    local compiler
    if compiler=$(command -v clang || command -v cc); then
        echo '#include <liburing.h>
        int main(void) { return io_uring_queue_init(1, 0, 0); }' |
            "$compiler" -D_GNU_SOURCE -x c - -luring -o /dev/null 2>/dev/null
    else
        pkg-config --exists liburing 2>/dev/null
    fi
}

if ! have_liburing; then
    ./install-debian-package.sh liburing-dev "liburing's development files, 2.3 or newer"
fi
