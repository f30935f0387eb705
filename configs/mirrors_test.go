package configs

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
)

const mirrorsFile = `
tls: {hosts: [registry.example.com, hub.example.com, q.example.com], mode: internal}
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
	{"a host of one label", "  quay: {kind: mirror, ns: quay.io, mirror: {hosts: [quay]}}", "registries.quay.mirror.hosts[0]: quay is neither one of tls.hosts"},
	{"the same host in one", "  quay: {kind: mirror, ns: quay.io, mirror: {hosts: [q.example.com, q.example.com]}}", "registries.quay.mirror.hosts[1]: q.example.com stands here twice"},
	{"a host with a scheme", "  quay: {kind: mirror, ns: quay.io, mirror: {hosts: [\"https://quay.example.com\"]}}", "registries.quay.mirror.hosts[0]: \"https://quay.example.com\" is not the name of a host alone"},
	{"a host with a port", "  quay: {kind: mirror, ns: quay.io, mirror: {hosts: [\"quay.example.com:443\"]}}", "registries.quay.mirror.hosts[0]: \"quay.example.com:443\" is not the name of a host alone"},
	{"a route's host with a scheme", "routes: [{host: \"https://registry.example.com\", registry: main}]", "routes[0].host: \"https://registry.example.com\" is not the name of a host alone"},
	{"hosts in the wrong place", "  quay: {kind: mirror, ns: quay.io, hosts: [q.example.com]}", "registries.quay.hosts: unknown key; those of a mirror are mirror: {hosts: […]}"},
	{"anonymous in the wrong place", "  quay: {kind: mirror, ns: quay.io, anonymous: true}", "registries.quay.anonymous: unknown key; a mirror's is mirror: {anonymous: …}"},
	{"prefix in the wrong place", "  quay: {kind: mirror, ns: quay.io, prefix: q}", "registries.quay.prefix: unknown key; a mirror's is mirror: {prefix: …}"},
	{"mirrors", "  quay: {kind: mirrors, ns: quay.io}", "registries.quay.kind: \"mirrors\" is not known; did you mean mirror?"},
	{"all hosts of the gate", "  quay: {kind: mirror, ns: quay.io, mirror: {hosts: [registry.example.com, q.example.com]}}", "registries.main: nobody can reach it, because all names of the gate are mirror.hosts; add a name to tls.hosts"},
	{"another name of Docker Hub", "routes: [{ns: registry-1.docker.io, registry: main}]", "routes[0].ns: registry-1.docker.io is Docker Hub, which clients call docker.io; use ns: docker.io"},
	{"a route to it", "routes: [{repository: \"hub/**\", strip: hub, registry: hub}, {registry: main}]", "routes[0].registry: hub is the mirror of docker.io, and needs no route: its repositories are docker.io/…; a route for some of them has ns: docker.io"},
	{"storage with https://", "  s3: {upstreams: [\"http://10.0.0.12:5000\"], redirects: {mode: follow, hosts: [\"https://s3.test\"]}}\nroutes: [{repository: a, registry: s3}, {registry: main}]", "registries.s3.redirects.hosts[0]: \"https://s3.test\" is no host: write HOST"},
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

func TestStrangeNamespaces(t *testing.T) {
	for ns, want := range map[string]string{
		"docker.io": "", "harbor.example.org": "", "localhost": "",
		"dokcer.io": "routes[0].ns: dokcer.io is no mirror's; did you mean docker.io?",
		"hub":       "routes[0].ns: hub is not the name of a registry, such as docker.io, so no client asks in its place",
	} {
		path := filepath.Join(t.TempDir(), "regate.yaml")
		write(t, path, mirrorsFile+"routes: [{ns: "+ns+", repository: a/b, add: x, registry: main}, {repository: \"team/**\", registry: main}]\n")
		f, err := load(path, noEnv)
		must(t, err)
		if got := said(f.Warnings); strings.TrimPrefix(got, "7: ") != want {
			t.Errorf("ns %s: %q, want %q", ns, got, want)
		}
	}
}

// TestBadHostIsNotComparedAsWell: that it is none has been said, once for each.
func TestBadHostIsNotComparedAsWell(t *testing.T) {
	path := filepath.Join(t.TempDir(), "regate.yaml")
	write(t, path, mirrorsFile+"  quay: {kind: mirror, ns: quay.io, mirror: {hosts: [\"http://q\", \"http://q\"]}}\n")
	_, err := load(path, noEnv)
	if err == nil || strings.Count(err.Error(), "\n") != 1 || strings.Count(err.Error(), "is not the name of a host alone") != 2 {
		t.Errorf("load: %v", err)
	}
}
