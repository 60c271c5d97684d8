#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Moves a file, pings and TCP through the example `tunnel`, and measures it beside its loops in C. Takes root, and some minutes.
# Fails when something is lost or differs, when the program does not end in time, or when a figure that does not depend on the machine is
# wrong: EAGAIN and worker threads of the multishot loop, and system calls for each packet. The ratios of times are printed, with what they
# are to be; `--check` fails for them too.
# Usage: tunnel.sh [--check] [rounds [section...]], the sections being files, pool, polling, compare and slots; needs `swift build --package-path Examples -c release --product tunnel`.
set -euo pipefail
cd "$(dirname "$0")/.."

source Scripts/measurement.sh
rounds=${1:-5}
sections=" ${*:2} "
# Whether a part of all this is wanted.
wants() { [[ $sections == "  " || $sections == *" $1 "* ]]; }

tunnel=$(example tunnel)
command -v ping > /dev/null || Scripts/install-debian-package.sh iputils-ping ping
command -v iperf3 > /dev/null || Scripts/install-debian-package.sh iperf3 iperf3
command -v socat > /dev/null || Scripts/install-debian-package.sh socat socat

work=$(mktemp -d)
called=
caller=
server=
# shellcheck disable=SC2317 # Called by the trap.
clean() {
    for pid in $called $caller $server; do kill -KILL "$pid" 2> /dev/null || true; done
    rm -rf "$work"
}
trap clean EXIT

failures=0
fail() {
    echo "error: $1" >&2
    failures=$((failures + 1))
}

# Each end and its programs have a processor of their own, as two machines would be. The scheduler's choice of a processor would else weigh
# more than the loops do.
processors=(0 1)

# Starts both ends.
begin() {
    mkfifo "$work/called" "$work/caller"
    taskset -c "${processors[0]}" "$tunnel" run --isolate --inside 10.9.0.1 --inside-peer 10.9.0.2 "$@" > "$work/called" &
    called=$!
    exec 3< "$work/called"
    IFS= read -r -t 10 -u 3 line || true
    [[ $line =~ from\ [^\ ]*:([0-9]+)\  ]] || { echo "error: the tunnel did not start" >&2; exit 1; }
    taskset -c "${processors[1]}" "$tunnel" run --isolate --peer-port "${BASH_REMATCH[1]}" --inside 10.9.0.2 --inside-peer 10.9.0.1 "$@" > "$work/caller" &
    caller=$!
    exec 4< "$work/caller"
    IFS= read -r -t 10 -u 4 line || { echo "error: the tunnel did not start" >&2; exit 1; }
    at_called=(taskset -c "${processors[0]}" nsenter --target "$called" --net)
    at_caller=(taskset -c "${processors[1]}" nsenter --target "$caller" --net)
}

# Ends both, and leaves their reports in $work/report. How many milliseconds each took goes to $work/stops, and both to $stopped.
end() {
    stopped=
    local pid from took
    for pid in "$called" "$caller"; do
        from=$(date +%s%N)
        kill -TERM "$pid"
        wait "$pid" || fail "an end of the tunnel ended with status $?"
        took=$((($(date +%s%N) - from) / 1000000))
        stopped="$stopped $took"
        echo "$took" >> "$work/stops"
    done
    cat <&3 > "$work/report"
    cat <&4 >> "$work/report"
    exec 3<&- 4<&-
    called=
    caller=
    rm "$work/called" "$work/caller"
}

# The kernel's worker threads of both ends.
workers() {
    cat /proc/"$called"/task/*/comm /proc/"$caller"/task/*/comm 2> /dev/null | grep -c '^iou-wrk' || true
}

# Starts an iperf3 server for one test at the called end, and waits until it listens.
serve() {
    mkfifo "$work/server"
    "${at_called[@]}" iperf3 --server --one-off --forceflush > "$work/server" 2>&1 &
    server=$!
    exec 5< "$work/server"
    while IFS= read -r -t 10 -u 5 line && [[ $line != *listening* ]]; do :; done
}

served() {
    cat <&5 > "$work/served"
    exec 5<&-
    wait "$server" || fail "iperf3 failed: $(tail -n 1 "$work/served")"
    server=
    rm "$work/server"
}

# Sums up the reports of both ends: µs of processor time a packet, system calls a packet, EAGAIN a packet, packets, and µs of processor time for
# 1000 bytes that were moved. How many acknowledgements there are, which are cheap packets, depends on the loop, so the first says less.
sums() {
    tr -d , < "$work/report" | awk '
        / packets / && /peer:/ { packets += $4; bytes += $6 / 2 }
        /^Found/ { nothing += $3 } /^System/ { calls += $3 } /^CPU/ { time += $3 * 1000 }
        END { printf "%.3f %.3f %.4f %d %.3f\n", time / packets, calls / packets, nothing / packets, packets, time * 1000 / bytes }'
}

