#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Prints how often each file of the library says `unsafe` (expressions and attributes), the highest first,
# and fails when an example says it at all.
set -euo pipefail
cd "$(dirname "$0")/.."

# Drops comments and string literals, so that only code is left. Nested block comments do not occur: the format lint forbids them.
code() {
    sed -E 's|"([^"\\]\|\\.)*"|""|g; s|//.*||' "$1"
}

counts=$(find Sources/URing -name '*.swift' | while IFS= read -r file; do
    count=$(code "$file" | { grep -ow unsafe || true; } | wc -l)
    [ "$count" -eq 0 ] || printf '%5d %s\n' "$count" "${file#Sources/URing/}"
done)
printf '%s\n' "$counts" | sort -k1,1nr -k2
printf '%s\n' "$counts" | awk '{ n += $1 } END { printf "%5d in Sources/URing\n", n }'

offenders=$(find Examples -name '.*' -prune -o -name '*.swift' -print | while IFS= read -r file; do
    # grep fails when it finds nothing, which is the good case.
    code "$file" | grep -nw unsafe | sed "s|^|$file:|" || true
done)
if [ -n "$offenders" ]; then
    printf '%s\n' "$offenders" >&2
    echo "error: an example uses unsafe code, which no user of URing should need" >&2
    exit 1
fi
