#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs `swift test` with the given arguments, fails when a test was skipped or none ran, and ends with the runner's summary.
# URING_ALLOW_SKIPS=1 allows skips, and still lists them. URING_TEST_TIMEOUT limits build and run, in seconds.
set -euo pipefail
cd "$(dirname "$0")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
events=$work/events.jsonl
output=$work/output.txt

# A lost completion shows as a test that waits for ever, so the run has a limit. An interrupt is the one signal that swift test
# passes on to the runner; at a terminal it has to get Ctrl-C itself.
limit=(timeout --signal=INT --kill-after=30)
if [ -t 0 ]; then
    limit+=(--foreground)
fi

# The event stream is the one complete source: the runner's text does not mention a cancelled case of a parameterised test, and
# it is lost in a buffer when the run is stopped. Prints "kind test", sorted, for the given kinds of event.
events_of() {
    { grep -E "^\{\"kind\":\"event\",.*\"kind\":\"($1)\"" "$events" || true; } |
        sed -E 's/.*"kind":"([A-Za-z]+)".*"testID":"([^"]*)".*/\1 \2/; s|\\/|/|g' | sort -u
}

stop() {
    echo "error: $1" >&2
    if [ -s "$events" ]; then
        echo "Started and not ended:" >&2
        comm -23 <(events_of testStarted | cut -d ' ' -f 2-) <(events_of testEnded | cut -d ' ' -f 2-) | sed 's/^/    /' >&2
    fi
    exit "$2"
}

# The package has no XCTest tests, and the XCTest runner would close with "Executed 0 tests".
status=0
"${limit[@]}" "${URING_TEST_TIMEOUT:-1200}" \
    swift test --disable-xctest --event-stream-output-path "$events" "$@" 2>&1 | tee "$output" || status=$?
if [ "$status" -eq 124 ]; then
    stop "the tests did not end in ${URING_TEST_TIMEOUT:-1200} seconds" 124
elif [ ! -s "$events" ] || ! grep -q '"kind":"runEnded"' "$events"; then
    stop "the tests were not built, or their runner stopped before the end of the run" $((status ? status : 1))
elif [ "$status" -ne 0 ]; then
    # The last lines are what one gets to see of a long log, so what failed stands there, right above the summary.
    echo "What failed:"
    { grep -aE -A 3 'recorded an issue' "$output" || true; } | grep -avE '^(◇|✔|--)' | tail -n 40
    { grep -aE 'Test run with [0-9]+ tests?' "$output" || true; } | tail -n 1
    exit "$status"
fi

skips=$(events_of 'testSkipped|testCancelled|testCaseCancelled')
if [ -n "$skips" ]; then
    echo "Skipped or cancelled:"
    printf '%s\n' "$skips" | sed 's/^/    /'
    if [ "${URING_ALLOW_SKIPS:-0}" != 1 ]; then
        echo "error: a skipped test counts as a failure; URING_ALLOW_SKIPS=1 allows it on an older kernel" >&2
        exit 1
    fi
fi

# Tests print to a buffered standard output that is flushed after the summary; then the summary is repeated at the end.
summary=$(grep -E 'Test run with [0-9]+ tests?' "$output" | tail -n 1 || true)
if [ -z "$summary" ] || [[ $summary =~ "run with 0 tests" ]]; then
    echo "error: no test ran" >&2
    exit 1
fi
if [ "$(tail -n 1 "$output")" != "$summary" ] || [ -n "$skips" ]; then
    echo "$summary"
fi
