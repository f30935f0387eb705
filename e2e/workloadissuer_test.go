package e2e

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/regate/regate/e2e/testbed"
)

// TestForeignTokenReachesNobody: a token of an issuer that the gate does not
// know, and one that is damaged, is 401 at once. Neither a program nor a
// directory is shown it, both of which are asked about every password.
func TestForeignTokenReachesNobody(t *testing.T) {
	t.Parallel()
	ca := testbed.NewCA(t)
	ours, theirs := testbed.StartJobs(t, ca), testbed.StartJobs(t, ca)
	dir := testbed.Dir(t)
	seen, program := filepath.Join(dir, "seen"), filepath.Join(dir, "program")
	must(t, os.WriteFile(program, []byte("#!/bin/sh\n{ cat; echo; } >> "+seen+"\nexit 2\n"), 0o755))
	directory, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { _ = directory.Close() })
	var asked atomic.Int64
	go func() {
		for {
			c, err := directory.Accept()
			if err != nil {
				return
			}
			asked.Add(1)
			_ = c.Close()
		}
	}()
	s := startKnowing(t, ca, knowing(t, "github-actions.md", withCA(ours.URL, ca))+fmt.Sprintf(`
  ext_auth: {command: %s, timeout: 30s}
  ldap_auth: {addr: %q, tls: none, base: "dc=example,dc=com", filter: "(uid=${account})"}
`, program, directory.Addr()), engines{})

	job := but(githubJob, said{"aud": gateName})
	theirToken, ourToken := theirs.Token(job), ours.Token(job)
	header, rest, _ := strings.Cut(ourToken, ".")
	payload, _, _ := strings.Cut(rest, ".")
	for name, token := range map[string]string{
		"a stranger's":         theirToken,
		"a stranger's as ours": theirs.Token(but(job, said{"iss": ours.URL})),
		"unsigned":             header + "." + payload + ".",
		"alg none":             "eyJhbGciOiJub25lIn0." + payload + ".",
		"damaged":              ourToken[:len(ourToken)/2] + "." + ourToken[len(ourToken)/2:],
		"cut":                  header + "." + payload[:40] + ".x",
		"expired":              ours.Token(but(job, said{"exp": time.Now().Add(-2 * time.Minute).Unix()})),
		"of the future":        ours.Token(but(job, said{"iat": time.Now().Add(2 * time.Minute).Unix()})),
		"old":                  ours.Token(but(job, said{"iat": time.Now().Add(-25 * time.Hour).Unix()})),
		"a damaged rgt_":       "rgt_damaged",
	} {
		for _, user := range []string{"admin", "nobody"} {
			if status, body := s.login(t, user, token, "repository:acme/app:pull"); status != 401 {
				t.Errorf("%s, as %s: %d %s", name, user, status, body)
			}
		}
	}
	if text, err := os.ReadFile(seen); err == nil || asked.Load() != 0 {
		t.Errorf("the program has seen %q, and the directory was asked %d times", text, asked.Load())
	}
	// Both are asked about what is a password.
	if status, _ := s.login(t, "nobody", "not.a.token", ""); status != 503 {
		t.Errorf("a password of somebody whom the directory may know: %d", status)
	}
	if text, _ := os.ReadFile(seen); !strings.Contains(string(text), "nobody not.a.token") || asked.Load() == 0 {
		t.Errorf("the program has seen %q, and the directory was asked %d times", text, asked.Load())
	}
	if status, body := s.login(t, "x", ourToken, ""); status != 200 {
		t.Errorf("the token that is good: %d %s", status, body)
	}
	if issuer := theirs.URL; !strings.Contains(s.gate.Log(), issuer) {
		t.Errorf("the log does not say that %s is not known", issuer)
	}
}

