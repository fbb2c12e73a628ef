#!/bin/sh
# Builds the real CNI plugins, at the release that `real/go.mod` pins and with the sums of
# `real/go.sum`, and whereabouts with a cluster in memory (`whereabouts/main.go`) in the same way,
# into the user's cache, and prints the folder. Needs Go.
set -eu
cd "$(dirname "$0")/real"
version=$(sed -n 's|.*containernetworking/plugins \(v[0-9.]*\).*|\1|p' go.mod)
whereabouts=$(cat ../whereabouts/main.go ../whereabouts/go.sum | cksum | cut -d ' ' -f 1)
folder="${XDG_CACHE_HOME:-$HOME/.cache}/multinic/cni-plugins-$version-$whereabouts"
from=github.com/containernetworking/plugins/plugins
packages=""
missing=""
for plugin in main/bridge main/ipvlan main/macvlan meta/portmap meta/sbr meta/tuning ipam/host-local ipam/static; do
    packages="$packages $from/$plugin"
    [ -x "$folder/${plugin#*/}" ] || missing=yes
done
[ -x "$folder/whereabouts" ] || missing=yes
if [ -n "$missing" ]; then
    command -v go >/dev/null || {
        echo "install.sh: Go is needed to build the CNI plugins $version; or put them into $folder" >&2
        exit 1
    }
    mkdir -p "$folder"
    # shellcheck disable=SC2086 # a list of words
    CGO_ENABLED=0 go build -mod=readonly -trimpath -o "$folder/" $packages >&2
    cd ../whereabouts
    CGO_ENABLED=0 go build -mod=readonly -trimpath -ldflags "-s -w" -o "$folder/whereabouts" . >&2
fi
echo "$folder"
