# SPDX-License-Identifier: Apache-2.0
# What the scripts that measure examples begin with: `source` it with no arguments. It takes `--check` out of the script's own and sets `check`.

# shellcheck disable=SC2034 # For who sources it.
check=
if [ "${1:-}" = --check ]; then
    check=1
    shift
fi
[ "$(id -u)" -eq 0 ] || { echo "error: network namespaces take root" >&2; exit 1; }

# Where an example is that was built optimised.
example() {
    local program=$PWD/Examples/.build/release/$1
    [ -x "$program" ] || { echo "error: $program is missing; run \`swift build --package-path Examples -c release --product $1\`" >&2; exit 1; }
    echo "$program"
}
