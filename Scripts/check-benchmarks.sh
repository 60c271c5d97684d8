#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Checks in a few seconds that the benchmarks compile, against the modules of another package that was built optimised: the examples.
# To build them takes minutes, which `make bench` spends.
set -euo pipefail
cd "$(dirname "$0")/.."

package=${1:-Examples}
bin=$(swift build --package-path "$package" -c release --show-bin-path)
if [ ! -e "$bin/Modules/Support.swiftmodule" ]; then
    echo "error: $package is not built; run \`make examples\` first" >&2
    exit 1
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

clang -O2 -Wall -Wextra -Werror -fsyntax-only -D_GNU_SOURCE -IBenchmarks/Sources/CBaseline/include Benchmarks/Sources/CBaseline/*.c
printf 'module CBaseline {\n    umbrella header "%s"\n    export *\n}\n' "$PWD/Benchmarks/Sources/CBaseline/include/CBaseline.h" \
    >"$work/module.modulemap"
maps=("$work/module.modulemap" "$bin/CURing.build/module.modulemap" "$bin/CProcess.build/module.modulemap"
    "$bin/CFraming.build/module.modulemap" "$bin/CEpoll.build/module.modulemap"
    "$package/.build/checkouts/swift-system/Sources/CSystem/include/module.modulemap")
flags=()
for map in "${maps[@]}"; do flags+=(-Xcc "-fmodule-map-file=$map"); done
find Benchmarks/Sources/URingBench -name '*.swift' -print0 |
    xargs -0 swiftc -typecheck -swift-version 6 -strict-memory-safety -warnings-as-errors -parse-as-library -module-name URingBench \
        -I "$bin/Modules" "${flags[@]}"
