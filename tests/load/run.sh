#!/bin/sh
# CPU of a review, readiness and memory of the server, by h2load over keep-alive TLS.
# Usage: tests/load/run.sh [TARGET]
# TARGET is a target of rustc; without it, the host's. REQUESTS (100000) are sent for each line of the table.
#
# Beside the server runs the same listener, which reads the request and answers a constant (benches/constant.rs). The two
# take turns on one core, the client has the other: what counts is the ratio. CPU is what the kernel says of the server's
# threads, because the client is busy long before the server is.
set -eu
for tool in h2load:nghttp2-client curl:curl taskset:util-linux; do
  command -v "${tool%:*}" >/dev/null ||
    { echo "${tool%:*} is missing: on Debian it is in the package ${tool#*:}" >&2; exit 1; }
done
[ "$(nproc)" -ge 2 ] || { echo "client and server need a core each: this machine has one" >&2; exit 1; }
cd "$(dirname "$0")/../.."
root=$PWD
target=${1:+--target $1}
requests=${REQUESTS:-100000}
turns=10
cargo build --release --locked $target
program=$root/target/${1:+$1/}release/multinic
# The profile `bench` is that of releases.
constant=$(cargo bench --locked --no-run --bench constant $target 2>&1 | sed -n 's/.*Executable.*(\(.*\))$/\1/p')
constant=$(realpath "$constant")

work=$(mktemp -d)
server= other=
trap 'kill $server $other 2>/dev/null || true; rm -rf "$work"' EXIT
cp -r examples/networks "$work/networks"
cd "$work"
url=https://127.0.0.1:28443 admin=127.0.0.1:28080

# Starts the server, and waits until it says that it is ready.
start() {
  : >log
  began=$(date +%s%N)
  taskset -c 0 "$program" serve --networks "$1" --listen 127.0.0.1:28443 --admin-listen $admin >log &
  server=$!
  until grep -q 'ready: serving' log; do sleep 0.02; done
  ready=$(date -d "$(sed -n 's/ .*ready: serving.*//p' log)" +%s%N)
  curl -sf $admin/readyz >answer || { echo "it is not ready" >&2; exit 1; }
}
stop() {
  kill $server
  wait $server || true
}
cpu() { cat /proc/"$1"/task/*/schedstat | awk '{sum += $1} END {printf "%.0f", sum}'; }
memory() { awk -v what="$1" '/VmRSS/ {all = $2} /RssAnon/ {own = $2} END {
  printf "%-48s %6.1f MiB, %.1f of it not of the program file\n", what, all / 1024, own / 1024}' "/proc/$server/status"; }
# Nanoseconds of CPU of process $1 for a turn of requests to $2.
load() {
  before=$(cpu "$1")
  taskset -c 1 h2load --h1 -n $((requests / turns)) -c 32 -t 1 -d "$3" -H 'content-type: application/json' "$2" >client
  grep -q ' 0 failed, 0 errored' client && grep -q "status codes: $((requests / turns)) 2xx" client ||
    { echo "requests failed:" >&2; cat client >&2; exit 1; }
  echo $(($(cpu "$1") - before))
}

start networks
echo "ready, a development certificate made             $(((ready - began) / 1000000)) ms"
stop
start networks
echo "ready, the certificate there                      $(((ready - began) / 1000000)) ms"
sh -c "$(sed -n 's/.*try: curl/curl -sS/p' log)" >answer
grep -q '"allowed":false' answer || { echo "the line to try does not work:" >&2; cat answer >&2; exit 1; }
sleep 1
memory "resident, idle"
taskset -c 0 "$constant" 127.0.0.1:28444 "$work/constant" &
other=$!
until curl -sk -d x https://127.0.0.1:28444/mutate >answer; do sleep 0.02; done

echo
printf '%-48s %7s %9s %9s %6s\n' review bytes review constant ratio
for line in \
  'Pod, two networks, nothing to patch|mutate|tests/reviews/recorded/pod-two-networks.create-pods.mutate.json|keep' \
  'Pod, one network, patched|mutate|examples/reviews/placed.json|patch' \
  'Pod, two networks, judged and allowed|validate|examples/reviews/two-networks.json|allow' \
  'Pod, judged and refused|validate|examples/reviews/isolated-network.json|deny' \
  'NAD, a chain, judged and allowed|validate|tests/reviews/recorded/nad-conflist-sbr.create-network-attachment-definitions.validate.json|allow'
do
  IFS='|' read -r name path file verdict <<EOF
$line
EOF
  file=$root/$file
  curl -sSf --cacert certs/ca.crt -H 'content-type: application/json' --data-binary "@$file" "$url/$path" >answer
  grep -q "\"verdict\":\"$verdict" answer || { echo "$name: not what it is called:" >&2; cat answer >&2; exit 1; }
  ours=0 theirs=0
  for _ in $(seq $turns); do
    ours=$((ours + $(load $server "$url/$path?timeout=2s" "$file")))
    theirs=$((theirs + $(load $other "https://127.0.0.1:28444/$path?timeout=2s" "$file")))
  done
  awk -v name="$name" -v bytes="$(wc -c <"$file")" -v ours=$((ours / requests)) -v theirs=$((theirs / requests)) \
    'BEGIN {printf "%-48s %7d %6.1f us %6.1f us %6.2f\n", name, bytes, ours / 1000, theirs / 1000, ours / theirs}'
  sent=$((${sent:-0} + requests))
  after="${after:-}$(memory "resident after $sent reviews")
"
done
echo
printf '%s' "$after"
echo "log lines lost                                   $(curl -s $admin/metrics | awk '/^multinic_log_lines_lost_total/ {print $2}')"
stop

mkdir many
for n in $(seq 10000); do
  printf -- '---\napiVersion: k8s.cni.cncf.io/v1\nkind: NetworkAttachmentDefinition\nmetadata: {name: n%s, namespace: team-%s}\nspec: {config: '"'"'{"cniVersion": "1.0.0", "type": "macvlan", "master": "eth1", "ipam": {"type": "host-local", "subnet": "10.0.0.0/16"}}'"'"'}\n' "$n" $((n % 100))
done >many/all.yaml
start many
sleep 1
memory "resident, $(curl -s $admin/metrics | awk '/^multinic_networks / {print $2}') networks"
echo "ready, 10,000 networks in one file                $(((ready - began) / 1000000)) ms"
stop
