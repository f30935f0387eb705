package e2e

import (
	"encoding/json"
	"net/http"
	"slices"
	"testing"

	"github.com/regate/regate/e2e/testbed"
)

// TestScriptsOfDockerAuthUsersListTheCatalog makes the call that people who
// come from docker_auth have in their scripts: a POST with a Basic header, its
// parameters in the body and no grant_type.
func TestScriptsOfDockerAuthUsersListTheCatalog(t *testing.T) {
	t.Parallel()
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) {
			s := startSite(t, m, testbed.Registry3, engines{})
			s.seed(t, "team/app", "other/app")
			got := s.catalog(t, s.curlToken(t))
			if want := []string{"other/app", "team/app"}; !slices.Equal(got, want) {
				t.Errorf("catalog = %q, want %q", got, want)
			}
		})
	}
}

// curlToken asks for a token with curl, word for word.
func (s *site) curlToken(t testing.TB) string {
	t.Helper()
	out := testbed.Run(t, testbed.Command{Program: "curl", Dir: testbed.Dir(t), Args: []string{
		"-s", "--cacert", s.gate.CA.File, "-u", "admin:" + adminPassword,
		"-d", "service=registry", "-d", "scope=registry:catalog:*", "-d", "account=admin",
		s.gate.URL + "/auth",
	}})
	var reply struct {
		Token string `json:"token"`
	}
	if err := json.Unmarshal([]byte(out), &reply); err != nil || reply.Token == "" {
		t.Fatalf("no token in %s", out)
	}
	return reply.Token
}

func (s *site) catalog(t testing.TB, token string) []string {
	t.Helper()
	req, err := http.NewRequest("GET", s.gate.URL+"/v2/_catalog", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	var reply struct {
		Repositories []string `json:"repositories"`
	}
	s.fetch(t, req, &reply)
	return reply.Repositories
}
