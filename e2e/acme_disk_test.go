package e2e

import (
	"testing"

	"github.com/regate/regate/e2e/testbed"
)

// TestACMEFullDisk has a gate with its state on a disk that is full, and no
// certificate yet. It runs and says what is wrong, and asks the CA for nothing
// that it could not keep; once there is room, a reload is enough. With a
// certificate it does not matter how full the disk is.
func TestACMEFullDisk(t *testing.T) {
	t.Parallel()
	c := newCertified(t)
	disk := testbed.NewDisk(t, c.gate.StatePath(), 4<<20)
	c.gate.TLS = "{hosts: [other.test], mode: internal}" // the CA of one for the same host would stand in
	c.gate.Configure(t, c.rest)                          // a gate that is its own CA makes the state
	c.gate.Launch(t)
	c.gate.Stop(t)
	p := c.withPebble(t, testbed.PebbleConfig{})
	c.configure(t, testbed.Host, issuer(p.Directory, p.TLS))

	disk.Fill(t)
	c.gate.Launch(t)
	within(t, testbed.Patience, "the reason", func() error { return c.pending(t, "state") })
	c.tells(t, "state")
	if orders, accounts := p.Orders(), p.Accounts(); orders+accounts > 0 {
		t.Errorf("%d orders and %d accounts that nobody could keep", orders, accounts)
	}

	disk.Clear(t)
	c.reconfigure(t, testbed.Host, issuer(p.Directory, p.TLS))
	first := c.certificate(t, testbed.Host).SerialNumber.String()
	c.gate.Stop(t)
	disk.Fill(t)
	c.start(t)
	if c.serial(t, testbed.Host) != first || p.Orders() != 1 {
		t.Errorf("%d orders after a start with a full disk, want the one from before", p.Orders())
	}
}
