package authsvc

import (
	"testing"
	"time"

	"github.com/regate/regate/authsvc/token"
	"github.com/regate/regate/internal/oci"
	"github.com/regate/regate/internal/state"
)

// TestExpiredTokenAtTheDoor opens for what a request may be late with, for what
// the token grants, and for nobody who is revoked.
func TestExpiredTokenAtTheDoor(t *testing.T) {
	r := newRig(t)
	past := func() time.Time { return time.Now().Add(-time.Hour) }
	expired, err := token.NewIssuer(rigTokens, token.Parts{Keys: r.ring, Now: past}).Issue(token.Claims{Subject: "dev", Scope: needs("repository:web/shop:pull,push")})
	if err != nil {
		t.Fatal(err)
	}
	enter := func(grace time.Duration, scope string) string {
		shown := oci.Shown{Authorization: oci.NewSecret("Bearer " + expired.Text), Grace: grace}
		_, err := r.door.Authorize(t.Context(), shown, needs(scope))
		return refused(err)
	}
	for _, tt := range []struct {
		grace       time.Duration
		scope, want string
	}{
		{0, "repository:web/shop:pull,push", "invalid_token: token has expired"},
		{time.Minute, "repository:web/shop:pull,push", "invalid_token: token has expired"},
		{time.Hour, "repository:web/shop:pull,push", "no refusal: <nil>"},
		{time.Hour, "repository:web/shop:delete", "insufficient_scope: dev may not delete in web/shop"},
		{time.Hour, "repository:web/other:pull,push", "insufficient_scope: dev may not push to web/other"},
	} {
		if got := enter(tt.grace, tt.scope); got != tt.want {
			t.Errorf("grace %v, %s: %s, want %s", tt.grace, tt.scope, got, tt.want)
		}
	}
	if _, err := r.store.Put(t.Context(), "revoked/subject/dev", []byte("9999999999"), state.PutOpts{}); err != nil {
		t.Fatal(err)
	}
	r.reopen(t)
	if got, want := enter(time.Hour, "repository:web/shop:pull,push"), "invalid_token: token was revoked"; got != want {
		t.Errorf("revoked: %s, want %s", got, want)
	}
}