median() { sort -n | awk '{ value[NR] = $1 } END { print value[int((NR + 1) / 2)] }'; }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", a / b }'; }
# expect <value> <at most|at least> <limit> <what>
expect() {
    local verdict=met
    awk -v v="$1" -v how="$2" -v l="$3" 'BEGIN { exit !(how == "at most" ? v <= l : v >= l) }' || verdict=missed
    echo "$4: $1 ($2 $3: $verdict)"
    if [ "$verdict" = missed ] && [ -n "$check" ]; then fail "$4 is $1"; fi
}

# The ticks of a process, and the states of its polling threads.
ticks() { sed 's/.*) //' /proc/"$1"/stat | awk '{ print $12 + $13 }'; }
polling() { cat /proc/"$1"/task/*/stat | sed -n 's/.*(iou-sqp[^)]*) \(.\).*/\1/p'; }
# The median of the ratios of each round: what else the machine does weighs less in what is measured one after the other.
against() { paste "$work/$1.$3" "$work/$2.$3" | awk '{ printf "%.2f\n", $1 / $2 }' | median; }

if wants files; then
    echo "== A file of 64 MiB, and pings"
    head -c $((64 << 20)) /dev/urandom > "$work/file"
    sum=$(sha256sum < "$work/file")
    for options in "" "--blocking" "--zero-copy" "--transport tcp" "--engine slots" "--engine slots --tun-slots 256" "--engine epoll" \
        "--engine liburing"; do
        # shellcheck disable=SC2086 # A list of options.
        begin $options
        "${at_called[@]}" socat -u TCP-LISTEN:5002,reuseaddr "CREATE:$work/received" &
        server=$!
        "${at_caller[@]}" socat -u "FILE:$work/file" TCP:10.9.0.1:5002,retry=100,interval=0.1 || fail "socat failed with options '$options'"
        wait "$server" || fail "socat failed with options '$options'"
        server=
        [ "$(sha256sum < "$work/received")" = "$sum" ] || fail "the file differs with options '$options'"
        rm "$work/received"
        "${at_caller[@]}" ping -q -i 0.001 -c 3000 10.9.0.1 > "$work/pings" || fail "ping failed with options '$options'"
        lost=$(awk '/packets transmitted/ { print $1 - $4 }' "$work/pings")
        [ "$lost" = 0 ] || fail "$lost of 3000 pings are lost with options '$options'"
        threads=$(workers)
        end
        read -r cost calls nothing packets per_bytes < <(sums)
        echo "${options:-(default)}: $lost of 3000 pings lost; $packets packets, $calls system calls and $nothing EAGAIN a packet, $threads worker threads, ended in$stopped ms"
        case $options in
            *engine*) ;;
            *) if [ "$nothing" != 0.0000 ] || [ "$threads" != 0 ]; then fail "EAGAIN or worker threads with options '$options'"; fi ;;
        esac
    done
fi

if wants pool; then
    echo
    echo "== A million packets through a pool of 1024 buffers"
    begin --buffers 1024
    serve
    "${at_caller[@]}" iperf3 --client 10.9.0.1 --bytes 1400M > "$work/sent" || fail "iperf3 failed"
    served
    threads=$(workers)
    end
    read -r cost calls nothing packets per_bytes < <(sums)
    [ "$packets" -ge 2000000 ] || fail "only $packets packets at both ends"
    [ "$(grep -c 'Not given back: 0 buffers' "$work/report")" = 2 ] || fail "buffers were not given back"
    echo "$((packets / 2)) packets, all buffers given back, $nothing EAGAIN a packet, $threads worker threads"
fi

if wants polling; then
    echo
    echo "== A polling thread without work"
    # The thread wants a processor that is not the loop's.
    processors=(0-1 0-1)
    begin --sqpoll-idle 20
    "${at_caller[@]}" "$tunnel" ping 10.9.0.1 --count 10 --patience 10000 > "$work/pings" || fail "pings are lost with a polling thread"
    for pid in "$called" "$caller"; do
        for ((try = 0; try < 100; try++)); do
            if [ "$(polling "$pid")" = S ]; then break; fi
            sleep 0.1
        done
        before=$(ticks "$pid")
        sleep 1
        echo "in state $(polling "$pid"); ticks of processor time in a second: $(($(ticks "$pid") - before))"
        [ "$(ticks "$pid")" = "$before" ] || fail "a polling thread without work takes processor time"
    done
    called_pid=$called
    end
    [ ! -e /proc/"$called_pid" ] || fail "the process is still there"
    processors=(0 1)
fi

