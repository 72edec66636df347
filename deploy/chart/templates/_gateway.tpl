{{- define "bigo.gatewayBase" }}
gateway:
  listen: 0.0.0.0:11434
  admin: 0.0.0.0:11436
  hosts:
    - {{ $.Release.Name }}-ollama
    - {{ $.Release.Name }}-ollama.{{ $.Release.Namespace }}
    - {{ $.Release.Name }}-ollama.{{ $.Release.Namespace }}.svc
    - {{ $.Release.Name }}-ollama.{{ $.Release.Namespace }}.svc.{{ $.Values.operator.clusterDomain }}
    - {{ $.Release.Name }}-gateway
    - {{ $.Release.Name }}-gateway.{{ $.Release.Namespace }}
    - {{ $.Release.Name }}-gateway.{{ $.Release.Namespace }}.svc
    - {{ $.Release.Name }}-gateway.{{ $.Release.Namespace }}.svc.{{ $.Values.operator.clusterDomain }}
    - any.example.com
  journal_dir: /var/lib/bigo/journal
  keys_file: /etc/bigo/keys/keys.yaml
  kubernetes:
    namespace: {{ $.Release.Namespace }}
    gateway_selector: app.kubernetes.io/name=bigo-gateway,app.kubernetes.io/instance={{ $.Release.Name }}
  time:
    drain_grace: 10s
    drain_max: 300s
{{- end }}
