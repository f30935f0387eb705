package configs

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
)

const mirrorsFile = `
tls: {hosts: [registry.example.com, hub.example.com], mode: internal}
auth: {users: {"": {}}, acl: [{match: {}, actions: [pull]}]}
registries:
  main: {upstreams: ["http://10.0.0.11:5000"]}
  hub: {kind: mirror, ns: docker.io, mirror: {hosts: [hub.example.com], anonymous: true}}
`

var mirrorTests = []struct {
	name, more string
	want       string // the only mistake; "" is none
}{
	{"one", "", ""},
	{"another", "  quay: {kind: mirror, ns: quay.io}", ""},
	{"the same twice", "  again: {kind: mirror, ns: docker.io}", "registries.hub.ns: docker.io is that of registry again as well"},
	{"the same prefix", "  local: {kind: mirror, ns: \"localhost:5000\", mirror: {prefix: docker.io}}", "registries.local.mirror.prefix: docker.io is that of registry hub as well"},
	{"the same host", "  quay: {kind: mirror, ns: quay.io, mirror: {hosts: [HUB.example.com]}}", "registries.quay.mirror.hosts[0]: hub.example.com is that of registry hub as well"},
	{"a host that is not ours", "  quay: {kind: mirror, ns: quay.io, mirror: {hosts: [quay.example.com]}}", "registries.quay.mirror.hosts[0]: quay.example.com is neither one of tls.hosts"},
	{"a route for its prefix", "  local: {kind: mirror, ns: \"localhost:5000\", mirror: {prefix: local}}\nroutes: [{ns: local, registry: main}]", "routes[0].ns: local is the mirror.prefix of registry local"},
	{"a route of its own", "routes: [{ns: docker.io, repository: \"acme/**\", registry: main, add: hub}, {repository: \"team/**\", registry: main}]", ""},
	{"a registry that takes its tokens", "  strict: {upstreams: [\"http://10.0.0.12:5000\"], auth: {mode: token, issuer: other, service: registry/docker.io}}\nroutes: [{repository: a, registry: strict}, {registry: main}]", "registries.strict.auth.service: \"registry/docker.io\" is that of tokens for docker.io: a client's own"},
}

func TestMirrors(t *testing.T) {
	for _, tt := range mirrorTests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "regate.yaml")
			write(t, path, mirrorsFile+tt.more+"\n")
			f, err := load(path, noEnv)
			if tt.want == "" {
				if err != nil || len(f.Warnings) > 0 {
					t.Errorf("load: %v, warnings %v", err, f.Warnings)
				}
				return
			}
			var wrong *Error
			if !errors.As(err, &wrong) || len(wrong.Mistakes) != 1 || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("load: %v, want %s", err, tt.want)
			}
		})
	}
}
