#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Prints the user instructions per operation on the hot path, beside those of the same loop in C, and fails above the limits.
# With `benchmarks` as its argument it prints those of every engine of the benchmarks instead, which have no limits; further arguments
# are the cases, all by default. The engines leave out then what all of them do alike and what would drown the rest: the comparison of
# the bytes that they read or receive (`--unverified`).
# Of the echoes it is the server that is counted, and not the client that it forks. The messages between threads are left out, which is
# said: valgrind lets no thread run beside one that waits in the ring, so they would wait for ever.
# callgrind counts exactly and repeatably, and the slope between two sizes leaves out start-up and teardown.
set -euo pipefail
# A run that fails inside $(…) ends the script.
shopt -s inherit_errexit
cd "$(dirname "$0")/.."

# Case, smaller and larger size (multiples of the batch of 32), most instructions per operation, most as a multiple of C's.
# A dash is no limit.
limits="
nop   64000 192000  59    -
nop-again 64000 192000 45 -
read  32000  96000 104    -
read-again 32000 96000 71 -
read-fixed 32000 96000 79 -
"

Scripts/ensure-liburing.sh
command -v valgrind >/dev/null || Scripts/install-debian-package.sh valgrind "valgrind"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Builds a package and puts its programs where they are run: install_programs <package> <program>...
install_programs() {
    local package=$1 bin program
    shift
    swift build --package-path "$package" -c release
    bin=$(swift build --package-path "$package" -c release --show-bin-path)
    # Only totals are wanted, and older valgrinds give up on the debug information of a newer compiler.
    for program in "$@"; do strip --strip-debug -o "$work/$program" "$bin/$program"; done
}

# Prints the instructions of one whole run: total <program> <argument>...
total() {
    local program=$1
    shift
    # A forked process writes a file of its own, if it ends in the ordinary way.
    valgrind --tool=callgrind --callgrind-out-file="$work/callgrind.%p" "$work/$program" "$@" >"$work/log" 2>&1 &
    local process=$!
    wait "$process" || { cat "$work/log" >&2; return 1; }
    awk '$1 == "totals:" || $1 == "summary:" { n = $2 } END { if (!n) exit 1; print n }' "$work/callgrind.$process"
    rm -f "$work"/callgrind.*
}

# Prints the instructions per operation: slope <smaller> <larger> <program> <argument>..., with % in the place of the size.
slope() {
    local small=$1 large=$2 small_total large_total
    shift 2
    small_total=$(total "${@/%%/$small}")
    large_total=$(total "${@/%%/$large}")
    awk -v s="$small_total" -v l="$large_total" -v n="$((large - small))" 'BEGIN { printf "%.1f", (l - s) / n }'
}

if [ "${1:-}" = benchmarks ]; then
    shift
    install_programs Benchmarks uring-bench
    printf '%-19s %-17s %s\n' case engine "instructions per operation"
    "$work/uring-bench" list --countable "$@" >"$work/engines"
    while read -r case engine small large; do
        printf '%-19s %-17s %8s\n' "$case" "$engine" \
            "$(slope "$small" "$large" uring-bench count "$case" --engine "$engine" --operations % --unverified)"
    done <"$work/engines"
    exit
fi

install_programs Tests/HotPath hot-path hot-path-c
head -c $((1024 * 1024)) /dev/zero >"$work/file"

printf '%-10s %8s %8s %8s   %s\n' case swift c ratio "instructions per operation, limits"
failed=0
while read -r case small large limit ratio_limit; do
    [ -n "$case" ] || continue
    file=()
    [[ $case != read* ]] || file=("$work/file")
    swift=$(slope "$small" "$large" hot-path "$case" % "${file[@]}")
    c=$(slope "$small" "$large" hot-path-c "${case%-again}" % "${file[@]}")
    awk -v case="$case" -v swift="$swift" -v c="$c" -v limit="$limit" -v ratio_limit="$ratio_limit" 'BEGIN {
        bad = (limit != "-" && swift > limit + 0) || (ratio_limit != "-" && swift > c * ratio_limit)
        # A loop of no instructions was not measured.
        bad = bad || swift <= 0 || c <= 0
        printf "%-10s %8.1f %8.1f %8.2f   at most %s, %s times C%s\n", case, swift, c, c ? swift / c : 0, limit, ratio_limit,
            bad ? ": TOO MANY" : ""
        exit bad
    }' || failed=1
done <<<"$limits"

if [ "$failed" -ne 0 ]; then
    echo "error: the hot path takes more instructions than its limits allow" >&2
    exit 1
fi
