{{/* poplar.toml and the files of tenants, out of values. */}}

{{/* What the chart writes itself. */}}
{{- define "poplar.ownSettings" -}}
{{- $hosts := list "0.0.0.0" "[::]" -}}
{{- $http := "[::]" -}}
{{- if eq .Values.ipFamily "ipv4" -}}
{{- $hosts = list "0.0.0.0" -}}
{{- $http = "0.0.0.0" -}}
{{- else if eq .Values.ipFamily "ipv6" -}}
{{- $hosts = list "[::]" -}}
{{- end -}}
{{- $tls := "/var/lib/poplar/tls/" -}}
{{- if include "poplar.tlsSecret" . -}}
{{- $tls = "/etc/poplar/tls/" -}}
{{- end -}}
store:
  path: /var/lib/poplar/store
users:
  database: /var/lib/poplar/users.db
  usage: /var/lib/poplar/usage.db
  tenants: /etc/poplar-tenants/tenants.d
tls:
  certificate: {{ $tls }}tls.crt
  key: {{ $tls }}tls.key
  {{- if .Values.tls.hosts }}
  certificates: /etc/poplar/certs
  {{- end }}
pop3:
  listen: [{{ if .Values.pop3.enabled }}{{ range $i, $host := $hosts }}{{ if $i }}, {{ end }}"{{ $host }}:1110"{{ end }}{{ end }}]
pop3s:
  listen: [{{ if .Values.pop3s.enabled }}{{ range $i, $host := $hosts }}{{ if $i }}, {{ end }}"{{ $host }}:1995"{{ end }}{{ end }}]
lmtp:
  listen: [{{ if .Values.lmtp.enabled }}{{ range $i, $host := $hosts }}{{ if $i }}, {{ end }}"{{ $host }}:1024"{{ end }}{{ end }}]
  socket: /run/poplar/lmtp.sock
http:
  listen: "{{ $http }}:9110"
admin:
  socket: /run/poplar/admin.sock
setup:
  listen: [{{ if .Values.setup.enabled }}{{ range $i, $host := $hosts }}{{ if $i }}, {{ end }}"{{ $host }}:8080"{{ end }}{{ end }}]
{{- end -}}

{{/* One value. YAML's numbers come as fractions. */}}
{{- define "poplar.tomlValue" -}}
{{- if kindIs "slice" . -}}
[{{ range $i, $item := . }}{{ if $i }}, {{ end }}{{ include "poplar.tomlValue" $item }}{{ end }}]
{{- else if kindIs "bool" . -}}
{{- . -}}
{{- else if typeIs "json.Number" . -}}
{{- . -}}
{{- else if or (kindIs "float64" .) (kindIs "int64" .) (kindIs "int" .) -}}
{{- int64 . -}}
{{- else -}}
{{- toJson . | replace "\x7f" "\\u007f" -}}
{{- end -}}
{{- end -}}

{{- define "poplar.tomlTable" -}}
{{- range $key, $value := . }}
{{- if not (kindIs "invalid" $value) }}
{{ $key }} = {{ include "poplar.tomlValue" $value }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "poplar.toml" -}}
# Made by Helm: change the values of the release instead.
{{- $config := deepCopy (omit .Values.config "backend") -}}
{{- /* What mail programs are told that set themselves up: the Services' ports, not the pod's. */ -}}
{{- $ports := dict -}}
{{- if .Values.pop3s.enabled }}{{ $_ := set $ports "pop3s_port" .Values.pop3s.service.port }}{{ end -}}
{{- if .Values.pop3.enabled }}{{ $_ := set $ports "pop3_port" .Values.pop3.service.port }}{{ end -}}
{{- $_ := set $config "setup" (merge (get $config "setup" | default dict) $ports) -}}
{{- range $section, $settings := fromYaml (include "poplar.ownSettings" .) }}
{{- $_ := set $config $section (merge $settings (get $config $section | default dict)) }}
{{- end }}
{{- range $section, $settings := $config }}

[{{ $section }}]
{{- include "poplar.tomlTable" $settings }}
{{- end }}
{{- range $name, $settings := .Values.config.backend }}

[backend.{{ $name }}]
{{- include "poplar.tomlTable" $settings }}
{{- end }}
{{ end -}}
