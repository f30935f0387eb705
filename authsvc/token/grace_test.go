package token

import (
	"errors"
	"testing"
	"time"

	"github.com/regate/regate/internal/oci"
)

// Each test shows one token, which has ended some time ago. A request with
// grace must not make it any better for the next one, which has none.
func TestExpiredTokenWithinItsGrace(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name         string
		after, grace time.Duration
		want         bool
	}{
		{"before its end, no grace", -time.Minute, 0, true},
		{"in the leeway", leeway - time.Second, 0, true},
		{"no grace", leeway + time.Second, 0, false},
		{"negative grace", leeway - time.Second, -time.Hour, true},
		{"within", time.Hour, time.Hour, true},
		{"just within", time.Hour + leeway - time.Second, time.Hour, true},
		{"over", time.Hour + leeway + time.Second, time.Hour, false},
		{"longest", maxGrace, maxGrace, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			s := b.issue(t, Claims{Subject: "alice", Scope: oci.NewScope(oci.CatalogAccess())})
			b.clock.move(15*time.Minute + tt.after)
			for _, how := range []string{"cold", "cached"} {
				g, err := b.verifier.VerifyLate(s.Text, tt.grace)
				if (err == nil) != tt.want {
					t.Fatalf("%s: VerifyLate = %v, want success %v", how, err, tt.want)
				}
				if err == nil && (!g.Expires.Equal(s.Expires) || g.Subject != "alice" || g.Expired(b.clock.Now()) != (tt.after > 0)) {
					t.Errorf("%s: grant %v, expired %v", how, g, g.Expired(b.clock.Now()))
				}
				var r *oci.Refusal
				if err != nil && (!errors.As(err, &r) || r.Reason != oci.InvalidToken || r.Msg != "token has expired") {
					t.Errorf("%s: VerifyLate = %#v", how, err)
				}
				if _, err := b.verifier.Verify(s.Text); (err == nil) != (tt.after < leeway) {
					t.Errorf("%s: Verify = %v", how, err)
				}
			}
		})
	}
}

// TestGraceEndsWithARevocation, be it of the token, its family or its account, and
// however long ago that was.
func TestGraceEndsWithARevocation(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		after time.Duration // the end of the token
		kind  string
	}{
		{"account, just expired", time.Minute, kindSubject},
		{"token, just expired", time.Minute, kindToken},
		{"account, at the end of the grace", maxGrace, kindSubject},
		{"token, at the end of the grace", maxGrace, kindToken},
		{"family, just expired", time.Minute, kindFamily},
		{"family, at the end of the grace", maxGrace, kindFamily},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			s := b.issue(t, Claims{Subject: "alice", Family: "f"})
			id := map[string]string{kindSubject: "alice", kindToken: s.ID, kindFamily: "f"}[tt.kind]
			revoke(t, b.store, tt.kind, id, seconds(b.clock.Now()))
			if _, err := b.parts.Revoked.load(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := b.store.Delete(t.Context(), revokedArea+tt.kind+"/"+id, 0); err != nil { // its time is over, there
				t.Fatal(err)
			}
			b.clock.move(15*time.Minute + tt.after)
			if _, err := b.parts.Revoked.load(t.Context()); err != nil {
				t.Fatal(err)
			}
			_, err := b.verifier.VerifyLate(s.Text, maxGrace)
			var r *oci.Refusal
			if !errors.As(err, &r) || r.Msg != "token was revoked" {
				t.Errorf("VerifyLate = %v", err)
			}
		})
	}
}