// TestIssuerOfJobsIsDown: its tokens are good as long as its keys are known,
// over a reload too; where they never were, nobody is told that a token is bad.
func TestIssuerOfJobsIsDown(t *testing.T) {
	t.Parallel()
	ca := testbed.NewCA(t)
	jobs := testbed.StartJobs(t, ca)
	jobs.Fail(true)
	s := startKnowing(t, ca, knowing(t, "github-actions.md", withCA(jobs.URL, ca)), engines{})
	good := jobs.Token(but(githubJob, said{"aud": gateName}))
	if status, body := s.login(t, "x", good, ""); status != 503 || !strings.Contains(string(body), "UNAVAILABLE") {
		t.Errorf("before the issuer was ever reached: %d %s", status, body)
	}
	if status, body := s.login(t, "admin", adminPassword, ""); status != 200 {
		t.Errorf("a user of the file: %d %s", status, body)
	}
	jobs.Fail(false)
	eventually(t, "the issuer is asked again", func() bool { status, _ := s.login(t, "x", good, ""); return status == 200 })
	jobs.Fail(true)
	if status, body := s.login(t, "x", good, ""); status != 200 {
		t.Errorf("with the keys of before: %d %s", status, body)
	}
	text, err := os.ReadFile(s.gate.File)
	must(t, err)
	save(t, s.gate.File, strings.Replace(string(text), "account: ci/", "account: job/", 2))
	eventually(t, "a reload", func() bool { return strings.Contains(s.gate.Log(), `"subject":"job/Acme/app"`) || s.logs(t, good) })
	if status, body := s.login(t, "x", good, ""); status != 200 {
		t.Errorf("after a reload: %d %s", status, body)
	}
	jobs.Rotate("2")
	if status, _ := s.login(t, "x", jobs.Token(but(githubJob, said{"aud": gateName})), ""); status != 401 {
		t.Errorf("by a new key, within a minute: %d", status)
	}
}

// logs in, and says nothing.
func (s *site) logs(t *testing.T, token string) bool {
	s.login(t, "x", token, "")
	return false
}

// TestOIDCJob: any issuer that speaks OpenID Connect will do. This one is on
// Node.js, and gives a job that has a secret a token for the gate.
func TestOIDCJob(t *testing.T) {
	t.Parallel()
	ca := testbed.NewCA(t)
	s := &site{gate: testbed.NewGate(t, ca), engines: startEngines(t)}
	idp := testbed.StartOIDC(t, s.gate)
	addr := testbed.LocalAddr()
	s.gate.Configure(t, fmt.Sprintf(`registries: {main: {upstreams: ["http://%s"]}}
auth:
  jwt_auth:
    - issuer: %s
      audience: ["https://%s"]
      rules: [{claims: {sub: %s}, account: "job/${client_id}"}]
  acl: [{match: {account: "job/%[4]s", name: "team/*"}, actions: [pull, push]}]
`, addr, idp.Issuer, gateName, testbed.ProviderJob))
	s.registry = testbed.StartRegistry(t, testbed.RegistryConfig{Version: testbed.Registry3, Addr: addr})
	s.gate.Start(t)
	for _, name := range []string{"docker", "podman", "crane", "ctr"} {
		c := s.client(t, name)
		must(t, c.Login("job", idp.JobToken(t, "https://"+gateName)))
		digest, err := c.Push("team/"+name, version)
		if err != nil {
			t.Errorf("%s: push: %v", name, err)
			continue
		}
		if got, err := c.Pull("team/" + name + ":" + version); err != nil || got != digest {
			t.Errorf("%s: pull: %s, %v; want %s", name, got, err, digest)
		}
		if _, err := c.Push("ops/"+name, version); err == nil {
			t.Errorf("%s: pushed what it may not", name)
		}
	}
	if status, body := s.login(t, "job", idp.JobToken(t, "https://elsewhere.example.com"), ""); status != 401 || !strings.Contains(string(body), "its audience is") {
		t.Errorf("a token for somebody else: %d %s", status, body)
	}
}
