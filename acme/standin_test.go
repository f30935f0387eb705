package acme

import (
	"testing"

	"github.com/regate/regate/acme/acmestub"
)

// A host whose CA was changed keeps the certificate that it has over a restart,
// until the new CA has issued one.
func TestRestartUnderAnotherCAKeepsTheCertificate(t *testing.T) {
	t.Parallel()
	former, next, store := acmestub.New(t), acmestub.New(t), openStore(t)
	cfg := online(t, []*acmestub.Server{former}, "moved.example.com")
	first := obtain(t, cfg, store, former)
	had := first.serial("moved.example.com")
	first.Close()

	next.Fail("new-order", 99, acmestub.Problem{Status: 500, Type: "serverInternal", Detail: "out of paper"})
	cfg = online(t, []*acmestub.Server{next}, "moved.example.com", "other.example.com")
	second := enter(t, cfg, store, next)
	second.Start(t.Context())
	eventually(t, "the new CA has failed for both", func() bool {
		s := second.Certificates()
		return s[0].Trouble.Failed() && s[1].Trouble.Failed()
	})
	if got := second.serial("moved.example.com"); got != had {
		t.Errorf("after the restart: serial %s, want %s", got, had)
	}
	if s := second.Certificates(); s[0].Pending || !s[1].Pending {
		t.Errorf("statuses are %+v; want a stand-in for the first host alone", s)
	}

	next.Heal()
	second.Retry()
	waitAll(t, second.Manager)
	eventually(t, "the new CA's certificate is served", func() bool { return second.serial("moved.example.com") != had })
}
