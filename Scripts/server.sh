#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Measures the example `server` beside the same in C, with liburing and with epoll, between two network namespaces that are as two machines:
# each has a processor, which receives what arrives, and is interrupted for it. Over the loopback device, who sends does the receiver's part, too.
# Takes root, two processors and some minutes. `--check` fails when the rings take more than 0.80 of epoll's CPU time, or answer fewer requests; how
# they do beside liburing in C scatters too much here to be checked.
# Usage: server.sh [--check] [rounds [depth...]]; needs `swift build --package-path Examples -c release --product server`.
set -euo pipefail
cd "$(dirname "$0")/.."

source Scripts/measurement.sh
rounds=${1:-41}
depths=("${@:2}")
if [ ${#depths[@]} = 0 ]; then depths=(1 4 16); fi

server=$(example server)
[ "$(nproc)" -ge 2 ] || { echo "error: each end needs a processor of its own" >&2; exit 1; }
command -v ip > /dev/null || Scripts/install-debian-package.sh iproute2 ip

serving=uring-serving-$$
loading=uring-loading-$$
# shellcheck disable=SC2317 # Called by the trap.
clean() {
    ip netns delete "$serving" 2> /dev/null || true
    ip netns delete "$loading" 2> /dev/null || true
}
trap clean EXIT

ip netns add "$serving"
ip netns add "$loading"
ip link add end netns "$serving" type veth peer name end netns "$loading"
# isolate <namespace> <address> <mask of processors>
isolate() {
    ip -n "$1" address add "$2"/30 dev end
    ip -n "$1" link set end up
    # What waits for child processes in Foundation talks to itself over it.
    ip -n "$1" link set lo up
    # What arrives is received on this processor, instead of where it was sent.
    ip netns exec "$1" sh -c "echo $3 > /sys/class/net/end/queues/rx-0/rps_cpus"
}
isolate "$serving" 198.18.0.1 1
isolate "$loading" 198.18.0.2 2

status=0
for depth in "${depths[@]}"; do
    echo "== 256 connections, $depth under way"
    ip netns exec "$serving" taskset -c 0 "$server" compare --address 198.18.0.1 --load-through "taskset -c 1 ip netns exec $loading" \
        --connections 256 --depth "$depth" --rounds "$rounds" --duration 0.5 ${check:+--check-epoll} || status=1
done
exit "$status"
