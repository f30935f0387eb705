package acme

import (
	"slices"
	"strings"
	"testing"
)

func TestReloadChangesHosts(t *testing.T) {
	t.Parallel()
	m := startManager(t, internal("a.example.com", "b.example.com"), openStore(t))
	config, addr := m.TLSConfig(), serve(t, m)
	onB, err := dial(t, addr, trusting(m.CAPEM(), "b.example.com"))
	if err != nil {
		t.Fatal(err)
	}
	before := leaf(t, m, addr, "a.example.com")

	commit, err := m.Prepare(t.Context(), internal("a.example.com", "c.example.com"))
	if err != nil {
		t.Fatal(err)
	}
	leaf(t, m, addr, "b.example.com") // until commit, nothing has changed
	commit()
	waitAll(t, m)
	leaf(t, m, addr, "c.example.com")
	if leaf(t, m, addr, "a.example.com").SerialNumber.Cmp(before.SerialNumber) != 0 {
		t.Error("the host that stayed has another certificate")
	}
	if _, err := dial(t, addr, trusting(m.CAPEM(), "b.example.com")); err == nil {
		t.Error("the host that went is still served")
	}
	if err := ping(onB); err != nil {
		t.Errorf("connection to the host that went: %v", err)
	}
	if m.TLSConfig() != config {
		t.Error("the listener's configuration is another one")
	}
	eventually(t, "certmagic has forgotten b", func() bool {
		return len(m.managed.cache.AllMatchingCertificates("b.example.com")) == 0
	})

	commit, err = m.Prepare(t.Context(), internal("b.example.com"))
	if err != nil {
		t.Fatal(err)
	}
	commit()
	waitAll(t, m)
	leaf(t, m, addr, "b.example.com")
}

// P7: certmagic does not notice another issuer until a certificate is due.
func TestP07ReloadChangesCA(t *testing.T) {
	t.Parallel()
	m := startManager(t, internal("ca.example.com"), openStore(t))
	addr := serve(t, m)
	old := m.CAPEM()
	cfg := internal("ca.example.com")
	cfg.Internal.Name = "second CA"
	commit, err := m.Prepare(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	commit()
	both := slices.Concat(old, m.CAPEM())
	eventually(t, "a certificate of the new CA is served, and one of the old CA until then", func() bool {
		c, err := dial(t, addr, trusting(both, "ca.example.com"))
		if err != nil {
			t.Fatalf("handshake while the CA changes: %v", err)
		}
		chains := c.ConnectionState().VerifiedChains[0]
		return strings.HasPrefix(chains[len(chains)-1].Subject.CommonName, "second CA")
	})
	eventually(t, "certmagic has the new one alone", func() bool {
		certs := m.managed.cache.AllMatchingCertificates("ca.example.com")
		return len(certs) == 1 && strings.HasPrefix(certs[0].Leaf.Issuer.CommonName, "second CA")
	})
}

func TestReloadOfAnotherModeIsRefused(t *testing.T) {
	t.Parallel()
	m := newTestManager(t, internal("a.example.com"), openStore(t))
	for _, mode := range []string{ModeFiles, ModeProxied, ModeACME} {
		if _, err := m.Prepare(t.Context(), Config{Mode: mode, Hosts: []string{"a.example.com"}}); err == nil {
			t.Errorf("a reload to mode %s was taken", mode)
		}
	}
}
