#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Prints the user instructions per operation on the hot path, beside those of the same loop in C, and fails above the limits.
# callgrind counts exactly and repeatably, and the slope between two sizes leaves out start-up and teardown.
set -euo pipefail
# A run that fails inside $(…) ends the script.
shopt -s inherit_errexit
cd "$(dirname "$0")/.."

# Case, smaller and larger size (multiples of the batch of 32), most instructions per operation, most as a multiple of C's.
# A dash is no limit.
limits="
nop   64000 192000  72    -
read  32000  96000 145    -
read-again 32000 96000 110 -
read-fixed 32000 96000 120 -
"

Scripts/ensure-liburing.sh
command -v valgrind >/dev/null || Scripts/install-debian-package.sh valgrind "valgrind"
swift build --package-path Tests/HotPath -c release
bin=$(swift build --package-path Tests/HotPath -c release --show-bin-path)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
head -c $((1024 * 1024)) /dev/zero >"$work/file"
# Only totals are wanted, and older valgrinds give up on the debug information of a newer compiler.
for program in hot-path hot-path-c; do
    strip --strip-debug -o "$work/$program" "$bin/$program"
done

# Prints the instructions of one whole run: total <program> <case> <count>
total() {
    local arguments=("$2" "$3")
    [[ $2 != read* ]] || arguments+=("$work/file")
    valgrind --tool=callgrind --callgrind-out-file="$work/callgrind" "$work/$1" "${arguments[@]}" >"$work/log" 2>&1 ||
        { cat "$work/log" >&2; return 1; }
    awk '$1 == "totals:" || $1 == "summary:" { n = $2 } END { if (!n) exit 1; print n }' "$work/callgrind"
}

slope() {
    local small large
    small=$(total "$1" "$2" "$3")
    large=$(total "$1" "$2" "$4")
    awk -v s="$small" -v l="$large" -v n="$(($4 - $3))" 'BEGIN { printf "%.1f", (l - s) / n }'
}

printf '%-10s %8s %8s %8s   %s\n' case swift c ratio "instructions per operation, limits"
failed=0
while read -r case small large limit ratio_limit; do
    [ -n "$case" ] || continue
    swift=$(slope hot-path "$case" "$small" "$large")
    c=$(slope hot-path-c "${case%-again}" "$small" "$large")
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
