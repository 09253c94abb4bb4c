{{- define "ringback.name" -}}
{{- if contains "ringback" .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-ringback" .Release.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "ringback.selector" -}}
app.kubernetes.io/name: ringback
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: gateway
{{- end }}

{{- define "ringback.workerSelector" -}}
app.kubernetes.io/name: ringback
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: worker
{{- end }}

{{- define "ringback.labels" -}}
{{ include "ringback.selector" . }}
{{ include "ringback.release-labels" . }}
{{- end }}

{{- define "ringback.release-labels" -}}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "ringback.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}{{ default (include "ringback.name" .) .Values.serviceAccount.name }}{{ else }}{{ default "default" .Values.serviceAccount.name }}{{ end }}
{{- end }}

{{- define "ringback.image" -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end }}

{{/* The settings of a container. They are written out: the ConfigMap of a release does not exist
     yet when its hook runs. */}}
{{- define "ringback.env" -}}
- name: RINGBACK_DATA
  value: /data
{{- range $name, $key := .Values.secret.files }}
- name: {{ $name }}
  value: /run/secrets/ringback/{{ $key }}
{{- end }}
{{- include "ringback.settings" . | nindent 0 }}
{{- end }}

{{/* The settings that are the same for gateways and workers. */}}
{{- define "ringback.settings" -}}
{{- range $name, $key := .Values.secret.env }}
- name: {{ $name }}
  valueFrom:
    secretKeyRef:
      name: {{ $.Values.secret.name }}
      key: {{ $key }}
{{- end }}
{{- range $name, $value := .Values.settings }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end }}

{{- define "ringback.podSecurity" -}}
runAsNonRoot: true
runAsUser: 1000
runAsGroup: 1000
fsGroup: 1000
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{/* What the pods of gateways and workers share. */}}
{{- define "ringback.pod" -}}
serviceAccountName: {{ include "ringback.serviceAccountName" . }}
automountServiceAccountToken: false
# Kubernetes would set variables for each Service; one could be taken for a setting.
enableServiceLinks: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- include "ringback.podSecurity" . | nindent 2 }}
{{- end }}

{{- define "ringback.security" -}}
allowPrivilegeEscalation: false
capabilities:
  drop: [ALL]
readOnlyRootFilesystem: true
{{- end }}

{{- define "ringback.mounts" -}}
- name: secrets
  mountPath: /run/secrets/ringback
  readOnly: true
- name: data
  mountPath: /data
- name: tmp
  mountPath: /tmp
{{- end }}

{{- define "ringback.volumes" -}}
- name: secrets
  secret:
    secretName: {{ .Values.secret.name }}
    defaultMode: 0440
{{- /* Secrets that Asana or Notion offer in a handshake; nothing else is written here. */}}
- name: data
  emptyDir:
    sizeLimit: 64Mi
- name: tmp
  emptyDir:
    sizeLimit: 64Mi
{{- end }}
