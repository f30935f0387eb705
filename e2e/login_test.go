package e2e

import (
	"strings"
	"testing"

	"github.com/regate/regate/e2e/testbed"
)

// TestWrongPassword looks at what people read who mistype it. ctr and crane do
// not try a login; there it is the first push that fails.
func TestWrongPassword(t *testing.T) {
	t.Parallel()
	s := startSite(t, modes[0], testbed.Registry2, startEngines(t))
	for name, want := range map[string]string{
		"docker":  "unauthorized: ",
		"podman":  "invalid username/password",
		"skopeo":  "invalid username/password",
		"buildah": "invalid username/password",
		"ctr":     "401 Unauthorized",
		"crane":   "UNAUTHORIZED: ",
		"regctl":  "unauthorized",
		"helm":    "401",
		"oras":    "401",
	} {
		t.Run(name, func(t *testing.T) {
			c := s.client(t, name)
			err := c.Login("dev", "not-it")
			if err == nil {
				_, err = c.Push("team/"+name, version)
			}
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("login with a wrong password: %v, want %q in it", err, want)
			}
		})
	}
	if strings.Contains(s.registry.Log(), "/v2/team/") {
		t.Error("a request for team/ reached the registry")
	}
}
