#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Compiles every Tests/MustNotCompile/*.swift as a client would, and requires exactly the errors that the file announces:
#     ring.submit()  // error: a part of the message, on the line where the compiler has to report it
# A file with the line `// expect: compiles` is a control: it has to compile, which proves that the search paths are right.
# Usage: must-not-compile.sh [case name …]; it needs the debug build of URing and makes it when it is not up to date.
set -euo pipefail
cd "$(dirname "$0")/.."

swift build --target URing
bin=$(swift build --show-bin-path)
scratch=$(cd "$bin/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The client's own flags, and nothing experimental. An unmarked unsafe use counts as an error, as in a client that treats warnings so.
flags=(-swift-version 6 -strict-memory-safety -Werror StrictMemorySafety -parse-as-library -diagnostic-style llvm)
flags+=(-module-cache-path "$work/modules" -I "$bin/Modules")
# The C modules below URing are named by their module maps: CURing's, which the package manager may have written, and swift-system's.
maps=("$bin/CURing.build/module.modulemap" Sources/CURing/include/module.modulemap
    "$scratch"/checkouts/swift-system/Sources/*/include/module.modulemap)
for map in "${maps[@]}"; do
    if [ -e "$map" ]; then
        flags+=(-Xcc "-fmodule-map-file=$map" -Xcc "-I$(dirname "$map")")
        # One map per module: a second one for CURing would be a redefinition.
        [[ $map == *CURing.build* ]] && maps[1]=
    fi
done

# Compares the announced errors with the compiler's, given as FILE:LINE:COLUMN: error: MESSAGE.
# shellcheck disable=SC2016 # The dollars are awk's.
compare='
    function report(text) { print "    " text; bad = 1 }
    FNR == NR {
        count = split($0, parts, /[ \t]*\/\/ error:[ \t]*/)
        for (i = 2; i <= count; i++) { sub(/[ \t]+$/, "", parts[i]); expected[FNR, ++expectations[FNR]] = parts[i]; total++ }
        next
    }
    # Continuation lines, notes and warnings are not errors.
    !/^[^ ].*: error: / { next }
    {
        message = $0; sub(/^.*: error: /, "", message)
        where = $0; sub(/: error: .*$/, "", where)
        line = 0
        if (match(where, /:[0-9]+:[0-9]+$/) && index(where, source ":") == 1) {
            split(substr(where, RSTART + 1), position, ":"); line = position[1] + 0
        }
        matched = 0
        for (i = 1; i <= expectations[line]; i++)
            if (index(message, expected[line, i])) { seen[line, i] = 1; matched = 1 }
        if (!matched) report("unexpected " $0)
    }
    END {
        if (!total) report("announces no error")
        for (line in expectations)
            for (i = 1; i <= expectations[line]; i++)
                if (!((line, i) in seen)) report("missing on line " line ": " expected[line, i])
        exit bad
    }'

# Typechecking alone is not enough: moves and isolation regions are checked on SIL.
run_case() {
    local source=$1 name result=0
    name=$(basename "$source" .swift)
    swiftc "${flags[@]}" -module-name "$name" -emit-sil -o /dev/null "$source" >"$work/$name.log" 2>&1 || result=$?
    {
        if grep -q '^// expect: compiles$' "$source"; then
            [ "$result" -eq 0 ] || { echo "    a control has to compile:"; grep ': error: ' "$work/$name.log" || cat "$work/$name.log"; }
        elif [ "$result" -eq 0 ]; then
            echo "    compiles"
        elif grep -q 'due to signal\|^Stack dump:' "$work/$name.log"; then
            echo "    crashes the compiler"
        else
            awk -v source="$source" "$compare" "$source" "$work/$name.log" || true
        fi
    } >"$work/$name.difference"
}

sources=()
for name in "${@:-*}"; do
    # shellcheck disable=SC2206 # The star has to expand.
    sources+=(Tests/MustNotCompile/$name.swift)
done
[ -e "${sources[0]}" ] || { echo "error: no such case: ${sources[0]}" >&2; exit 1; }

running=0
for source in "${sources[@]}"; do
    if [ "$running" -eq 2 ]; then
        wait -n
        running=$((running - 1))
    fi
    run_case "$source" &
    running=$((running + 1))
done
wait

rejected=0
controls=0
failed=0
for source in "${sources[@]}"; do
    difference=$work/$(basename "$source" .swift).difference
    # A missing file means that the case itself could not be run.
    if [ ! -e "$difference" ] || [ -s "$difference" ]; then
        echo "$source"
        cat "$difference" || true
        failed=$((failed + 1))
    elif grep -q '^// expect: compiles$' "$source"; then
        controls=$((controls + 1))
    else
        rejected=$((rejected + 1))
    fi
done

if [ "$failed" -ne 0 ]; then
    echo "error: $failed of ${#sources[@]} cases differ" >&2
    exit 1
fi
# Without a control, a wrong search path would look like a rejection to a reader, so the whole suite needs one.
if [ $# -eq 0 ] && { [ "$controls" -eq 0 ] || [ "$rejected" -eq 0 ]; }; then
    echo "error: the suite needs at least one control and one case" >&2
    exit 1
fi
echo "$rejected cases, all rejected as expected ($controls controls compile)"
