{{/*
Which requests the API server sends to multinic, in CEL. Each expression is null-safe: one that fails under
failurePolicy Fail would refuse the write. Optional types are available from Kubernetes 1.29. `oldObject == null` holds
for a CREATE, also of a Binding.
*/}}

{{/* Multus ignores an empty networks annotation. */}}
{{- define "multinic.networks" -}}
{{ . }}.?metadata.?annotations[?"k8s.v1.cni.cncf.io/networks"]
{{- end }}

{{/* An empty default-network annotation breaks the sandbox, and null in a manifest is stored as "": its presence counts. */}}
{{- define "multinic.defaultNetwork" -}}
{{ . }}.?metadata.?annotations[?"v1.multus-cni.io/default-network"]
{{- end }}

{{- define "multinic.nodeSelector" -}}
{{ . }}.?metadata.?annotations[?"k8s.v1.cni.cncf.io/nodeSelector"]
{{- end }}

{{/* The template of a workload; that of a CronJob is one level deeper. */}}
{{- define "multinic.template" -}}
{{ . }}.?spec.?template.or({{ . }}.?spec.?jobTemplate.?spec.?template)
{{- end }}

{{- define "multinic.asks" -}}
{{ include "multinic.networks" . }}.orValue("") != "" || {{ include "multinic.defaultNetwork" . }}.hasValue()
{{- end }}

{{/* Removals never match: they have to work while every replica is dead. */}}
{{- define "multinic.matchPods" -}}
- name: adds-or-changes-a-network
  expression: >-
    ({{ include "multinic.networks" "object" }}.orValue("") != ""
    && (oldObject == null || {{ include "multinic.networks" "object" }} != {{ include "multinic.networks" "oldObject" }}))
    || ({{ include "multinic.defaultNetwork" "object" }}.hasValue()
    && (oldObject == null || {{ include "multinic.defaultNetwork" "object" }} != {{ include "multinic.defaultNetwork" "oldObject" }}))
{{- end }}

{{/* The affinity and the requests too: what was added has to be added again when a manifest without it is applied once more. */}}
{{- define "multinic.matchPlacement" -}}
- name: asks-for-a-network
  expression: >-
    {{ include "multinic.asks" "object" }}
- name: changes-networks-affinity-or-requests
  expression: >-
    oldObject == null
    || {{ include "multinic.networks" "object" }} != {{ include "multinic.networks" "oldObject" }}
    || {{ include "multinic.defaultNetwork" "object" }} != {{ include "multinic.defaultNetwork" "oldObject" }}
    || object.?spec.?affinity != oldObject.?spec.?affinity
    || object.?spec.?containers.orValue([]).map(container, container.?resources.orValue({}))
    != oldObject.?spec.?containers.orValue([]).map(container, container.?resources.orValue({}))
{{- end }}

{{/* The metadata of a stored network can always be changed, its finalizers removed and its namespace deleted. */}}
{{- define "multinic.matchNetworks" -}}
- name: changes-what-a-network-is
  expression: >-
    oldObject == null
    || object.?spec.?config.orValue("") != oldObject.?spec.?config.orValue("")
    || {{ include "multinic.nodeSelector" "object" }}.orValue("") != {{ include "multinic.nodeSelector" "oldObject" }}.orValue("")
{{- end }}

{{/* Scaling, labels and status never match; neither does an object of a controller, because its owner was judged. */}}
{{- define "multinic.matchTemplates" -}}
- name: asks-for-a-network
  expression: >-
    {{ include "multinic.asks" "object" }}
    || {{ include "multinic.template" "object" }}.{{ include "multinic.networks" "" | trimPrefix "." }}.orValue("") != ""
    || {{ include "multinic.template" "object" }}.{{ include "multinic.defaultNetwork" "" | trimPrefix "." }}.hasValue()
- name: changes-the-template
  expression: >-
    oldObject == null
    || {{ include "multinic.template" "object" }} != {{ include "multinic.template" "oldObject" }}
- name: is-not-controlled
  expression: >-
    !object.?metadata.?ownerReferences.orValue([]).exists(owner, owner.?controller.orValue(false))
{{- end }}

{{/* dra-driver-sriov attaches the NADs that a claim names, without an annotation and with its own rights. */}}
{{- define "multinic.matchClaims" -}}
- name: is-for-a-driver-of-networks
  expression: >-
    object.?spec.?devices.?config.orValue(object.?spec.?spec.?devices.?config.orValue([])).exists(entry,
    entry.?opaque.?driver.orValue("") == "sriovnetwork.k8snetworkplumbingwg.io")
