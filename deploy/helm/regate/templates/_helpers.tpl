{{- /* The name of all there is: the release's, with the chart's unless it is in there. */ -}}
{{- define "regate.name" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- /* What selectors go by; it never changes. Takes [root, component]. */ -}}
{{- define "regate.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ $root.Chart.Name }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{- define "regate.labels" -}}
{{- $root := index . 0 -}}
{{ include "regate.selector" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version }}
{{- end -}}

{{- /* The configuration: what the chart knows, and over it what is in values. */ -}}
{{- define "regate.config" -}}
{{- /* A folder of the volume, which the gate makes: who may write to the volume itself is not for it to say. */ -}}
{{- $state := dict "path" "/var/lib/regate/state" -}}
{{- if .Values.valkey.enabled -}}
{{- $addr := printf "%s-valkey:6379" (include "regate.name" .) -}}
{{- $redis := dict "addrs" (list $addr) "password_file" "/secrets/valkey/password" "key_file" "/secrets/valkey/state.key" -}}
{{- $_ := set $state "redis" $redis -}}
{{- end -}}
{{- $listen := dict "https" ":443" "http" ":80" "admin" ":9180" -}}
{{- $own := dict "listen" $listen "state" $state "log" (dict "format" "json") -}}
{{- mergeOverwrite $own (deepCopy .Values.config) | toYaml -}}
{{- end -}}

{{- define "regate.configSecret" -}}
{{- .Values.existingSecret | default (printf "%s-config" (include "regate.name" .)) -}}
{{- end -}}

{{- /* The Secrets that gates see as folders below /secrets. */ -}}
{{- define "regate.secrets" -}}
{{- $all := deepCopy .Values.secrets -}}
{{- if .Values.valkey.enabled }}{{ $_ := set $all "valkey" .Values.valkey.existingSecret }}{{ end -}}
{{- $all | toYaml -}}
{{- end -}}

{{- /* A duration such as 1m30s, in whole seconds. */ -}}
{{- define "regate.seconds" -}}
{{- $zero := toDate "2006-01-02" "2000-01-01" -}}
{{- sub (dateModify (printf "+%s" .) $zero | unixEpoch | int64) ($zero | unixEpoch | int64) -}}
{{- end -}}

{{- /* How long a gate may take to end: longer than it takes by itself. */ -}}
{{- define "regate.termination" -}}
{{- if not (kindIs "invalid" .Values.terminationGracePeriodSeconds) -}}
{{- .Values.terminationGracePeriodSeconds -}}
{{- else -}}
{{- $listen := .Values.config.listen | default dict -}}
{{- $grace := include "regate.seconds" ($listen.grace | default "10s") | int64 -}}
{{- $drain := include "regate.seconds" ($listen.drain | default "15m") | int64 -}}
{{- add $grace $drain 30 -}}
{{- end -}}
{{- end -}}

{{- /* Of the configuration, and of the files beside it, what a running gate cannot take over. */ -}}
{{- define "regate.restart" -}}
{{- $c := include "regate.config" . | fromYaml -}}
{{- $tls := $c.tls | default dict -}}
{{- $token := dig "auth" "token" (dict) $c -}}
{{- $root := $token.root | default dict -}}
{{- $files := pick .Values.files (base ($root.cert | default "")) (base ($root.key | default "")) -}}
{{- list $c.listen $c.state $tls.mode $tls.min_version $c.log.format $root $token.root_file $files | toJson | sha256sum -}}
{{- end -}}

{{- /* What cannot work is said now. */ -}}
{{- define "regate.validate" -}}
{{- if and (not .Values.existingSecret) (not .Values.config) -}}
{{- fail "config is empty: docs/kubernetes.md has examples" -}}
{{- end -}}
{{- if and .Values.existingSecret (or .Values.config .Values.files) -}}
{{- fail "existingSecret has the whole configuration: there can be no config and no files beside it" -}}
{{- end -}}
{{- if and .Values.existingSecret (kindIs "invalid" .Values.terminationGracePeriodSeconds) -}}
{{- fail "with existingSecret, terminationGracePeriodSeconds has to be said: more than listen.grace and listen.drain of it together" -}}
{{- end -}}
{{- $redis := dig "state" "redis" "" .Values.config -}}
{{- if and .Values.valkey.enabled (or $redis .Values.existingSecret) -}}
{{- fail "valkey is there for nobody: the configuration names a redis of its own" -}}
{{- end -}}
{{- $shared := or .Values.valkey.enabled $redis .Values.existingSecret -}}
{{- if and .Values.persistence.enabled (gt (int .Values.replicas) 1) -}}
{{- fail "several replicas cannot share a volume: set persistence.enabled to false, and valkey.enabled to true or state.redis in config" -}}
{{- end -}}
{{- if not (or .Values.persistence.enabled $shared) -}}
{{- fail "nothing keeps the state: without persistence there has to be valkey, or state.redis in config" -}}
{{- end -}}
{{- if hasKey .Values.secrets "valkey" -}}
{{- fail "secrets.valkey: that folder is for valkey.existingSecret; choose another name" -}}
{{- end -}}
{{- end -}}
