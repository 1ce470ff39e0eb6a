{{/* The pod of a store. */}}

{{/* Kubernetes kills what is there beyond it. */}}
{{- define "poplar.graceSeconds" -}}
{{- $drain := dig "server" "drain_limit_s" 30 .Values.config -}}
{{- add (int64 $drain) (int64 .Values.preStopSleepSeconds) (int64 .Values.terminationMarginSeconds) -}}
{{- end -}}

{{- define "poplar.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{- define "poplar.seccompProfile" -}}
type: {{ .Values.seccomp.type }}
{{- if eq .Values.seccomp.type "Localhost" }}
localhostProfile: {{ .Values.seccomp.localhostProfile }}
{{- end }}
{{- end -}}

{{- define "poplar.podSecurity" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: {{ int64 .Values.user }}
  runAsGroup: {{ int64 .Values.group }}
  fsGroup: {{ int64 .Values.group }}
  # "Always" would go through the whole store at each start.
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile:
    {{- include "poplar.seccompProfile" . | nindent 4 }}
{{- end -}}

{{- define "poplar.env" -}}
- {name: POPLAR_CONFIG, value: /etc/poplar/poplar.toml}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "poplar.volumeMounts" -}}
- name: data
  mountPath: /var/lib/poplar
- name: config
  mountPath: /etc/poplar
  readOnly: true
- name: tenants
  mountPath: /etc/poplar-tenants/tenants.d
  readOnly: true
- name: run
  mountPath: /run/poplar
- name: tmp
  mountPath: /tmp
{{- range .Values.secrets }}
- name: {{ printf "secret-%s" . | replace "." "-" | trunc 63 | trimSuffix "-" }}
  mountPath: /etc/poplar-secrets/{{ . }}
  readOnly: true
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* All of /etc/poplar is one volume, so that what belongs together changes at once. Each file is named here: one more is a new pod. */}}
{{- define "poplar.configVolume" -}}
name: config
projected:
  defaultMode: 0440
  sources:
    - configMap:
        name: {{ include "poplar.fullname" . }}-config
        items:
          - {key: poplar.toml, path: poplar.toml}
    {{- with include "poplar.tlsSecret" . }}
    - secret:
        name: {{ . }}
        items:
          - {key: tls.crt, path: tls/tls.crt}
          - {key: tls.key, path: tls/tls.key}
    {{- end }}
    {{- range .Values.tls.hosts }}
    {{- $folder := include "poplar.hostFolder" . }}
    - secret:
        name: {{ include "poplar.hostSecret" (dict "root" $ "host" .) }}
        # One that is not there yet holds up nobody else: until then its host has the default certificate.
        optional: true
        items:
          - {key: tls.crt, path: certs/{{ $folder }}/tls.crt}
          - {key: tls.key, path: certs/{{ $folder }}/tls.key}
    {{- end }}
{{- end -}}

{{/* All but the store's own. */}}
{{- define "poplar.volumes" -}}
- {{- include "poplar.configVolume" . | nindent 2 }}
# Whole, and there without tenants too: one that comes or goes is no new pod.
- name: tenants
  configMap: {name: {{ include "poplar.fullname" . }}-tenants, defaultMode: 0440}
# Sockets for the poplar command.
- name: run
  emptyDir: {medium: Memory, sizeLimit: 1Mi}
- name: tmp
  emptyDir: {sizeLimit: 64Mi}
{{- range .Values.secrets }}
- name: {{ printf "secret-%s" . | replace "." "-" | trunc 63 | trimSuffix "-" }}
  secret: {secretName: {{ . }}, defaultMode: 0440}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "poplar.where" -}}
{{- range $key := list "nodeSelector" "tolerations" "affinity" "priorityClassName" }}
{{- with get $.Values $key }}
{{ $key }}: {{ toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- end -}}
