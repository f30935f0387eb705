package e2e

import (
	"strings"
	"testing"

	"github.com/regate/regate/e2e/client"
	"github.com/regate/regate/e2e/testbed"
)

// TestNoClientTrustsAStrangersCertificate shows that the other tests mean
// something: without the file of the authority every client refuses to talk,
// and with it the same command goes through.
func TestNoClientTrustsAStrangersCertificate(t *testing.T) {
	t.Parallel()
	s := startSite(t, modes[0], testbed.Registry2, startEngines(t))
	// First all without: a certs.d folder made for docker is read by others too.
	for _, name := range client.Names() {
		t.Run(name+" without the file", func(t *testing.T) {
			c := s.clientTrusting(t, name, "")
			_ = c.Login("dev", devPassword) // some only keep the credentials
			_, err := c.Push("team/"+name, version)
			if err == nil || !strings.Contains(err.Error(), "certificate signed by unknown authority") {
				t.Errorf("push = %v, want a certificate of unknown authority", err)
			}
		})
	}
	if strings.Contains(s.registry.Log(), "/v2/team/") {
		t.Error("a request for team/ reached the registry")
	}
	for _, name := range client.Names() {
		t.Run(name+" with it", func(t *testing.T) {
			c := s.client(t, name)
			if err := c.Login("dev", devPassword); err != nil {
				t.Fatal(err)
			}
			if _, err := c.Push("team/"+name, version); err != nil {
				t.Fatal(err)
			}
		})
	}
}
