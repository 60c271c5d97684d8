#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Checks that the programs in the README and in articles are those that are built, that every link between the documents leads somewhere,
# that the reference's first page has every public type, and that every test and case which Docs/Safety.md or a case of Tests/Sabotage
# names is there.
set -euo pipefail
cd "$(dirname "$0")/.."

# A document and its program: the listing that begins with the import; the file has a licence line and an empty one before it.
check_program() {
    local program=Tests/ClientPackage/Sources/$2/main.swift listing
    listing=$(awk '/^```/ { inside = !inside; text = ""; next } inside { text = text $0 "\n"; if (text ~ /^import URing/) found = text }
        END { printf "%s", found }' "$1")
    if ! diff <(printf '%s\n' "$listing") <(tail -n +3 "$program"); then
        echo "error: the program in $1 is not $program" >&2
        exit 1
    fi
}
check_program README.md ReadmeProgram
check_program Sources/URing/URing.docc/UsingProvidedBuffers.md PoolProgram
check_program Sources/URing/URing.docc/UsingRegisteredFiles.md FileTableProgram
check_program Sources/URing/URing.docc/UsingMultishotOperations.md MultishotProgram
check_program Sources/URing/URing.docc/Threads.md ThreadsProgram
check_program Sources/URing/URing.docc/OperationsOfYourOwn.md RawProgram
check_program Sources/URing/URing.docc/TypesThatOwnARing.md OwnerProgram

failed=0
for document in *.md Docs/*.md Docs/Examples/*.md; do
    while IFS= read -r target; do
        [ -e "$(dirname "$document")/${target%%#*}" ] || { echo "error: $document links to $target, which is not there" >&2; failed=1; }
    done < <(grep -oE '\]\([^)]+\)' "$document" | sed -E 's/^\]\((.*)\)$/\1/' | grep -vE '^(https?:|#)' || true)
done

page=Sources/URing/URing.docc/URing.md
while IFS= read -r type; do
    grep -qF "\`\`$type\`\`" "$page" || { echo "error: $page has no $type" >&2; failed=1; }
done < <(grep -rhoE '^(@[a-z]+ )*public (final )?(struct|enum|class|protocol) [A-Za-z]+' Sources/URing | awk '{ print $NF }' | sort -u)

# The last column of Docs/Safety.md's tables, and what the cases of Tests/Sabotage say: Suite.test, or a case of what must not compile.
while IFS= read -r name; do
    case $name in
        *.*)
            files=$(grep -rlE "struct ${name%.*}\\b" Tests/URingTests || true)
            # shellcheck disable=SC2086 # The files are a list.
            [ -n "$files" ] && grep -qE "func ${name#*.}\\b" $files
            ;;
        *) [ -e "Tests/MustNotCompile/$name.swift" ] ;;
    esac || { echo "error: Docs/Safety.md or Tests/Sabotage names $name, which is not there" >&2; failed=1; }
done < <({
    awk -F ' [|]' '/^[|]/ { print $(NF - 1) }' Docs/Safety.md | grep -oE '`[^`]+`' | tr -d '`'
    sed -n 's/^fails: *//p' Tests/Sabotage/*.patch | tr ', ' '\n\n' | sed '/^$/d'
} | sort -u)
exit "$failed"
