#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Checks that every function, property and subscript for clients whose result is an optional that depends on a type parameter is `@inlinable`:
# Swift 6.3.1 miscompiles comparing the result with nil otherwise. "Defects of the compiler" in Docs/DECISIONS.md says how.
set -euo pipefail
cd "$(dirname "$0")/.."

mapfile -t sources < <(find Sources/URing -name '*.swift')

# The names of type parameters, and of what protocols leave to their conformers.
parameters=$({
    sed -nE 's/.*\b(struct|enum|class|func|init|subscript)( +[^ (<]+)?<([^>(]*)>.*/\3/p' "${sources[@]}" | tr ',' '\n'
    sed -nE 's/.*\bassociatedtype +//p' "${sources[@]}"
    echo Self
} | grep -oE '^ *[A-Za-z_]+' | tr -d ' ' | sort -u)

awk -v parameters="$parameters" '
    BEGIN { for (i = split(parameters, names); i > 0; i--) depends[names[i]] }
    /^ *\/\// { next }
    # A declaration is its attributes and what follows, up to the brace; one without a brace is a requirement or stored.
    /^ *@/ && !/(func|var|subscript)/ { declaration = declaration " " $0; next }
    !inside && /(^|[ )])(func|var|subscript)[ (<]/ { inside = 1; line = FNR }
    inside { declaration = declaration " " $0 }
    !inside || /[{]/ || /^ *}?$/ { if (inside) check(); declaration = ""; inside = 0 }

    function check(    result, words, i) {
        if (declaration !~ /(public|@usableFromInline) / || declaration !~ /[{]/) return
        result = declaration
        sub(/ *[{].*/, "", result)
        sub(/ where .*/, "", result)
        # The result is behind the last arrow, or the first colon of a property.
        if (!sub(/.*-> */, "", result) && !(declaration ~ / var / && sub(/^[^:]*: */, "", result))) return
        if (result !~ /[?]$/) return
        found++
        for (i = split(result, words, /[^A-Za-z_]+/); i > 0; i--)
            if (words[i] in depends && declaration !~ /@inlinable/) {
                printf "error: %s:%d gives %s and has to be @inlinable\n", FILENAME, line, result
                failed = 1
            }
    }
    # None at all would mean that this does not understand the sources any more.
    END { if (!found) print "error: there seems to be no optional result"; exit failed || !found }' "${sources[@]}" >&2
