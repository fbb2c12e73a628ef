{{/*
Isolation in CEL, as `isolated-network` decides it. Law: what that rule refuses, the policy refuses; what is written in
a well-formed way and multinic admits, the policy admits. CEL cannot read JSON, so the JSON form has to have a shape in
which the places of keys and values are certain: an array of objects without backslashes. Other spellings are refused.
*/}}

{{/* "auto" follows failurePolicy; a rule that is off has no backstop. */}}
{{- define "multinic.backstopLevel" -}}
{{- $level := get (.Values.config.rules | default dict) "isolated-network" }}
{{- /* A bare `off` is false in YAML, and null takes a level back. */}}
{{- if kindIs "bool" $level }}{{ $level = "off" }}{{ else if not $level }}{{ $level = "deny" }}{{ end }}
{{- if and (eq $level "deny") (eq (.Values.config.enforcement | default "deny") "warn") }}{{ $level = "warn" }}{{ end }}
{{- /* A bare `on` is true in YAML. */}}
{{- $backstop := .Values.backstop | toString }}
{{- $on := or (has $backstop (list "on" "true")) (and (eq $backstop "auto") (eq .Values.webhook.failurePolicy "Ignore")) }}
{{- if and $on (ne $level "off") }}{{ $level }}{{ end }}
{{- end }}

{{/* A pattern of the configuration, in which "*" matches anything but a slash, as a regular expression. */}}
{{- define "multinic.pattern" -}}
{{- . | replace "." "[.]" | replace "*" "[^/]*" }}
{{- end }}

{{/* A list of patterns as one anchored regular expression. */}}
{{- define "multinic.patterns" -}}
{{- $patterns := list }}
{{- range . }}{{ $patterns = append $patterns (include "multinic.pattern" .) }}{{ end -}}
^(?:{{ join "|" $patterns }})$
{{- end }}

{{/* The requests that an exemption from isolated-network covers, as a CEL expression; empty without exemptions. */}}
{{- define "multinic.backstopExempt" -}}
{{- $exempt := list }}
{{- range .Values.config.exemptions }}
{{- if or (has "*" .rules) (has "isolated-network" .rules) }}
{{- $both := list }}
{{- with .objects }}
{{- $namespaces := list }}
{{- range . }}{{ $namespaces = append $namespaces (splitList "/" . | first) }}{{ end }}
{{- $both = append $both (printf "request.namespace.matches('%s')" (include "multinic.patterns" $namespaces)) }}
{{- end }}
{{- with .users }}
{{- $users := list }}
{{- range . }}{{ $users = append $users (regexQuoteMeta . | replace "\\*" ".*") }}{{ end }}
{{- $both = append $both (printf "request.userInfo.username.matches(%s)" (printf "^(?:%s)$" (join "|" $users) | mustToRawJson)) }}
{{- end }}
{{- if $both }}{{ $exempt = append $exempt (printf "(%s)" (join " && " $both)) }}{{ end }}
{{- end }}
{{- end }}
{{- join " || " $exempt }}
{{- end }}

{{/* An object of JSON without backslashes, with objects in it up to three deep. Strings may hold braces. */}}
{{- define "multinic.jsonObject" -}}
{{- $object := `\{(?:[^"{}\\]|"[^"\\]*")*\}` }}
{{- range until 3 }}{{ $object = printf `\{(?:[^"{}\\]|"[^"\\]*"|%s)*\}` $object }}{{ end }}
{{- $object }}
{{- end }}

{{/*
The variables for one annotation: (list PREFIX ANNOTATION NAMESPACE ALLOWED). In CEL, NAMESPACE is that of a network
which names none, and ALLOWED the list of the namespaces whose networks may be used.
*/}}
{{- define "multinic.backstopVariables" -}}
{{- $p := printf "variables.%s" (index . 0) }}
{{- $bare := index . 2 }}
{{- $object := include "multinic.jsonObject" "" -}}
{{- range $age, $of := dict "New" "object" "Old" "oldObject" }}
- name: {{ index $ 0 }}{{ $age }}
  expression: >-
    {{ if eq $age "Old" }}oldObject == null ? "" : {{ end }}{{ $of }}.?metadata.?annotations[?"{{ index $ 1 }}"].orValue("")
{{- if eq $age "New" }}
# Multus reads JSON where it finds one of these characters.
{{- end }}
- name: {{ index $ 0 }}{{ $age }}IsJson
  expression: >-
    {{ $p }}{{ $age }}.contains('[') || {{ $p }}{{ $age }}.contains('{') || {{ $p }}{{ $age }}.contains('"')
{{- if eq $age "New" }}
# Whether it is certain where its elements, keys and values are. The bounds are for the API server: CEL makes a list in
# time that grows with the square of its length, and counts a small part of that.
{{- end }}
- name: {{ index $ 0 }}{{ $age }}IsPlain
  expression: >-
    {{ $p }}{{ $age }}.size() <= 65536 && ({{ $p }}{{ $age }}IsJson ?
    {{ $p }}{{ $age }}.matches(r'^\s*\[\s*(?:{{ $object }}\s*,?\s*)*\]\s*$') && {{ $p }}{{ $age }}.findAll(r'{{ $object }}', 101).size() <= 100 :
    {{ $p }}{{ $age }}.split(',', 101).size() <= 100)
