{{- define "multinic.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "multinic.fullname" -}}
{{- $name := include "multinic.name" . }}
{{- if .Values.fullnameOverride }}{{ .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}{{ .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}{{ printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "multinic.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}{{ default (include "multinic.fullname" .) .Values.serviceAccount.name }}
{{- else }}{{ default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "multinic.selectorLabels" -}}
app.kubernetes.io/name: {{ include "multinic.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "multinic.labels" -}}
{{ include "multinic.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{/*
The labels and annotations of an object: (list $ LABELS ANNOTATIONS). The common ones come last, so that they never
replace what the chart or a more specific value sets.
*/}}
{{- define "multinic.meta" -}}
{{- $root := index . 0 -}}
labels:
  {{- merge (deepCopy (index . 1)) (include "multinic.labels" $root | fromYaml) $root.Values.commonLabels | toYaml | nindent 2 }}
{{- with merge (deepCopy (index . 2)) $root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "multinic.image" -}}
{{- $repository := .Values.image.repository }}
{{- with .Values.global.imageRegistry }}
{{- /* The first part of a repository is a registry where it has a dot or a port, or is localhost. */}}
{{- $parts := splitList "/" $repository }}
{{- $first := first $parts }}
{{- if and (gt (len $parts) 1) (or (contains "." $first) (contains ":" $first) (eq $first "localhost")) }}
{{- $repository = rest $parts | join "/" }}
{{- end }}
{{- $repository = printf "%s/%s" (trimSuffix "/" .) $repository }}
{{- end }}
{{- if .Values.image.digest }}{{ $repository }}@{{ .Values.image.digest }}
{{- else }}{{ $repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end }}
{{- end }}

{{- define "multinic.listenPort" -}}
{{- if .Values.listenPort }}{{ .Values.listenPort }}{{ else if .Values.hostNetwork }}9443{{ else }}10250{{ end }}
{{- end }}

{{- define "multinic.adminPort" -}}
{{- if .Values.adminPort }}{{ .Values.adminPort }}{{ else if .Values.hostNetwork }}9444{{ else }}8080{{ end }}
{{- end }}

{{- define "multinic.listenAddress" -}}
{{- if .Values.listenAddress }}{{ .Values.listenAddress }}
{{- else if or (has "IPv6" .Values.service.ipFamilies) (has .Values.service.ipFamilyPolicy (list "PreferDualStack" "RequireDualStack")) }}[::]
{{- else }}0.0.0.0
{{- end }}
{{- end }}

{{- define "multinic.adminAddress" -}}
{{- default (include "multinic.listenAddress" .) .Values.adminAddress }}
{{- end }}

{{/* Every webhook configuration, as `multinic serve --webhook-configuration` takes it. */}}
{{- define "multinic.webhookConfigurations" -}}
- mutating/zzz-multinic
- validating/zzz-multinic
{{- if .Values.webhook.templates }}
- validating/zzz-multinic-templates
{{- end }}
{{- if (.Values.config).usage }}
- validating/zzz-multinic-usage
{{- end }}
{{- end }}

{{/* The Secret whose certificate is mounted; nothing in mode builtIn. */}}
{{- define "multinic.certificateSecret" -}}
{{- if eq .Values.certificates.mode "certManager" }}{{ include "multinic.fullname" . }}-tls
{{- else if ne .Values.certificates.mode "builtIn" }}{{ .Values.certificates.secretName }}
{{- end }}
{{- end }}

{{/* Whether multinic has authorities of its own. A server outside the cluster has, unless its CA is given. */}}
{{- define "multinic.builtIn" -}}
{{- if and (eq .Values.certificates.mode "builtIn") (not (and .Values.webhook.url .Values.certificates.caBundle)) }}true{{ end }}
{{- end }}

{{/* Whether a CA is a value of the release that multinic writes into the webhook configurations. */}}
{{- define "multinic.givenCA" -}}
{{- if and (not .Values.webhook.url) (eq .Values.certificates.mode "secret") .Values.certificates.caBundle }}true{{ end }}
{{- end }}

{{/* Combinations that would leave a cluster in which every network is refused; all of them, in one message. */}}
{{- define "multinic.check" -}}
{{- $problems := list }}
{{- $mode := .Values.certificates.mode }}
{{- if not (or .Values.image.repository .Values.webhook.url) }}
{{- $problems = append $problems "image.repository is not set: build an image with the Dockerfile of the project and name it here, or set webhook.url for a server outside the cluster" }}
{{- end }}
{{- if .Values.webhook.url }}
{{- if and (not .Values.certificates.caBundle) (ne $mode "builtIn") }}
{{- $problems = append $problems "webhook.url is set and certificates.caBundle is not: the API server needs the CA (PEM) of the server at that URL" }}
{{- end }}
{{- else if and (has $mode (list "secret" "injected")) (not .Values.certificates.secretName) }}
{{- $problems = append $problems (printf "certificates.mode is %q and certificates.secretName is not set: name the kubernetes.io/tls Secret in the namespace of the release" $mode) }}
{{- end }}
{{- if and .Values.certificates.caBundle (not .Values.webhook.url) (ne $mode "secret") }}
{{- $problems = append $problems (printf "certificates.caBundle is set and certificates.mode is %q, which does not use it: remove it, or set certificates.mode to \"secret\"" $mode) }}
{{- end }}
{{- if ge (int .Values.webhook.timeoutSeconds.mutating) (int .Values.webhook.timeoutSeconds.validating) }}
{{- $problems = append $problems "webhook.timeoutSeconds.mutating must be below webhook.timeoutSeconds.validating: both calls have to fit into one write of a Pod" }}
{{- end }}
{{- $webhooks := include "multinic.listenPort" . | int }}
{{- $admin := include "multinic.adminPort" . | int }}
{{- if eq $webhooks $admin }}
{{- $problems = append $problems (printf "listenPort and adminPort are both %d: choose two ports" $webhooks) }}
{{- end }}
{{- if .Values.hostNetwork }}
{{- range $name, $port := dict "listenPort" $webhooks "adminPort" $admin }}
{{- if has $port (list 6443 2379 2380 10248 10249 10250 10255 10256 10257 10259) }}
{{- $problems = append $problems (printf "hostNetwork is set and %s is %d, which is a port of Kubernetes on the node: choose another one" $name $port) }}
{{- end }}
{{- end }}
{{- end }}
{{- if eq .Release.Namespace "default" }}
{{- $problems = append $problems "the release would be in namespace \"default\": Pods in the namespace of the release are not judged, so every network could be used from there; give it a namespace of its own: --namespace multinic-system --create-namespace" }}
{{- end }}
{{- if has .Values.tests.namespace (append .Values.webhook.excludedNamespaces .Release.Namespace) }}
{{- $problems = append $problems (printf "tests.namespace is %q, and Pods in this namespace are not judged: name one that is" .Values.tests.namespace) }}
{{- end }}
{{- if $problems }}
{{- fail (printf "these values cannot work:\n- %s" (join "\n- " $problems)) }}
{{- end }}
{{- end }}

{{/*
The configuration as the server reads it. Helm reads a bare `off` as false, and a rule that was set once can only be
taken back as null.
*/}}
{{- define "multinic.config" -}}
{{- $config := dict }}
{{- range $key, $value := .Values.config }}
{{- if not (kindIs "invalid" $value) }}{{ $_ := set $config $key (deepCopy $value) }}{{ end }}
{{- end }}
{{- $rules := dict }}
{{- range $rule, $level := $config.rules }}
{{- if kindIs "bool" $level }}{{ $_ := set $rules $rule "off" }}
{{- else if not (kindIs "invalid" $level) }}{{ $_ := set $rules $rule $level }}
{{- end }}
{{- end }}
{{- if hasKey $config "rules" }}{{ $_ := set $config "rules" $rules }}{{ end }}
{{- toYaml $config }}
{{- end }}
