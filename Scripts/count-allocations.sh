#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Prints heap allocations, retains and releases per operation on the hot path, and fails unless all of them are zero.
# Zero means a slope below one per 10,000 operations between two sizes, which leaves out start-up and teardown.
# With `benchmarks` as its argument it prints those of every engine of the benchmarks instead, and never fails; further arguments are the
# cases, all by default. Of the echoes it is the server that is counted: the client is another process.
set -euo pipefail
# A run that fails inside $(…) ends the script.
shopt -s inherit_errexit
cd "$(dirname "$0")/.."

small=64000
large=192000

Scripts/ensure-liburing.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
clang -O2 -Wall -Wextra -Werror -shared -fPIC -o "$work/shim.so" Tests/HotPath/Shim/counting-shim.c -ldl

# Builds a package, and says where its programs are.
build() {
    swift build --package-path "$1" -c release >&2
    swift build --package-path "$1" -c release --show-bin-path
}

# Writes the totals of one whole run: totals <output> <program> <argument>...
totals() {
    local output=$1 program=$2
    shift 2
    COUNTING_SHIM_OUTPUT="$output" LD_PRELOAD="$work/shim.so" "$bin/$program" "$@" >/dev/null
}

# Prints "allocations retains releases", each per operation: slopes <smaller> <larger> <program> <argument>..., with % in the place of the
# size.
slopes() {
    local small=$1 large=$2
    shift 2
    totals "$work/small" "${@/%%/$small}"
    totals "$work/large" "${@/%%/$large}"
    awk -v n="$((large - small))" '
        FNR == NR { small[$1] = $2; next }
        { slope[$1] = ($2 - small[$1]) / n }
        END { print slope["allocations"], slope["retains"], slope["releases"] }' "$work/small" "$work/large"
}

if [ "${1:-}" = benchmarks ]; then
    shift
    bin=$(build Benchmarks)
    printf '%-19s %-17s %12s %9s %9s   per operation\n' case engine allocations retains releases
    "$bin/uring-bench" list --countable "$@" >"$work/engines"
    while read -r case engine small large; do
        result=$(slopes "$small" "$large" uring-bench count "$case" --engine "$engine" --operations %)
        read -r allocations retains releases <<<"$result"
        printf '%-19s %-17s %12.4f %9.4f %9.4f\n' "$case" "$engine" "$allocations" "$retains" "$releases"
    done <"$work/engines"
    exit
fi

bin=$(build Tests/HotPath)
head -c $((1024 * 1024)) /dev/zero >"$work/file"

printf '%-14s %12s %9s %9s   per operation\n' case allocations retains releases
failed=0
# The control makes, retains and releases an object per operation: it proves that the shim sees what it is to count.
for case in control nop sleep limited read read-again read-fixed read-pool send-zero-copy send-in-group echo bundle message queue; do
    file=()
    [[ $case != read* ]] || file=("$work/file")
    result=$(slopes "$small" "$large" hot-path "$case" % "${file[@]}")
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
