#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs one Debian package, or says in one sentence what to install.
# Usage: install-debian-package.sh <package> <what it is, for the sentence>
set -euo pipefail

package=$1
purpose=$2

fail() {
    echo "Install $purpose (Debian and Ubuntu: $package) and run this again$1." >&2
    exit 1
}

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    # -n: a build must not stop and ask for a password.
    sudo -n true 2>/dev/null || fail ""
    as_root=(sudo -n)
fi
command -v apt-get >/dev/null || fail ""

# Another apt-get may be running on a fresh machine, so wait for its lock.
apt() {
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=120 "$@" </dev/null
}

log=$(mktemp)
trap 'rm -f "$log"' EXIT
echo "Installing $package." >&2
# A fresh machine has no package lists, an old one has stale lists: fetch them only when the first attempt fails.
if ! apt install -y --no-install-recommends "$package" >"$log" 2>&1; then
    if ! { apt update && apt install -y --no-install-recommends "$package"; } >"$log" 2>&1; then
        fail "; apt-get said: $(grep '^E:' "$log" | tail -n 1 || true)"
    fi
fi
