package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/regate/regate/e2e/client"
	"github.com/regate/regate/e2e/testbed"
)

// A pair is the files of a certificate and its key.
type pair struct{ cert, key string }

// startAskingClients starts a site whose gate asks for certificates of a CA
// that is not the one of its own, and knows workloads by their service account
// (SPIFFE) and others by their common name.
func startAskingClients(t *testing.T, m mode, e engines) (*site, *testbed.CA) {
	t.Helper()
	clients := testbed.NewCA(t)
	s := prepareSite(t, m, testbed.Registry3, e)
	text, err := os.ReadFile(s.gate.File)
	must(t, err)
	asking := strings.TrimSuffix(s.gate.TLS, "}") + fmt.Sprintf(", client_ca: %s}", clients.File)
	must(t, os.WriteFile(s.gate.File, []byte(strings.Replace(string(text), s.gate.TLS, asking, 1)+`
  client_certificates:
    - {name: uri, match: "spiffe://example.org/ns/*/sa/*", account: "${2}", labels: {namespace: ["${1}"]}}
    - {name: cn}
`), 0o600))
	s.gate.Start(t)
	return s, clients
}

func (s *site) clientShowing(t testing.TB, name string, p pair) client.Client {
	t.Helper()
	c, err := client.New(name, client.Env{
		Home: testbed.Dir(t), Host: s.gate.Host, CA: s.gate.CA.File, Cert: p.cert, Key: p.key,
		Docker: s.engines.docker, Containerd: s.engines.containerd,
	})
	must(t, err)
	return c
}

// TestClientCertificates: a certificate in the place where each program looks
// for one is all that it takes to push and pull. podman, skopeo and docker get
// tokens with it; containerd begins without, and is let in at once.
func TestClientCertificates(t *testing.T) {
	t.Parallel()
	e := startEngines(t)
	for _, m := range modes {
		if m.name != "none" && m.name != "forward" {
			continue
		}
		t.Run(m.name, func(t *testing.T) {
			s, ca := startAskingClients(t, m, e)
			dev := pair{}
			dev.cert, dev.key = ca.IssueClient(t, "machine 7", "spiffe://example.org/ns/prod/sa/dev")
			s.seed(t, "locked/app")
			for _, name := range []string{"docker", "podman", "skopeo", "buildah", "ctr"} {
				t.Run(name, func(t *testing.T) { s.worksWithCertificate(t, name, dev) })
			}
			t.Run("curl", func(t *testing.T) { s.curlWithCertificate(t, dev, ca) })
		})
	}
}

func (s *site) worksWithCertificate(t *testing.T, name string, dev pair) {
	c := s.clientShowing(t, name, dev)
	digest, err := c.Push("team/"+name, version)
	must(t, err)
	for _, ref := range []string{"team/" + name + ":" + version, "locked/app:x"} {
		if got, err := c.Pull(ref); err != nil || got != digest && !strings.HasPrefix(ref, "locked/") {
			t.Errorf("pull of %s: %s, %v", ref, got, err)
		}
	}
	if _, err := c.Push("locked/"+name, version); err == nil {
		t.Error("pushed to where dev may only pull")
	}
	if name == "ctr" { // it does not try a password before it needs it
		return
	}
	if err := c.Login("admin", "not-the-password"); err == nil {
		t.Error("a login with a wrong password went well, beside a certificate")
	}
	must(t, c.Login("admin", adminPassword))
	if _, err := c.Push("locked/"+name, version); err != nil {
		t.Errorf("push of somebody who has logged in: %v", err)
	}
}

func (s *site) curlWithCertificate(t *testing.T, dev pair, ca *testbed.CA) {
	c := curl{t, s, []string{"--cert", dev.cert, "--key", dev.key}}
	if status, answer := c.get("/v2/locked/app/tags/list"); status != 200 || !strings.Contains(answer, `"tags":["x"]`) {
		t.Errorf("tags: %d %s", status, answer)
	}
	if status, answer := c.get("/v2/_catalog"); status != 401 || !strings.Contains(answer, "dev may not list all repositories") {
		t.Errorf("catalog: %d %s", status, answer)
	}
	if status, answer := c.get("/v2/_catalog", "-u", "admin:"+adminPassword); status != 200 {
		t.Errorf("catalog of somebody who logs in: %d %s", status, answer)
	}
	if status, answer := c.get("/auth?service=registry&scope=repository:team/app:pull"); status != 200 || !strings.Contains(answer, `"scope":"repository:team/app:pull"`) {
		t.Errorf("token: %d %s", status, answer)
	}
	old := pair{}
	old.cert, old.key = ca.IssueExpired(t, "dev")
	for _, version := range []string{"1.2", "1.3"} {
		out, err := testbed.Try(testbed.Command{Program: "curl", Dir: testbed.Dir(t), Args: []string{
			"-s", "-S", "--tlsv" + version, "--tls-max", version, "--cacert", s.gate.CA.File, "--cert", old.cert, "--key", old.key, s.gate.URL + "/v2/pub/x/tags/list",
		}})
		// What curl says of it differs: the request may have been on its way.
		if err == nil {
			t.Errorf("with an expired certificate and TLS %s curl got an answer: %s", version, out)
		}
	}
	eventually(t, "the log says why", func() bool { return strings.Contains(s.gate.Log(), "certificate has expired") })
}
