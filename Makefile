# SPDX-License-Identifier: Apache-2.0
# `make help` lists the targets. Every one that builds makes sure of liburing first.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
# Two builds at once would wait for each other's lock on the same build folder.
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory

# How the tests are built and run optimised.
OPTIMISED := -c release -Xswiftc -enable-testing
# What debuggers need is a good part of building the tests, and nobody debugs in CI.
LEAN := $(if $(CI),-Xswiftc -gnone)
SOURCES := $(wildcard Package.swift Sources Tests Examples Benchmarks)

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/\1|\2/' | column -t -s '|'

.PHONY: liburing
liburing:
	@Scripts/ensure-liburing.sh

.PHONY: test
test: liburing ## Build and run the tests, debug
	Scripts/run-tests.sh $(LEAN)

.PHONY: test-release
test-release: liburing ## Build and run the tests, optimised
	Scripts/run-tests.sh $(OPTIMISED) $(LEAN)

.PHONY: demo
demo: liburing ## Run the echo server and its verifying load client
	swift build --package-path Examples -c release
	Scripts/demo.sh

# The cheapest checks come first, and the test runner's summary is the last thing printed. To optimise the tests is minutes of work for one
# processor, so others are checked beside it; they use other build folders.
.PHONY: check
check: liburing ## Everything a change has to pass
	$(MAKE) lint
	$(MAKE) unsafe-count
	$(MAKE) test
	$(MAKE) must-not-compile
	log=$$(mktemp); swift build --build-tests $(OPTIMISED) $(LEAN) >"$$log" 2>&1 & build=$$!; \
	trap 'rm -f "$$log"; kill "$$build" 2>/dev/null || true' EXIT; \
	for part in client examples benchmarks canary hot-path; do $(MAKE) "$$part"; done; \
	wait "$$build" || { tail -n 40 "$$log" >&2; exit 1; }
	Scripts/run-tests.sh $(OPTIMISED) $(LEAN) --skip-build

.PHONY: lint
lint: ## Check the formatting and style rules
	swift format lint --strict --parallel --recursive $(SOURCES)
	Scripts/check-optionals.sh

.PHONY: format
format: ## Rewrite the sources in the house format
	swift format --in-place --parallel --recursive $(SOURCES)

.PHONY: unsafe-count
unsafe-count: ## Count the unsafe expressions of the library; examples must have none
	Scripts/count-unsafe.sh

.PHONY: must-not-compile
must-not-compile: liburing ## Check that misuse is rejected with the expected diagnostics
	Scripts/must-not-compile.sh

.PHONY: client
client: liburing ## Build and run a package that uses URing with a user's settings
	Scripts/check-documents.sh
	swift build --package-path Tests/ClientPackage
	swift run --package-path Tests/ClientPackage --skip-build ReadmeProgram
	swift run --package-path Tests/ClientPackage --skip-build PoolProgram
	swift run --package-path Tests/ClientPackage --skip-build FileTableProgram
	swift run --package-path Tests/ClientPackage --skip-build MultishotProgram
	swift run --package-path Tests/ClientPackage --skip-build ThreadsProgram
	swift run --package-path Tests/ClientPackage --skip-build RawProgram
	swift run --package-path Tests/ClientPackage --skip-build OwnerProgram
	swift run --package-path Tests/ClientPackage --skip-build CustomOperation

.PHONY: examples
examples: liburing ## Build the examples and run their tests
	swift build --package-path Examples -c release
	if [ -d Examples/Tests ]; then \
	    swift build --package-path Examples -c release --build-tests; \
	    Scripts/run-tests.sh --package-path Examples -c release --skip-build; \
	fi

.PHONY: canary
canary: liburing ## Build URing, swift-system, Glibc and SwiftNIO together, from clean
	Scripts/import-canary.sh

.PHONY: hot-path
hot-path: liburing ## Check allocations, reference counts and instructions per operation
	Scripts/count-allocations.sh
	Scripts/count-instructions.sh

.PHONY: benchmarks
benchmarks: ## Check that the benchmarks compile, against the modules of the examples
	Scripts/check-benchmarks.sh

.PHONY: bench
bench: liburing ## Compare URing with C and others on this machine, and write Docs/Benchmarks.md
	swift build --package-path Benchmarks -c release
	"$$(swift build --package-path Benchmarks -c release --show-bin-path)/uring-bench" document Docs/Benchmarks.md

.PHONY: instructions
instructions: liburing ## Print user instructions per operation of the benchmarks' engines (CASES="nop-32 read" for some)
	Scripts/count-instructions.sh benchmarks $(CASES)

.PHONY: allocations
allocations: liburing ## Print allocations and reference counts per operation of the benchmarks' engines (CASES as well)
	Scripts/count-allocations.sh benchmarks $(CASES)

# The Swift test library itself never frees some memory, so leaks are not looked for.
.PHONY: sanitize
sanitize: liburing ## Run the tests under the address and the thread sanitizer
	ASAN_OPTIONS=detect_leaks=0 Scripts/run-tests.sh --sanitize=address --scratch-path .build-asan
	Scripts/run-tests.sh --sanitize=thread --scratch-path .build-tsan

# Every case is a build: it takes half an hour or more, so `check` leaves it out.
.PHONY: sabotage
sabotage: liburing ## Check that tests fail without the code they cover
	Scripts/sabotage.sh

.PHONY: clean
clean: ## Remove everything that was built
	rm -rf .build .build-* Examples/.build Benchmarks/.build Tests/*/.build
