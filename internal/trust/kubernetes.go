package trust

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

func kubernetes(h Host, anchors Bundle) Client {
	return Client{
		Name: "kubernetes", Title: "the nodes of Kubernetes, with containerd or CRI-O",
		Manifest: manifest(h, string(anchors.PEM())),
		Then: []string{
			"kubectl apply -f - with what --for kubernetes prints.",
			"containerd has to look at /etc/containerd/certs.d: --for containerd says how. k3s and RKE2 take none of it: --for k3s, --for rke2.",
		},
	}
}

// manifest is a ConfigMap with the files, and a DaemonSet that copies them onto
// each node, looks after them, and takes along nodes that join later.
func manifest(h Host, ca string) string {
	hosts := hostsTOML(h, "/etc/containerd/certs.d/"+h.String()+"/ca.crt")
	sum := sha256.Sum256([]byte(h.String()))
	content := sha256.Sum256([]byte(ca + hosts))
	return strings.NewReplacer(
		"{{name}}", "regate-trust-"+hex.EncodeToString(sum[:4]),
		"{{content}}", hex.EncodeToString(content[:8]),
		"{{host}}", h.String(),
		"{{ca}}", indent(ca, 4),
		"{{hosts}}", indent(hosts, 4),
	).Replace(manifestTemplate)
}

// The script runs in a shell that is process 1, which takes no signal that it
// has no trap for, and so sleeps in the background. A file is there whole or
// not at all: what begins with a dot is read by nobody.
const manifestTemplate = `# Has each node trust the CA of {{host}}. CRI-O reads the files as they are, containerd with
# config_path = "/etc/containerd/certs.d" in its own configuration (regate trust --for containerd).
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{name}}
  namespace: kube-system
  annotations: {regate/registry: "{{host}}"}
data:
  ca.crt: |
{{ca}}  hosts.toml: |
{{hosts}}---
apiVersion: apps/v1
kind: DaemonSet
metadata:
  name: {{name}}
  namespace: kube-system
  annotations: {regate/registry: "{{host}}"}
spec:
  selector:
    matchLabels: {app.kubernetes.io/name: {{name}}}
  updateStrategy:
    rollingUpdate: {maxUnavailable: "100%"}
  template:
    metadata:
      labels: {app.kubernetes.io/name: {{name}}}
      annotations: {regate/content: "{{content}}"}
    spec:
      automountServiceAccountToken: false
      enableServiceLinks: false
      priorityClassName: system-node-critical
      tolerations:
        - operator: Exists
      terminationGracePeriodSeconds: 5
      containers:
        - name: copy
          image: busybox:1.37 # any with a shell does, but none from {{host}}
          command: [sh, -ec]
          args:
            - |
              trap 'exit 0' TERM INT
              put() {
                mkdir -p "$2"
                if ! cmp -s "/files/$1" "$2/$1"; then
                  cp "/files/$1" "$2/.$1.new"
                  chmod 644 "$2/.$1.new"
                  mv -f "$2/.$1.new" "$2/$1"
                  echo "wrote $1 for $3"
                fi
              }
              while :; do
                put ca.crt '/host/containerd/{{host}}' containerd
                put hosts.toml '/host/containerd/{{host}}' containerd
                put ca.crt '/host/containers/{{host}}' CRI-O
                sleep 60 &
                wait $!
              done
          resources:
            requests: {cpu: 1m, memory: 8Mi}
            limits: {memory: 32Mi}
          securityContext:
            runAsUser: 0
            seLinuxOptions: {type: spc_t} # to write below /etc of the node, where SELinux is on
            readOnlyRootFilesystem: true
            allowPrivilegeEscalation: false
            capabilities: {drop: [ALL]}
          volumeMounts:
            - {name: files, mountPath: /files, readOnly: true}
            - {name: containerd, mountPath: /host/containerd}
            - {name: containers, mountPath: /host/containers}
      volumes:
        - name: files
          configMap: {name: {{name}}}
        - name: containerd
          hostPath: {path: /etc/containerd/certs.d, type: DirectoryOrCreate}
        - name: containers
          hostPath: {path: /etc/containers/certs.d, type: DirectoryOrCreate}
`

func indent(text string, by int) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		if line != "\n" {
			fmt.Fprintf(&out, "%*s", by, "")
		}
		out.WriteString(line)
	}
	return out.String()
}
