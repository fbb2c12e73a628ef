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

{{- define "multinic.image" -}}
{{- if not .Values.image.repository }}
{{- fail "image.repository is not set: build an image with the Dockerfile of the project and name it, or set webhook.url for a server outside the cluster" }}
{{- end }}
{{- with .Values.image }}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ default $.Chart.AppVersion .tag }}{{ end }}
{{- end }}
{{- end }}

{{- define "multinic.certificateSecret" -}}
{{- if eq .Values.certificates.mode "secret" }}{{ .Values.certificates.secretName }}
{{- else }}{{ include "multinic.fullname" . }}-tls
{{- end }}
{{- end }}

{{/* Combinations that would leave a cluster in which every network is refused. */}}
{{- define "multinic.check" -}}
{{- if .Values.webhook.url }}
{{- if not .Values.certificates.caBundle }}
{{- fail "webhook.url is set, certificates.caBundle is not: the API server needs the CA (PEM) of the server at that URL" }}
{{- end }}
{{- else if eq .Values.certificates.mode "builtIn" }}
{{- fail "certificates.mode \"builtIn\" is not available yet: set certificates.mode to \"certManager\", or to \"secret\" with certificates.secretName and certificates.caBundle; for a server outside the cluster set webhook.url and certificates.caBundle" }}
{{- else if and (eq .Values.certificates.mode "secret") (not .Values.certificates.secretName) }}
{{- fail "certificates.mode is \"secret\", certificates.secretName is not set: name the kubernetes.io/tls Secret in the namespace of the release" }}
{{- else if and (eq .Values.certificates.mode "secret") (not .Values.certificates.caBundle) }}
{{- fail "certificates.mode is \"secret\", certificates.caBundle is not set: the API server needs the CA (PEM) that signed the certificate in that Secret" }}
{{- end }}
{{- if ge (int .Values.webhook.timeoutSeconds.mutating) (int .Values.webhook.timeoutSeconds.validating) }}
{{- fail "webhook.timeoutSeconds.mutating must be below webhook.timeoutSeconds.validating" }}
{{- end }}
{{- if and .Values.hostNetwork (eq (int .Values.listenPort) 10250) }}
{{- fail "hostNetwork is set and listenPort is 10250, which is the kubelet's: choose another listenPort" }}
{{- end }}
{{- if eq .Release.Namespace "default" }}
{{- fail "the release would be in namespace \"default\": the namespace of the release is not looked at, so every network could be used from there; give it one of its own: --namespace multinic-system --create-namespace" }}
{{- end }}
{{- end }}

{{/* Helm reads a bare `off` as false; multinic does not. */}}
{{- define "multinic.config" -}}
{{- $config := deepCopy .Values.config }}
{{- range $rule, $level := $config.rules }}
{{- if kindIs "bool" $level }}{{ $_ := set $config.rules $rule "off" }}{{ end }}
{{- end }}
{{- toYaml $config }}
{{- end }}
