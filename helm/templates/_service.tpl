{{/*
A Service of one store, or with an ordinal below 0 of all of them. Takes root, name, ordinal, service (its values) and ports.
*/}}
{{- define "poplar.service" -}}
{{- $root := .root -}}
{{- $service := .service -}}
{{- $outside := ne $service.type "ClusterIP" -}}
{{- $all := lt (int .ordinal) 0 -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ include "poplar.serviceName" (dict "root" $root "name" .name "ordinal" (max 0 .ordinal)) }}
  labels:
    {{- include "poplar.labels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ .name }}
    {{- with $service.labels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with $service.annotations }}
  annotations:
    {{- $scope := dict "Template" $root.Template "Release" $root.Release "Values" $root.Values "ordinal" (toString $.ordinal) }}
    {{- tpl (toYaml .) $scope | nindent 4 }}
  {{- end }}
spec:
  type: {{ $service.type }}
  {{- if $outside }}
  externalTrafficPolicy: {{ $service.externalTrafficPolicy }}
  {{- end }}
  {{- if eq $service.type "LoadBalancer" }}
  {{- with $service.loadBalancerClass }}
  loadBalancerClass: {{ . }}
  {{- end }}
  {{- with $service.loadBalancerSourceRanges }}
  loadBalancerSourceRanges:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- end }}
  {{- with $service.ipFamilyPolicy }}
  ipFamilyPolicy: {{ . }}
  {{- end }}
  {{- with $service.ipFamilies }}
  ipFamilies:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  selector:
    {{- include "poplar.selectorLabels" $root | nindent 4 }}
    {{- if not $all }}
    statefulset.kubernetes.io/pod-name: {{ include "poplar.fullname" $root }}-{{ .ordinal }}
    {{- end }}
  ports:
    {{- range .ports }}
    - name: {{ .name }}
      port: {{ int64 .service.port }}
      targetPort: {{ .name }}
      {{- if and $outside .service.nodePort }}
      nodePort: {{ int64 .service.nodePort }}
      {{- end }}
    {{- end }}
{{- end -}}
