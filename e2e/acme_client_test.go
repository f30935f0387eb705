package e2e

import (
	"testing"

	"github.com/regate/regate/e2e/testbed"
)

// TestACMEClients has clients trust nothing but the root of the CA, and work.
func TestACMEClients(t *testing.T) {
	t.Parallel()
	c := newCertified(t)
	p := c.withPebble(t, testbed.PebbleConfig{})
	c.configure(t, testbed.Host, issuer(p.Directory, p.TLS))
	c.start(t)
	c.engines.docker = testbed.StartDocker(t)
	c.registry = testbed.StartRegistry(t, testbed.RegistryConfig{Version: testbed.Registry3, Addr: c.registry.Addr})
	for _, name := range []string{"crane", "docker"} {
		t.Run(name, func(t *testing.T) {
			program := c.client(t, name)
			if err := program.Login("dev", devPassword); err != nil {
				t.Fatal(err)
			}
			digest, err := program.Push("team/"+name, version)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := program.Pull("team/" + name + ":" + version); err != nil || got != digest {
				t.Errorf("pull = %s, %v, want %s", got, err, digest)
			}
		})
	}
}
