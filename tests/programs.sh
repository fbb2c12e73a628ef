# Builds programs, unpatched, from Go modules that are pinned beside a script. Sourced, not run.
#
# The script that sources this sets `here` (the folder of its modules) and `name` (for its messages). What is built stays
# in the user's cache, keyed by the go.mod and go.sum that it was built from: a clean clone finds it again, and a
# new pin never finds the old program. Only the folder's name goes to stdout; progress goes to stderr.
# shellcheck shell=bash

cache=${XDG_CACHE_HOME:-${HOME:?neither XDG_CACHE_HOME nor HOME is set}/.cache}/multinic/$(tr ' ' - <<<"${name:?}")

say() { echo "$name: $*" >&2; }
die() { say "$*"; exit 1; }

key() { # of a module folder: the same pins give the same key
    cat "${here:?}/$1/go.mod" "$here/$1/go.sum" | sha256sum | cut -c1-16
}

# Without a version stamped in, the programs of Kubernetes report v0.0.0 and refuse each other's features.
flags() { # of a module folder
    local version package
    version=$(sed -n 's/^\tk8s\.io\/kubernetes \(v[^ ]*\).*/\1/p' "$here/$1/go.mod")
    [ -n "$version" ] || return 0
    for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
        echo "-X $package.gitVersion=$version -X $package.gitMajor=1 -X $package.gitMinor=$(cut -d. -f2 <<<"$version")"
    done
}

build() { # program, module folder, package, target, build tags
    command -v go >/dev/null ||
        die "$1 is missing: set KUBEBUILDER_ASSETS to a folder that holds it, or install Go (to build it from its pinned module)"
    say "building $1 from $2 (once; minutes from cold caches)"
    mkdir -p "$(dirname "$4")"
    # Built beside its place and renamed into it: an interrupted build leaves nothing to be found.
    trap 'rm -f "$4.$$"' EXIT
    (cd "$here/$2" && CGO_ENABLED=0 GOWORK=off GOFLAGS=-mod=readonly \
        go build -trimpath -tags "${5:-}" -ldflags "-s -w $(flags "$2" | tr '\n' ' ')" -o "$4.$$" "$3") >&2 ||
        die "$1 could not be built from its pinned module $2 (see above); KUBEBUILDER_ASSETS may name a folder that holds it instead"
    mv "$4.$$" "$4"
    trap - EXIT
}

# Makes the folder $1, in which a symbolic link stands for each line of $2: a program, its module folder, its package and
# its build tags, separated by commas. A program comes from $KUBEBUILDER_ASSETS where that folder holds it. Where `only` is
# set, no other program is built.
collect() {
    local program module package tags built
    while read -r program module package tags; do
        [ -n "$program" ] || continue
        [ -z "${only:-}" ] || [ "$only" = "$program" ] || continue
        mkdir -p "$(dirname "$1/$program")"
        if [ -n "${KUBEBUILDER_ASSETS:-}" ] && [ -x "$KUBEBUILDER_ASSETS/$program" ]; then
            ln -sfn "$(cd "$KUBEBUILDER_ASSETS" && pwd)/$program" "$1/$program"
            continue
        fi
        built=$cache/$(basename "$module")-$(uname -m)-$(key "$module")/$program
        [ -x "$built" ] || build "$program" "$module" "$package" "$built" "$tags"
        ln -sfn "$built" "$1/$program"
    done <<<"$2"
}
