package e2e

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/regate/regate/e2e/testbed"
)

const readerPassword = "of-the-near-gate"

// A twoGates is a gate with a mirror of what is behind another gate, which has users
// of its own and blobs in a bucket.
type twoGates struct {
	near, far *site
	bucket    *testbed.Bucket
	password  string // file with that of the near gate at the far one
}

func startTwoGates(t *testing.T) *twoGates {
	t.Helper()
	testbed.Secret(readerPassword)
	p := &twoGates{password: filepath.Join(testbed.Dir(t), "password")}
	p.far, p.bucket = startBucketSite(t, testbed.Registry3, "{mode: pass}", engines{})
	if err := os.WriteFile(p.password, []byte(devPassword+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	g := testbed.NewGate(t, testbed.NewCA(t))
	g.Configure(t, fmt.Sprintf(`
registries:
  far:
    kind: mirror
    ns: far.example
    upstreams: [%q]
    username: dev
    password_file: %s
    tls: {ca: %s}
    redirects: {hosts: [%q]}
auth:
  token: {issuer: near, service: registry, expiration: 900}
  users: {"reader": {password: %q}}
  acl:
    - {match: {account: reader, name: "far.example/*/*"}, actions: ["*"]}
`, p.far.gate.URL, p.password, p.far.gate.CA.File, p.bucket.URL, testbed.Bcrypt(t, readerPassword)))
	g.Start(t)
	p.near = &site{gate: g}
	return p
}

// TestMirrorOfAnotherGate pulls through two gates. The far one knows the near one
// as one of its users, and nothing of the clients of that.
func TestMirrorOfAnotherGate(t *testing.T) {
	t.Parallel()
	p := startTwoGates(t)
	digest := p.far.seed(t, "team/app", "lab/secret")
	for _, name := range []string{"crane", "podman", "skopeo"} {
		c := p.near.client(t, name)
		if err := c.Login("reader", readerPassword); err != nil {
			t.Fatal(err)
		}
		before := len(p.bucket.Visits())
		if got, err := c.Pull("far.example/team/app:x"); err != nil || got == "" {
			t.Errorf("%s pulled %s: %v, want %s", name, got, err, digest)
		}
		if len(p.bucket.Visits()) == before {
			t.Errorf("%s got nothing from the bucket", name)
		}
		if _, err := c.Pull("far.example/lab/secret:x"); err == nil || !strings.Contains(err.Error(), "no such repository") && !strings.Contains(err.Error(), "name unknown") && !strings.Contains(err.Error(), "NAME_UNKNOWN") {
			t.Errorf("%s pulled what the near gate must not: %v", name, err)
		}
		if _, err := c.Push("far.example/team/app", "y"); err == nil {
			t.Errorf("%s pushed to the mirror", name)
		}
	}
	p.check(t)
	p.down(t)
}

// check looks at what both gates have said and counted.
func (p *twoGates) check(t *testing.T) {
	t.Helper()
	far := p.far.gate.Log()
	if strings.Contains(far, "reader") || !strings.Contains(far, `"subject":"dev"`) {
		t.Error("the far gate has seen another user than that of the near one")
	}
	if strings.Contains(far, "manifests/y\",\"status\":201") {
		t.Error("a push has reached the far gate")
	}
	res, err := http.Get(p.near.gate.Admin + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`regate_mirror_refused_total{reason="no_access",registry="far"}`, `regate_redirects_followed_total{outcome="ok",registry="far"}`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the metrics do not have %s", want)
		}
	}
	p.near.quiet(t)
}

// down ends the far gate: clients are told in words, and are not sent there.
func (p *twoGates) down(t *testing.T) {
	t.Helper()
	p.far.gate.Stop(t)
	token := p.near.token(t, "reader", readerPassword, "repository:far.example/team/app:pull")
	res := p.near.do(t, http.MethodGet, p.near.gate.URL+"/v2/far.example/team/app/manifests/x", token, nil)
	text, _ := io.ReadAll(res.Body)
	if res.StatusCode != http.StatusGatewayTimeout || !strings.Contains(string(text), "UNAVAILABLE") {
		t.Errorf("the far gate is down: %s %s", res.Status, text)
	}
}
