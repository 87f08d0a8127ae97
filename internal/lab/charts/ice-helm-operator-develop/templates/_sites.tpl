{{- /* Which site this is, and which others there are, as JSON: what the guide's files say of it, each in its own section. */ -}}
{{- define "ice.sites" -}}
{{- $c := .Values.charts }}
{{- $ice := $c.instantConnectEnterprise.values.config.multidatacenter }}
{{- $minio := $c.iceMinio.values.multidatacenter }}
{{- $kop := (index $c.iceCassandra.values "multi-casskop").k8s }}
{{- $rally := $c.rallypoint.values.rallypoint }}
{{- $own := coalesce $ice.currentDC $rally.name $minio.currentDC $kop.local }}
{{- if not $own }}{{ fail "the values name no site of their own" }}{{ end }}
{{- $all := concat (list $own $minio.remoteDC) $kop.remote }}
{{- range $ice.dcs }}{{ $all = append $all .name }}{{ end }}
{{- range $rally.peerMeshes }}{{ $all = append $all (trimPrefix "ice-rallypoint-discovery-" .) }}{{ end }}
{{- $all = $all | compact | uniq | sortAlpha }}
{{- dict "own" $own "all" $all "others" (without $all $own) | toJson }}
{{- end -}}

{{- /* A file of another chart, as that one renders it: (dict "root" $ "file" … "namespace" … "values" …). */ -}}
{{- define "ice.part" -}}
{{ tpl (.root.Files.Get (print "parts/" .file)) (dict "Values" .values "Release" (dict "Name" .root.Release.Name "Namespace" .namespace)) }}
{{- end -}}

{{- define "ice.container" -}}
image: localhost/lab/ice:{{ .Chart.AppVersion }}
resources: {requests: {memory: 16Mi}, limits: {memory: 128Mi}}
securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}, readOnlyRootFilesystem: true}
{{- end -}}

{{- define "ice.user" -}}
{runAsUser: 1000, runAsGroup: 1000, runAsNonRoot: true}
{{- end -}}
