#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds and runs a program that imports URing, swift-system, Glibc and SwiftNIO in one file. Always from clean: a clash of C
# modules shows in the first build and can hide behind cached modules in the next.
set -euo pipefail
cd "$(dirname "$0")/.."

Scripts/ensure-liburing.sh
rm -rf Tests/ImportCanary/.build
swift build --package-path Tests/ImportCanary
"$(swift build --package-path Tests/ImportCanary --show-bin-path)/ImportCanary"
