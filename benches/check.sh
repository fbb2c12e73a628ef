#!/usr/bin/env bash
# multinic check beside kubeconform (no schemas) and conftest (one rule), on the same 10,000 manifests, in one run.
#
#   cargo build --release && benches/check.sh [RUNS]
#
# Needs GNU time, and both programs in the PATH or in $(go env GOPATH)/bin:
#   go install github.com/yannh/kubeconform/cmd/kubeconform@v0.8.0
#   go install github.com/open-policy-agent/conftest@v0.71.1
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
PATH="$PATH:$(go env GOPATH 2>/dev/null || true)/bin"
runs=${1:-3}
multinic=${MULTINIC:-$PWD/target/release/multinic}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/manifests" "$folder/policy" "$folder/schemas"

# A tenth are networks, half are Pods with two networks, and the rest are Deployments.
awk -v folder="$folder/manifests" 'BEGIN {
    for (i = 0; i < 10000; i++) {
        file = sprintf("%s/%05d.yaml", folder, i)
        # Nine Pods and Deployments use the network before them.
        first = i - i % 10
        space = "team-" first % 50
        if (i % 10 == 0) {
            printf "apiVersion: k8s.cni.cncf.io/v1\nkind: NetworkAttachmentDefinition\nmetadata:\n  name: net-%d\n  namespace: %s\n  annotations:\n    k8s.v1.cni.cncf.io/nodeSelector: nic=ens%d\nspec:\n  config: |\n    {\n      \"cniVersion\": \"1.0.0\",\n      \"type\": \"macvlan\",\n      \"master\": \"ens224\",\n      \"ipam\": {\"type\": \"whereabouts\", \"range\": \"10.%d.%d.0/24\"}\n    }\n", i, space, i % 7, i % 250, int(i / 250) > file
        } else {
            kind = i % 10 < 6 ? "Pod" : "Deployment"
            indent = kind == "Pod" ? "" : "    "
            annotations = indent "metadata:\n" indent "  labels:\n" indent "    app: web-" i "\n" indent "  annotations:\n" indent "    k8s.v1.cni.cncf.io/networks: net-" first ", net-" first "\n"
            containers = indent "spec:\n" indent "  containers:\n" indent "  - name: web\n" indent "    image: registry.example/web:1.2.3\n" indent "    ports:\n" indent "    - containerPort: 8080\n" indent "    resources:\n" indent "      requests: {cpu: 100m, memory: 64Mi}\n" indent "      limits: {memory: 64Mi}\n" indent "    env:\n" indent "    - {name: LOG, value: info}\n" indent "    - name: SECRET\n" indent "      valueFrom:\n" indent "        secretKeyRef: {name: web, key: secret}\n" indent "    readinessProbe:\n" indent "      httpGet: {path: /readyz, port: 8080}\n"
            if (kind == "Pod") {
                sub(/metadata:\n/, "metadata:\n  name: web-" i "\n  namespace: " space "\n", annotations)
                printf "apiVersion: v1\nkind: Pod\n%s%s", annotations, containers > file
            } else {
                printf "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web-%d\n  namespace: %s\nspec:\n  replicas: 3\n  selector:\n    matchLabels:\n      app: web-%d\n  template:\n%s%s", i, space, i, annotations, containers > file
            }
        }
        close(file)
    }
}'
cat >"$folder/policy/one.rego" <<'REGO'
package main

import rego.v1

deny contains msg if {
	input.kind == "Pod"
	not input.metadata.namespace
	msg := "a Pod needs a namespace"
}
REGO

measure() {
    local name=$1
    shift
    for _ in $(seq "$runs"); do
        command time --format "$name: %e s elapsed, %U s user, %S s system, %M KiB" --quiet -- "$@" 2>"$folder/err" >/dev/null || true
        tail -n 1 "$folder/err"
    done
}
measure multinic "$multinic" check "$folder/manifests" --fail-on never
measure kubeconform kubeconform -ignore-missing-schemas -schema-location "$folder/schemas/{{.ResourceKind}}.json" "$folder/manifests"
measure conftest conftest test --policy "$folder/policy" "$folder/manifests"
