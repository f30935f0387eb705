package secret

import (
	"testing"
	"time"
)

// TestOutage: what was good here lately goes on, for a while, and nothing else.
func TestOutage(t *testing.T) {
	r := newRig(t)
	good, _ := r.make(t, "alice", "m")
	unseen, _ := r.make(t, "alice", "m")
	revoked, tok := r.make(t, "alice", "m")
	elsewhere, far := r.make(t, "alice", "m")
	r.verifies(t, good, nil)
	r.verifies(t, revoked, nil)
	r.verifies(t, elsewhere, nil)
	if err := r.Revoke(t.Context(), "alice", tok.ID); err != nil {
		t.Fatal(err)
	}
	if err := New(r.store, r.Now, nil).Revoke(t.Context(), "alice", far.ID); err != nil { // another gate
		t.Fatal(err)
	}
	r.verifies(t, elsewhere, ErrUnknown)

	r.store.deaf = true
	forged, _ := parse(good.Reveal())
	forged.secret[0] ^= 1
	r.verifies(t, good, nil)
	r.verifies(t, forged.text(), ErrUnknown)
	r.verifies(t, unseen, errDown)
	r.verifies(t, revoked, errDown)
	r.verifies(t, elsewhere, errDown)

	// It is not taken for good because it was, while nobody could tell.
	r.clock.now = r.clock.now.Add(trusted - 1)
	r.verifies(t, good, nil)
	r.clock.now = r.clock.now.Add(1)
	r.verifies(t, good, errDown)

	r.store.deaf = false
	r.verifies(t, good, nil)
	r.store.deaf = true
	r.clock.now = r.clock.now.Add(trusted / 2)
	r.verifies(t, good, nil)
}

// TestOutageIsNoLife: what expires meanwhile has expired.
func TestOutageIsNoLife(t *testing.T) {
	r := newRig(t)
	text, _, err := r.Create(t.Context(), Token{Kind: Personal, Owner: "alice", Method: "m", Expires: r.clock.now.Add(time.Minute)})
	if err != nil {
		t.Fatal(err)
	}
	r.verifies(t, text, nil)
	r.store.deaf = true
	r.clock.now = r.clock.now.Add(time.Minute)
	r.verifies(t, text, ErrExpired)
}

// TestOutageAfterRotation: what was said of a secret before it was replaced, when
// it was to last for longer, is not believed.
func TestOutageAfterRotation(t *testing.T) {
	r := newRig(t)
	text, _, err := r.Create(t.Context(), Token{Kind: Robot, Owner: "ci", Method: "m", Name: "deploy", Expires: r.clock.now.Add(24 * time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	r.verifies(t, text, nil)
	if _, err := r.Rotate(t.Context(), Rotation{Owner: "ci", Name: "deploy", Method: "m", Keep: time.Minute}); err != nil {
		t.Fatal(err)
	}
	r.store.deaf = true
	r.clock.now = r.clock.now.Add(time.Minute)
	r.verifies(t, text, errDown)
}
