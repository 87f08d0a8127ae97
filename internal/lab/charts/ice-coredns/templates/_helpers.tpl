{{- define "labels" -}}
{app.kubernetes.io/name: ice-coredns, app.kubernetes.io/instance: {{ .Release.Name }}}
{{- end -}}
