{{/* What no schema can say: each fault in a sentence. Renders nothing. */}}

{{- define "poplar.checks" -}}
{{- $values := .Values -}}
{{- $instead := dict "store.path" "persistence is its volume" "users.tenants" "write tenants"
    "tls.certificate" "write tls.secretName or tls.certManager" "tls.key" "write tls.secretName or tls.certManager" "tls.certificates" "write tls.hosts"
    "pop3.listen" "write pop3.enabled and pop3.service.port" "pop3s.listen" "write pop3s.enabled and pop3s.service.port"
    "lmtp.listen" "write lmtp.enabled and lmtp.service.port" -}}
{{- range $section, $settings := fromYaml (include "poplar.ownSettings" .) -}}
{{- range $key, $_ := $settings -}}
{{- if hasKey (get $values.config $section | default dict) $key -}}
{{- $name := printf "%s.%s" $section $key -}}
{{- fail (printf "config.%s is the chart's own: %s." $name (get $instead $name | default "leave it out")) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $tls := $values.tls -}}
{{- if and $tls.secretName $tls.certManager.enabled -}}
{{- fail "tls.secretName and tls.certManager.enabled both say where the certificate comes from: write one of them." -}}
{{- end -}}
{{- $issues := $tls.certManager.enabled -}}
{{- $hosts := list -}}
{{- range $tls.hosts -}}
{{- if has .host $hosts -}}
{{- fail (printf "tls.hosts has %s twice: remove one of the two." .host) -}}
{{- end -}}
{{- $hosts = append $hosts .host -}}
{{- if .certManager -}}
{{- $issues = true -}}
{{- else if not .secretName -}}
{{- fail (printf "tls.hosts: %s has neither secretName nor certManager: true: write one of them." .host) -}}
{{- end -}}
{{- end -}}
{{- if and $issues (not $tls.certManager.issuerRef.name) -}}
{{- fail "tls.certManager.issuerRef.name is empty: write the name of the Issuer or ClusterIssuer that signs." -}}
{{- end -}}
{{- if and $tls.certManager.enabled (has "" (fromJsonArray (include "poplar.tlsNames" .))) -}}
{{- fail "the certificate has no name: write config.server.hostname or tls.certManager.dnsNames." -}}
{{- end -}}
{{- $sizes := get (dict "ECDSA" (list 256 384 521) "RSA" (list 2048 3072 4096)) $tls.certManager.privateKey.algorithm -}}
{{- if not (has (int $tls.certManager.privateKey.size) $sizes) -}}
{{- fail (printf "tls.certManager.privateKey: %s has no key of %d bits: write a size of %s." $tls.certManager.privateKey.algorithm
    (int $tls.certManager.privateKey.size) (join ", " $sizes)) -}}
{{- end -}}
{{- if not (or $values.pop3.enabled $values.pop3s.enabled) -}}
{{- fail "neither pop3.enabled nor pop3s.enabled: nobody could fetch mail." -}}
{{- end -}}
{{- if and $values.pop3.enabled $values.pop3.service.shared (not $values.pop3s.enabled) -}}
{{- fail "pop3.service.shared needs the Service of POP3S: write pop3s.enabled: true, or shared: false." -}}
{{- end -}}
{{- $shared := and $values.pop3.enabled $values.pop3.service.shared -}}
{{- range $name := list "pop3" "pop3s" "lmtp" -}}
{{- $listener := get $values $name -}}
{{- $type := ternary $values.pop3s.service.type $listener.service.type (and $shared (eq $name "pop3")) -}}
{{- if and (gt (int $values.replicas) 1) $listener.enabled $listener.service.nodePort (ne $type "ClusterIP") -}}
{{- fail (printf "%s.service.nodePort is one port, and each of the %d stores has a Service of its own: leave it empty, or write replicas: 1." $name
    (int $values.replicas)) -}}
{{- end -}}
{{- end -}}
{{- if and $values.networkPolicy.enabled (not $values.networkPolicy.egress) -}}
{{- range $name, $settings := $values.config.backend -}}
{{- if eq ($settings.driver | default "plugin") "plugin" -}}
{{- fail (printf "config.backend.%s asks another server, but networkPolicy.egress lets the pods connect to nobody: write rules for it, and for DNS." $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
