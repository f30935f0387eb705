package e2e

import (
	"strings"
	"testing"

	"github.com/regate/regate/e2e/testbed"
)

// TestHostsThatAreNotOurs sends a Host that the gate does not serve, or that is
// not the one of the handshake: 421 before anything is looked up, and no word of
// it anywhere.
func TestHostsThatAreNotOurs(t *testing.T) {
	t.Parallel()
	s := startSite(t, modes[0], testbed.Registry2, engines{})
	name, port, _ := strings.Cut(s.gate.Host, ":")
	token := s.token(t, "admin", adminPassword, "repository:team/a:pull")
	for _, tt := range []struct {
		host string
		want int
	}{
		{s.gate.Host, 200},
		{strings.ToUpper(s.gate.Host), 200},
		{"evil.test", 421},
		{"evil.test:" + port, 421},
		{name + ":1", 421},
		{"x." + s.gate.Host, 421},
		{"[::1]:" + port, 421},
		{name + "@evil.test:" + port, 400}, // no host at all
	} {
		for _, target := range []string{"/v2/", "/auth?service=registry", "/v2/team/a/tags/list"} {
			got := s.send(t, raw{"GET", target, []string{"Host: " + tt.host}, ""}, token)
			if tt.want == 200 {
				if got.status == 421 {
					t.Errorf("Host %s, %s: 421", tt.host, target)
				}
				continue
			}
			if got.status != tt.want {
				t.Errorf("Host %s, %s: %d, want %d", tt.host, target, got.status, tt.want)
			}
			if strings.Contains(got.body, "evil") || strings.Contains(got.header.Get("Www-Authenticate"), "evil") {
				t.Errorf("Host %s, %s: repeated in %v %s", tt.host, target, got.header, got.body)
			}
		}
	}
}