- name: {{ index $ 0 }}{{ $age }}Elements
  expression: >-
    !{{ $p }}{{ $age }}IsPlain ? [] :
    {{ $p }}{{ $age }}IsJson ? {{ $p }}{{ $age }}.findAll(r'{{ $object }}') :
    {{ $p }}{{ $age }}.split(',').map(element, element.trim())
{{- end }}
# Elements were only taken away, if at all.
- name: {{ index . 0 }}Shrinks
  expression: >-
    {{ $p }}NewIsPlain && {{ $p }}OldIsPlain && {{ $p }}NewIsJson == {{ $p }}OldIsJson
    && {{ $p }}NewElements.size() <= {{ $p }}OldElements.size()
    && {{ $p }}NewElements.all(element, {{ $p }}NewElements.filter(other, other == element).size()
    <= {{ $p }}OldElements.filter(other, other == element).size())
# What each element asks for, as namespace/name. In JSON, keys count in any case, because Go folds them, and so does
# every namespace in an element.
- name: {{ index . 0 }}Asked
  expression: >-
    {{ $p }}NewIsJson ?
    {{ $p }}NewElements.map(element, {
    'namespaces': element.findAll(r'(?i)"namespace"\s*:\s*(?:"[^"]*"|[^",}\s]*)', 9)
    .map(pair, pair.substring(pair.indexOf(':') + 1).trim()).map(value, value in ['null', '""'] ? {{ $bare }} : value.replace('"', '')),
    'names': element.findAll(r'(?i)"name"\s*:\s*"[^"]*"', 9)
    .map(pair, pair.substring(pair.indexOf(':') + 1).trim().replace('"', ''))})
    .map(asked, asked.namespaces.size() > 8 || asked.names.size() > 8 ? ['?/?/?'] : (asked.namespaces.size() == 0 ? [{{ $bare }}] : asked.namespaces)
    .map(home, home + '/' + (asked.names.exists(name, name.contains('/')) ? '?/?' : asked.names.size() == 1 ? asked.names[0] : '?'))) :
    {{ $p }}NewElements.map(element, element.split('/')).map(parts, [parts.size() == 1 ?
    {{ $bare }} + '/' + parts[0].split('@')[0].trim() :
    (parts[0].trim() == '' ? {{ $bare }} : parts[0].trim()) + '/' + parts[1].split('@')[0].trim() + (parts.size() > 2 ? '/' : '')])
- name: {{ index . 0 }}Foreign
  expression: >-
    {{ $p }}Asked.map(asked, asked.filter(network, network.split('/').size() != 2
    || !(network.split('/')[0] in {{ index . 3 }} || variables.granted.exists(pattern, network.matches(pattern)))))
    .filter(foreign, foreign.size() > 0)
{{- end }}

{{/* A validation for the variables of that prefix: (list PREFIX WHAT NAMESPACES). */}}
{{- define "multinic.backstopValidation" -}}
{{- $p := printf "variables.%s" (index . 0) -}}
- expression: >-
    {{ $p }}New == "" || {{ $p }}New == {{ $p }}Old || {{ $p }}Shrinks || ({{ $p }}NewIsPlain && {{ $p }}Foreign.size() == 0)
  reason: Forbidden
  messageExpression: >-
    !{{ $p }}NewIsPlain ? "isolated-network: {{ index . 1 }} is not written in a way that can be judged inside the API server: use at most 100 elements of the form namespace/name, or a JSON array of as many flat objects without backslashes" :
    "isolated-network: a Pod of namespace \"" + request.namespace + "\" may not use {{ index . 1 }} \"" + {{ $p }}Foreign[0][0] + "\": a Pod may use networks of its own namespace or of: {{ join ", " (index . 2) }}"
{{- end }}