- name: changes-the-spec
  expression: >-
    oldObject == null || object.?spec != oldObject.?spec
{{- end }}

{{/* The networks of a virtual machine; those of an instance are one less deep. */}}
{{- define "multinic.machineNetworks" -}}
{{ . }}.?spec.?template.?spec.?networks.orValue({{ . }}.?spec.?networks.orValue([]))
{{- end }}

{{/* Starting and stopping never match. What a controller owns was judged with its owner, and its Pod is judged. */}}
{{- define "multinic.matchMachines" -}}
- name: asks-for-a-network
  expression: >-
    {{ include "multinic.machineNetworks" "object" }}.exists(network, network.?multus.hasValue())
- name: changes-the-networks
  expression: >-
    oldObject == null
    || {{ include "multinic.machineNetworks" "object" }} != {{ include "multinic.machineNetworks" "oldObject" }}
- name: is-not-controlled
  expression: >-
    !object.?metadata.?ownerReferences.orValue([]).exists(owner, owner.?controller.orValue(false))
{{- end }}

{{/*
caBundle is rendered for a server outside the cluster alone. For one inside, it is written by multinic or by whoever
certificates.mode names, and two writers would fight: Helm and GitOps tools keep a field that they never rendered.

(list $ PATH), and for an entry that an earlier chart had: its configuration's KIND and NAME, and its own name.
*/}}
{{- define "multinic.clientConfig" -}}
{{- $root := index . 0 -}}
{{- if $root.Values.webhook.url -}}
url: {{ printf "%s%s" (trimSuffix "/" $root.Values.webhook.url) (index . 1) | quote }}
{{- with $root.Values.certificates.caBundle }}
caBundle: {{ b64enc . }}
{{- end }}
{{- else -}}
service:
  name: {{ include "multinic.fullname" $root }}
  namespace: {{ $root.Release.Namespace }}
  path: {{ index . 1 }}
  port: 443
{{- if gt (len .) 2 }}
{{- with include "multinic.renderedBundle" (rest (rest .)) }}
caBundle: {{ . }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/*
The caBundle of an entry, if Helm wrote it last: a chart that rendered it, or a server outside the cluster, comes before this
release. Helm would remove a field that is not rendered any more, and no call would succeed until a replica has written it.
The line at its end makes whoever writes it from now on write it anew, and Helm does not own it the next time.
*/}}
{{- define "multinic.renderedBundle" -}}
{{- $live := lookup "admissionregistration.k8s.io/v1" (index . 0) "" (index . 1) -}}
{{- $name := index . 2 -}}
{{- $owned := false -}}
{{- range ($live.metadata).managedFields -}}
{{- $fields := dig "f:webhooks" (printf "k:{\"name\":%s}" (toJson $name)) "f:clientConfig" dict (default dict .fieldsV1) -}}
{{- if and (eq .manager "helm") (hasKey $fields "f:caBundle") -}}
{{- $owned = true -}}
{{- end -}}
{{- end -}}
{{- if $owned -}}
{{- range $live.webhooks -}}
{{- if and (eq .name $name) .clientConfig.caBundle -}}
{{- printf "%s\n# Kept by the chart until it is written anew.\n" (b64dec .clientConfig.caBundle | trimSuffix "\n") | b64enc -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "multinic.judgedNamespaces" -}}
namespaceSelector:
  matchExpressions:
    - key: kubernetes.io/metadata.name
      operator: NotIn
      values: {{ append .Values.webhook.excludedNamespaces .Release.Namespace | uniq | toJson }}
{{- end }}

{{/* What all webhooks have in common. */}}
{{- define "multinic.webhook" -}}
admissionReviewVersions: [v1]
sideEffects: None
matchPolicy: Equivalent
{{ include "multinic.judgedNamespaces" . }}
{{- end }}

{{- define "multinic.registrationMeta" -}}
{{- $annotations := dict }}
{{- if and (not .Values.webhook.url) (eq .Values.certificates.mode "certManager") }}
{{- $annotations = dict "cert-manager.io/inject-ca-from" (printf "%s/%s" .Release.Namespace (include "multinic.fullname" .)) }}
{{- end }}
{{- include "multinic.meta" (list . dict (merge (deepCopy .Values.webhook.annotations) $annotations)) }}
{{- end }}
