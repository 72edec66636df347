{{- /* What several templates need: image, callers, annotations, keys, the gateway's configuration. */ -}}

{{- define "bigo.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "bigo.pullSecrets" -}}
{{- $list := list -}}
{{- range .Values.image.pullSecrets }}{{ $list = append $list (dict "name" .) }}{{ end -}}
{{- toYaml $list -}}
{{- end -}}

{{- /* Whoever is listed; else every pod, and the world too where a Service or an Ingress leads in (then no rule is left). */ -}}
{{- define "bigo.callers" -}}
{{- $from := .root.Values.networkPolicy.allowFrom -}}
{{- if and (not $from) (not .exposed) -}}
{{- $from = list (dict "namespaceSelector" (dict)) -}}
{{- end -}}
{{- toYaml $from -}}
{{- end -}}

{{- /* What people write wins over what cert-manager needs, and that over what lets answers stream. */ -}}
{{- define "bigo.ingressAnnotations" -}}
{{- $issuer := dict -}}
{{- if .ingress.tls.enabled -}}
{{- with .ingress.tls.clusterIssuer }}{{ $_ := set $issuer "cert-manager.io/cluster-issuer" . }}{{ end -}}
{{- with .ingress.tls.issuer }}{{ $_ := set $issuer "cert-manager.io/issuer" . }}{{ end -}}
{{- end -}}
{{- merge (dict) .ingress.annotations $issuer .own | toYaml -}}
{{- end -}}

{{- /* Secrets are made once: what is in the cluster stays, or everybody who has a key would be locked out. */ -}}
{{- define "bigo.adminSecret" -}}
{{- $live := lookup "v1" "Secret" .Release.Namespace (printf "%s-gateway-admin" .Release.Name) | default dict -}}
{{- $data := get $live "data" | default dict -}}
{{- if not (get $data "token") }}{{ $data = dict "token" (randAlphaNum 43 | b64enc) }}{{ end -}}
{{- toYaml $data -}}
{{- end -}}

{{- define "bigo.keysSecret" -}}
{{- $live := lookup "v1" "Secret" .Release.Namespace (printf "%s-gateway-keys" .Release.Name) | default dict -}}
{{- $data := get $live "data" | default dict -}}
{{- if not (get $data "keys.yaml") -}}
{{- $keys := list -}}
{{- range $role := list "admin" "user" -}}
{{- $key := printf "bigo-%s" (randAlphaNum 43) -}}
{{- $data = set $data (printf "%s-key" $role) ($key | b64enc) -}}
{{- $keys = append $keys (dict "id" $role "role" $role "hash" (printf "sha256:%s" (sha256sum $key))) -}}
{{- end -}}
{{- $data = set $data "keys.yaml" (dict "keys" $keys | toYaml | b64enc) -}}
{{- end -}}
{{- toYaml $data -}}
{{- end -}}

{{- /* The file that the gateway reads: what the operator would write, the values, then `gateway.config` over both. */ -}}
{{- define "bigo.gatewayConfig" -}}
{{- $values := .Values.gateway -}}
{{- $file := include "bigo.gatewayBase" . | fromYaml -}}
{{- $gateway := $file.gateway -}}
{{- $_ := set $gateway "backends" $values.backends -}}
{{- $_ := set $gateway.time "drain_max" (printf "%ds" (int $values.drainSeconds)) -}}
{{- if $values.pods.selector -}}
{{- $_ := set $gateway.kubernetes "selector" $values.pods.selector -}}
{{- $_ := set $gateway.kubernetes "port" (int $values.pods.port) -}}
{{- else -}}
{{- $_ := unset $gateway "kubernetes" -}}
{{- end -}}
{{- if eq $values.auth.mode "none" -}}
{{- $_ := unset $gateway "keys_file" -}}
{{- $_ := set $gateway "insecure" true -}}
{{- $_ := set $gateway "anonymous_role" $values.auth.anonymousRole -}}
{{- end -}}
{{- $hosts := without $gateway.hosts "any.example.com" -}}
{{- if $values.ingress.enabled }}{{ $hosts = append $hosts $values.ingress.host }}{{ end -}}
{{- if ne $values.service.type "ClusterIP" }}{{ $hosts = list "*" }}{{ end -}}
{{- $_ := set $gateway "hosts" $hosts -}}
{{- mergeOverwrite $file (deepCopy $values.config) | toYaml -}}
{{- end -}}

{{- /* The version that the definition is marked with. Going behind a newer one would lose fields that resources use. */ -}}
{{- define "bigo.definitionVersion" -}}
{{- $live := lookup "apiextensions.k8s.io/v1" "CustomResourceDefinition" "" "ollamadeployments.llm.geeper.io" | default dict -}}
{{- $there := dig "metadata" "annotations" "llm.geeper.io/bigo-version" "" $live -}}
{{- if regexMatch "^[0-9]+\\.[0-9]+\\.[0-9]+" $there -}}
{{- if semverCompare (printf ">%s" .Chart.AppVersion) $there -}}
{{- fail (printf "crds.install: the definition of OllamaDeployment in this cluster is of the newer version %s, this chart is %s. Take the chart of that version, or set crds.install to false." $there .Chart.AppVersion) -}}
{{- end -}}
{{- end -}}
{{- .Chart.AppVersion -}}
{{- end -}}
