#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Shows that tests fail without the code they cover: applies each Tests/Sabotage/*.patch to a copy of the tree, builds it, and demands that
# every test which the patch names fails. Prints how each of them did: failed, crashed, or still waited when its time was up.
# Usage: sabotage.sh [case name …]; a name may be a part with stars, such as 'M12-*'.
# URING_SABOTAGE_LIMIT is a test's time in seconds (120). The copy and its build stay in .build-sabotage.
set -euo pipefail
cd "$(dirname "$0")/.."

limit=${URING_SABOTAGE_LIMIT:-120}
scratch=$PWD/.build-sabotage
original=$scratch/original
tree=$scratch/tree
log=$scratch/build.log
results=$scratch/results
runner=$tree/.build/debug/swift-uringPackageTests.xctest

# A test that is stopped may leave processes behind that it started: they all run this copy's test runner.
stop_runners() {
    local process
    for process in /proc/[0-9]*; do
        if [ "$(readlink "$process/exe" 2>/dev/null)" = "$(readlink -f "$runner")" ]; then
            kill -KILL "${process#/proc/}" 2>/dev/null || true
        fi
    done
}
trap stop_runners EXIT

stop() {
    echo "error: $1" >&2
    exit 1
}

cases=()
for name in "${@:-*}"; do
    found=0
    for file in Tests/Sabotage/$name.patch; do
        [ -e "$file" ] || continue
        cases+=("$(basename "$file" .patch)")
        found=1
    done
    [ "$found" -eq 1 ] || stop "there is no case Tests/Sabotage/$name.patch"
done

# Everything is read from the copy, so that the tree can be worked on meanwhile. The header is what comes before the first file of a patch.
header() { sed '/^--- /,$d' "$original/Tests/Sabotage/$1.patch"; }
tests_of() { header "$1" | sed -n 's/^fails: *//p' | tr ',' '\n' | sed 's/^ *//; s/ *$//; /^$/d'; }
files_of() { sed -n 's|^+++ b/\([^[:space:]]*\).*|\1|p' "$original/Tests/Sabotage/$1.patch"; }

# Only what differs is copied, so that the build stays incremental.
mkdir -p "$original" "$tree"
git ls-files | LC_ALL=C sort >"$scratch/files"
for copy in "$original" "$tree"; do
    while IFS= read -r file; do
        if ! cmp -s "$file" "$copy/$file"; then
            mkdir -p "$(dirname "$copy/$file")"
            cp "$file" "$copy/$file"
        fi
    done <"$scratch/files"
    (cd "$copy" && find . -name .build -prune -o -type f ! -name Package.resolved -print) | sed 's|^\./||' | LC_ALL=C sort |
        comm -23 - "$scratch/files" | while IFS= read -r file; do rm "$copy/$file"; done
done

for case in "${cases[@]}"; do
    [ -n "$(tests_of "$case")" ] || stop "$case has no line that begins with 'fails:'"
    header "$case" | grep -qv '^fails:\|^$' || stop "$case does not say what it takes away"
done

# Leaves only those test files in the copy that have the suites of the tests on the standard input, which takes a third of the time to build.
keep_suites() {
    sed 's/[.].*//' | sort -u | while IFS= read -r suite; do grep -rlE "struct $suite\\b" "$original/Tests/URingTests"; done |
        sed "s|^$original/||" >"$scratch/kept"
    sed -n '/^Tests\/URingTests\//p' "$scratch/files" | while IFS= read -r file; do
        case $file in Tests/URingTests/Support/*) continue ;; esac
        if ! grep -qxF "$file" "$scratch/kept"; then
            rm -f "$tree/$file"
        elif ! [ -e "$tree/$file" ]; then
            cp "$original/$file" "$tree/$file"
        fi
    done
}

build() { swift build --build-tests -Xswiftc -gnone --package-path "$tree" >"$log" 2>&1; }

# Runs one test in a process of its own, and says how it did: passed, failed, crashed, waited, was skipped or did not run.
run_test() {
    local status=0 suite=${1%.*} test=${1#*.} events=$results/$1.jsonl
    : >"$events"
    # The folder is where a test may look for a disk to write to.
    (cd "$tree" && timeout --kill-after=5 "$limit" "$runner" --testing-library swift-testing \
        --filter "^URingTests\.$suite/$test\(" --event-stream-output-path "$events") >"$results/$1.txt" 2>&1 || status=$?
    if ! grep -qE "\"kind\":\"testStarted\".*\"testID\":\"URingTests\.$suite\\\\/$test\(" "$events"; then
        echo "did not run"
    elif [ "$status" -eq 124 ] || [ "$status" -eq 137 ]; then
        echo "waited for $limit seconds"
    elif ! grep -q '"kind":"runEnded"' "$events"; then
        echo "crashed with status $status"
    elif [ "$status" -ne 0 ]; then
        echo "failed"
    elif grep -qE '"kind":"(testSkipped|testCancelled|testCaseCancelled)"' "$events"; then
        echo "was skipped"
    else
        echo "passed"
    fi >"$results/$1.outcome"
}

# Runs the tests that are named on the standard input, several at a time because those that fail mostly wait, and prints "test outcome".
run_tests() {
    local test running=0 names=()
    rm -rf "$results"
    mkdir -p "$results"
    while IFS= read -r test; do
        if [ "$running" -eq 4 ]; then
            wait -n
            running=$((running - 1))
        fi
        run_test "$test" &
        running=$((running + 1))
        names+=("$test")
    done
    wait
    stop_runners
    for test in "${names[@]}"; do echo "$test $(cat "$results/$test.outcome")"; done
}

all_tests() { for case in "${cases[@]}"; do tests_of "$case"; done | sort -u; }

echo "Building and running the tests as they are"
all_tests | keep_suites
build || { tail -n 20 "$log" >&2; stop "the tree does not build as it is; see $log"; }
while read -r test outcome; do
    [ "$outcome" = passed ] || { cat "$results/$test.txt" >&2; stop "$test $outcome, although nothing was taken away"; }
done < <(all_tests | run_tests)

bad=0
complain() {
    echo "error: $1" >&2
    bad=$((bad + 1))
}

for case in "${cases[@]}"; do
    echo "$case"
    tests_of "$case" | keep_suites
    if ! patch -p1 -s --no-backup-if-mismatch -r - -d "$tree" <"$original/Tests/Sabotage/$case.patch"; then
        complain "$case does not apply any more: the code that it takes away has changed"
    elif ! build; then
        { grep -E '^/.* error:' "$log" | sort -u | head -n 5 || tail -n 5 "$log"; } >&2
        complain "$case does not compile"
    else
        while read -r test outcome; do
            echo "    $test $outcome"
            case $outcome in
                passed | 'did not run' | 'was skipped') complain "$test $outcome without the code that $case takes away" ;;
            esac
        done < <(tests_of "$case" | run_tests)
    fi
    # The next case is built from the whole tree again.
    while IFS= read -r file; do
        cmp -s "$original/$file" "$tree/$file" || cp "$original/$file" "$tree/$file"
    done < <(files_of "$case")
done

if [ "$bad" -ne 0 ]; then
    stop "$bad of what was taken away was not noticed, or could not be taken away"
fi
echo "${#cases[@]} cases, and every test that they name failed"