if wants compare; then
    echo
    echo "== Beside epoll and liburing in C: TCP through the tunnel, medians of $rounds rounds"
    names=(epoll liburing multishot zero-copy slots-8)
    declare -A options_of=([epoll]="--engine epoll" [liburing]="--engine liburing" [multishot]="" [zero-copy]="--zero-copy" [slots-8]="--engine slots")
    for ((round = 0; round < rounds; round++)); do
        for name in "${names[@]}"; do
            # shellcheck disable=SC2086 # A list of options.
            begin ${options_of[$name]}
            serve
            "${at_caller[@]}" iperf3 --client 10.9.0.1 --time 3 --format m > "$work/sent" || fail "iperf3 failed"
            served
            awk '/receiver/ { print $7 }' "$work/sent" >> "$work/$name.rate"
            end
            read -r cost calls nothing packets per_bytes < <(sums)
            echo "$cost" >> "$work/$name.cost"
            echo "$per_bytes" >> "$work/$name.bytes"
            echo "$calls" >> "$work/$name.calls"
            echo "$nothing" >> "$work/$name.nothing"
            # shellcheck disable=SC2086
            begin ${options_of[$name]}
            "${at_caller[@]}" "$tunnel" ping 10.9.0.1 --count 3000 | awk '/^Round/ { print $4 }' >> "$work/$name.trip"
            end
        done
    done
    printf 'loop\tMbit/s\tCPU µs/packet\tCPU µs/1000 bytes\tcalls/packet\tEAGAIN/packet\tRTT p50 µs\n' > "$work/table"
    for name in "${names[@]}"; do
        printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$name" "$(median < "$work/$name.rate")" "$(median < "$work/$name.cost")" \
            "$(median < "$work/$name.bytes")" "$(median < "$work/$name.calls")" "$(median < "$work/$name.nothing")" "$(median < "$work/$name.trip")" >> "$work/table"
    done
    column -t -s $'\t' "$work/table"
    expect "$(against multishot epoll cost)" "at most" 0.85 "CPU a packet, multishot to epoll"
    echo "CPU for as many bytes, multishot to epoll: $(against multishot epoll bytes)"
    expect "$(against multishot liburing cost)" "at most" 1.15 "CPU a packet, multishot to liburing"
    echo "CPU for as many bytes, multishot to liburing: $(against multishot liburing bytes)"
    expect "$(median < "$work/multishot.calls")" "at most" 0.2 "System calls a packet, multishot"
    expect "$(against multishot epoll rate)" "at least" 1 "Throughput, multishot to epoll"
    expect "$(against multishot epoll trip)" "at most" 1.2 "Round trip, multishot to epoll"
    echo "Throughput, zero copy to copy: $(against zero-copy multishot rate)"
fi

if wants slots; then
    echo
    echo "== Slots at a low rate: 5000 datagrams of 1340 bytes a second"
    printf 'reads at the device\tCPU µs/packet\tto multishot\tEAGAIN/packet\tworker threads\tlost\n' > "$work/table"
    for slots in 0 1 8 64 256 1024; do
        for mode in "" --blocking; do
            engine=(--engine slots --tun-slots "$slots" --udp-slots 8)
            if [ "$slots" = 0 ]; then engine=(); fi
            # shellcheck disable=SC2086 # An option, or none.
            begin "${engine[@]}" $mode
            serve
            "${at_caller[@]}" iperf3 --client 10.9.0.1 --udp --length 1340 --bitrate 53.6M --pacing-timer 200 --time 2 > "$work/sent" || fail "iperf3 failed"
            served
            threads=$(workers)
            lost=$(awk '/receiver/ { print $(NF - 2), $(NF - 1) }' "$work/sent")
            end
            # The caller's end reads the device: its report is the second one.
            tail -n 6 "$work/report" > "$work/reading" && mv "$work/reading" "$work/report"
            read -r cost calls nothing packets per_bytes < <(sums)
            if [ "$slots" = 0 ] && [ -z "$mode" ]; then base=$cost; fi
            if [ "$slots" = 256 ] && [ -z "$mode" ]; then at_256=$cost; fi
            printf '%s %s\t%s\t%s\t%s\t%s\t%s\n' "$([ "$slots" = 0 ] && echo multishot || echo "$slots slots")" "${mode#--}" "$cost" \
                "$(ratio "$cost" "$base")" "$nothing" "$threads" "$lost" >> "$work/table"
        done
    done
    column -t -s $'\t' "$work/table"
    expect "$(ratio "$at_256" "$base")" "at least" 4 "CPU a packet, 256 slots to multishot"
fi

echo
echo "The ends stopped in a median of $(median < "$work/stops") ms, and at most $(sort -n "$work/stops" | tail -n 1) ms, with the time to ask them."
[ "$(median < "$work/stops")" -le 50 ] || fail "the ends do not stop in time"

[ "$failures" -eq 0 ] || { echo "$failures things are not as they should be." >&2; exit 1; }
