package e2e

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/regate/regate/e2e/testbed"
)

// atOnce is how long a token may be good after it was revoked, at any gate.
const atOnce = 5 * time.Second

// An issue is what docker has after a login.
type issue struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
}

// dockerLogin is docker login, and the token of a pull at once.
func (s *site) dockerLogin(t testing.TB, user, password string) (i issue) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet,
		s.gate.URL+"/auth?service=registry&client_id=docker&offline_token=true&scope=repository:team/app:pull", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(user, password)
	s.fetch(t, req, &i)
	return i
}

// claims are the names of a token and of what it follows from.
func (i issue) claims(t testing.TB) (c struct{ Jti, Rgf string }) {
	t.Helper()
	parts := strings.Split(i.Access, ".")
	text, err := base64.RawURLEncoding.DecodeString(parts[len(parts)/2])
	if err == nil {
		err = json.Unmarshal(text, &c)
	}
	if err != nil || c.Jti == "" || c.Rgf == "" {
		t.Fatalf("the token says %+v (%v)", c, err)
	}
	return c
}

// pulls reports whether a token that is at hand is good for a pull.
func (s *site) pulls(t testing.TB, access string) bool {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.gate.URL+"/v2/team/app/manifests/x", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+access)
	req.Header.Set("Accept", "application/vnd.oci.image.manifest.v1+json")
	res, err := s.gate.CA.HTTP().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK && res.StatusCode != http.StatusUnauthorized {
		t.Fatalf("a pull: %s", res.Status)
	}
	return res.StatusCode == http.StatusOK
}

// TestRevoke: somebody pulls on and on with a token that is good for a quarter
// of an hour yet, and is refused at once when it is revoked in any way. Another
// login of the same account goes on, unless all of them were meant.
func TestRevoke(t *testing.T) {
	t.Parallel()
	s := startSite(t, modes[0], testbed.Registry2, engines{})
	s.seed(t, "team/app")
	for _, tt := range []struct {
		name      string
		args      func(testing.TB, issue) []string
		otherEnds bool
	}{
		{"token", func(t testing.TB, i issue) []string { return []string{"--token", i.claims(t).Jti} }, false},
		{"family", func(t testing.TB, i issue) []string { return []string{"--family", i.claims(t).Rgf} }, false},
		{"subject", func(testing.TB, issue) []string { return []string{"--subject", "dev"} }, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			mine, other := s.dockerLogin(t, "dev", devPassword), s.dockerLogin(t, "dev", devPassword)
			if !s.pulls(t, mine.Access) || !s.pulls(t, other.Access) {
				t.Fatal("the tokens are not good to begin with")
			}
			testbed.Run(t, testbed.Command{
				Program: "regate", Args: append([]string{"revoke", "-c", s.gate.File}, tt.args(t, mine)...), Dir: testbed.Dir(t),
			})
			for began := time.Now(); s.pulls(t, mine.Access); {
				if time.Since(began) > atOnce {
					t.Fatalf("the token is good %v after it was revoked", atOnce)
				}
			}
			for range 20 {
				if s.pulls(t, mine.Access) {
					t.Error("the token is good again")
				}
			}
			if got := s.pulls(t, other.Access); got == tt.otherEnds {
				t.Errorf("the token of another login is good: %v", got)
			}
		})
	}
}

// TestRevokedClients: what people read whose login was revoked, and that they
// need do no more than log in again.
func TestRevokedClients(t *testing.T) {
	t.Parallel()
	s := startSite(t, modes[0], testbed.Registry2, engines{docker: testbed.StartDocker(t)})
	s.seed(t, "team/app")
	docker := s.client(t, "docker")
	if err := docker.Login("dev", devPassword); err != nil {
		t.Fatal(err)
	}
	if _, err := docker.Pull("team/app:x"); err != nil {
		t.Fatal(err)
	}
	testbed.Run(t, testbed.Command{Program: "regate", Args: []string{"revoke", "-c", s.gate.File, "--subject", "dev"}, Dir: testbed.Dir(t)})
	if _, err := docker.Pull("team/app:x"); err == nil || !strings.Contains(err.Error(), "unauthorized: ") {
		t.Errorf("docker pull after it was revoked: %v", err)
	}
	eventually(t, "docker login again", func() bool { return docker.Login("dev", devPassword) == nil }) // tokens have whole seconds
	if _, err := docker.Pull("team/app:x"); err != nil {
		t.Errorf("docker pull after it: %v", err)
	}
}
