{{/* Names and labels. */}}

{{- define "poplar.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* Of everything: 40 characters at most, as something is put behind it. */}}
{{- define "poplar.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "poplar.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "poplar.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* What the pods of this release are known by, for ever. */}}
{{- define "poplar.selectorLabels" -}}
app.kubernetes.io/name: {{ include "poplar.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: server
{{- end -}}

{{- define "poplar.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/name: {{ include "poplar.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "poplar.image" -}}
{{- $image := .Values.image -}}
{{- if $image.digest -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ $image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{- define "poplar.serviceAccountName" -}}
{{- $account := .Values.serviceAccount -}}
{{- if $account.create -}}
{{- $account.name | default (include "poplar.fullname" .) -}}
{{- else -}}
{{- $account.name | default "default" -}}
{{- end -}}
{{- end -}}

{{/* The Service of a store; the first store's bears no number. Takes root, name, ordinal. */}}
{{- define "poplar.serviceName" -}}
{{- include "poplar.fullname" .root }}-{{ .name }}{{ if .ordinal }}-{{ .ordinal }}{{ end -}}
{{- end -}}

{{/* The folder of a host's certificate, as Poplar looks for it: *.acme.example is _.acme.example. */}}
{{- define "poplar.hostFolder" -}}
{{- .host | lower | replace "*." "_." -}}
{{- end -}}

{{/* Takes root, and host: an entry of tls.hosts. */}}
{{- define "poplar.hostSecret" -}}
{{- .host.secretName | default (printf "%s-%s-tls" (include "poplar.fullname" .root) (.host.host | lower | replace "*." "wildcard.")) -}}
{{- end -}}

{{/* The Secret of the default certificate; empty: the one that `poplar init` signs. */}}
{{- define "poplar.tlsSecret" -}}
{{- if .Values.tls.secretName -}}
{{- .Values.tls.secretName -}}
{{- else if .Values.tls.certManager.enabled -}}
{{- include "poplar.fullname" . }}-tls
{{- end -}}
{{- end -}}

{{- define "poplar.tlsNames" -}}
{{- $names := .Values.tls.certManager.dnsNames -}}
{{- if not $names -}}
{{- $names = list (dig "server" "hostname" "" .Values.config) -}}
{{- end -}}
{{- toJson $names -}}
{{- end -}}
