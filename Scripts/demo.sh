#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs the echo server and its load client over TCP, first with URing and then with epoll, and ends with a table.
# Fails unless every byte came back as it was sent. Build the examples first; `make demo` does both.
set -euo pipefail
cd "$(dirname "$0")/.."

echo=Examples/.build/release/echo
connections=64
bytes=1024
seconds=5

if [ ! -x "$echo" ]; then
    echo "error: $echo is missing; run \`make demo\`, or \`swift build --package-path Examples -c release\` first" >&2
    exit 1
fi

work=$(mktemp -d)
server=

# Ends the server that is running, if any: asked first, forced when it does not go.
stop_server() {
    [ -n "$server" ] || return 0
    local pid=$server status=0
    server=
    kill -TERM "$pid" 2>/dev/null || true
    # `timeout` follows the process itself, because only this shell can wait for it.
    timeout 5 tail --pid="$pid" -f /dev/null || kill -KILL "$pid" 2>/dev/null || true
    wait "$pid" || status=$?
    return "$status"
}
trap 'stop_server || true; rm -rf "$work"' EXIT

printf 'engine\trequests/s\tp50 µs\tp90 µs\tp99 µs\tmax µs\tserver CPU µs/request\tverified bytes\n' > "$work/table"
for engine in uring epoll; do
    mkfifo "$work/$engine"
    "$echo" serve --engine "$engine" --port 0 > "$work/$engine" &
    server=$!
    exec 3< "$work/$engine"
    # The first line says where it listens.
    if ! IFS= read -r -t 10 -u 3 line || [[ ! $line =~ :([0-9]+)\  ]]; then
        echo "error: the $engine server did not start" >&2
        exit 1
    fi
    port=${BASH_REMATCH[1]}
    echo "$line"
    echo "Load: $connections connections, requests of $bytes bytes, $seconds seconds."
    "$echo" load --port "$port" --connections "$connections" --size "$bytes" --duration "$seconds" --requests 1000000000 \
        --server-pid "$server" --row "$engine" >> "$work/table"
    if ! stop_server; then
        echo "error: the $engine server did not end as it should" >&2
        exit 1
    fi
    cat <&3
    exec 3<&-
done

echo
column -t -s $'\t' "$work/table"
