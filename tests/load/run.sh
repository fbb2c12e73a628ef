#!/bin/sh
# CPU per review and memory of a running server, by h2load (Debian: nghttp2-client) over keep-alive TLS.
# Usage: tests/load/run.sh [PROGRAM] [REQUESTS] [NETWORKS] [CONSTANT]
# CONSTANT is the listener with a constant answer (cargo bench --no-run --bench constant): the ratio to it.
# Client and server have a core each. CPU is what the kernel says of the server's threads: the client is
# busy long before the server is.
set -eu
program=$(realpath "${1:-target/release/multinic}")
requests=${2:-100000}
networks=${3:-0}
constant=${4:+$(realpath "$4")}
root=$(cd "$(dirname "$0")/../.." && pwd)
review=$root/tests/reviews/recorded/pod-two-networks.create-pods.mutate.json
work=$(mktemp -d)
trap 'kill $server 2>/dev/null; rm -rf "$work"' EXIT
mkdir "$work/networks"
for n in $(seq 1 "$networks"); do
  printf -- '---\napiVersion: k8s.cni.cncf.io/v1\nkind: NetworkAttachmentDefinition\nmetadata: {name: n%s, namespace: team-%s}\nspec: {config: '"'"'{"cniVersion": "1.0.0", "type": "macvlan", "master": "eth1", "ipam": {"type": "host-local", "subnet": "10.0.0.0/16"}}'"'"'}\n' "$n" $((n % 100)) >>"$work/networks/many-$((n / 500)).yaml"
done
cp "$root"/examples/networks/*.yaml "$work/networks" 2>/dev/null || true
cd "$work"
start=$(date +%s%N)
taskset -c 0 "$program" serve --networks networks --listen 127.0.0.1:28443 --admin-listen 127.0.0.1:28080 >"$work/log" &
server=$!
until curl -sf 127.0.0.1:28080/readyz >"$work/null" 2>&1; do sleep 0.005; done
echo "ready after $((($(date +%s%N) - start) / 1000000)) ms"
memory() { awk '/VmRSS/ {printf "%s: %.1f MiB resident\n", what, $2 / 1024}' what="$1" "/proc/$server/status"; }
cpu() { cat /proc/$server/task/*/schedstat | awk '{sum += $1} END {printf "%d\n", sum}'; }
sleep 1
known=$(curl -s 127.0.0.1:28080/metrics | awk '/^multinic_networks / {print $2}')
[ "$known" -ge "$networks" ] || { echo "only $known networks are known:" >&2; cat log >&2; exit 1; }
memory "idle, $known networks"
before=$(cpu)
taskset -c 1 h2load --h1 -n "$requests" -c 32 -t 1 -d "$review" -H 'content-type: application/json' \
  "https://127.0.0.1:28443/mutate?timeout=2s" | grep -E '^(finished|requests:|status)'
after=$(cpu)
sleep 1
echo "CPU per request: $(((after - before) / requests)) ns"
memory "after $requests reviews"
echo "log lines lost: $(curl -s 127.0.0.1:28080/metrics | awk '/^multinic_log_lines_lost_total/ {print $2}')"

[ -n "$constant" ] || exit 0
mine=$(((after - before) / requests))
kill $server
wait $server 2>"$work/null" || true
mkdir "$work/constant"
taskset -c 0 "$constant" 127.0.0.1:28443 "$work/constant" &
server=$!
until curl -sk -d x https://127.0.0.1:28443/mutate >"$work/null" 2>&1; do sleep 0.005; done
before=$(cpu)
taskset -c 1 h2load --h1 -n "$requests" -c 32 -t 1 -d "$review" -H 'content-type: application/json' \
  "https://127.0.0.1:28443/mutate?timeout=2s" | grep -E '^(finished|requests:|status)'
after=$(cpu)
theirs=$(((after - before) / requests))
echo "CPU per request of a constant answer: $theirs ns"
echo "ratio: $(awk -v a=$mine -v b=$theirs 'BEGIN { printf "%.2f", a / b }')"
