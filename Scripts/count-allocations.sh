#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Prints heap allocations, retains and releases per operation on the hot path, and fails unless all of them are zero.
# Zero means a slope below one per 10,000 operations between two sizes, which leaves out start-up and teardown.
set -euo pipefail
# A run that fails inside $(…) ends the script.
shopt -s inherit_errexit
cd "$(dirname "$0")/.."

small=64000
large=192000

Scripts/ensure-liburing.sh
swift build --package-path Tests/HotPath -c release
bin=$(swift build --package-path Tests/HotPath -c release --show-bin-path)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
head -c $((1024 * 1024)) /dev/zero >"$work/file"
clang -O2 -Wall -Wextra -Werror -shared -fPIC -o "$work/shim.so" Tests/HotPath/Shim/counting-shim.c -ldl

# Writes the totals of one whole run: totals <case> <count> <output>
totals() {
    local arguments=("$1" "$2")
    [[ $1 != read* ]] || arguments+=("$work/file")
    COUNTING_SHIM_OUTPUT="$3" LD_PRELOAD="$work/shim.so" "$bin/hot-path" "${arguments[@]}" >/dev/null
}

# Prints "allocations retains releases", each per operation.
slopes() {
    totals "$1" "$small" "$work/small"
    totals "$1" "$large" "$work/large"
    awk -v n="$((large - small))" '
        FNR == NR { small[$1] = $2; next }
        { slope[$1] = ($2 - small[$1]) / n }
        END { print slope["allocations"], slope["retains"], slope["releases"] }' "$work/small" "$work/large"
}

printf '%-14s %12s %9s %9s   per operation\n' case allocations retains releases
failed=0
# The control makes, retains and releases an object per operation: it proves that the shim sees what it is to count.
for case in control nop sleep limited read read-again read-fixed read-pool send-zero-copy send-in-group echo bundle message queue; do
    result=$(slopes "$case")
    read -r allocations retains releases <<<"$result"
    awk -v case="$case" -v a="$allocations" -v t="$retains" -v e="$releases" '
        function zero(x) { return x < 0.0001 && x > -0.0001 }
        BEGIN {
            bad = case == "control" ? a < 1 || t < 1 || e < 1 : !zero(a) || !zero(t) || !zero(e)
            printf "%-14s %12.4f %9.4f %9.4f   %s%s\n", case, a, t, e,
                case == "control" ? "at least 1 of each" : "0 of each", bad ? ": WRONG" : ""
            exit bad
        }' || failed=1
done

if [ "$failed" -ne 0 ]; then
    echo "error: the hot path allocates or counts references, or the shim does not see it" >&2
    exit 1
fi
