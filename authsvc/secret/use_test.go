package secret

import (
	"testing"
	"time"
)

// used lets Run note what waits, and returns when the token was used last.
func (r *rig) lastUse(t *testing.T, owner string) time.Time {
	t.Helper()
	for len(r.used) > 0 {
		r.noteNow(t.Context(), <-r.used)
	}
	all, err := r.List(t.Context(), owner)
	if err != nil || len(all) != 1 {
		t.Fatalf("List() = %v, %v", all, err)
	}
	return all[0].Used
}

func TestUseIsNotedOncePerHour(t *testing.T) {
	r := newRig(t)
	text, _ := r.make(t, "alice", "m")
	if got := r.lastUse(t, "alice"); !got.IsZero() {
		t.Errorf("used %v before it was", got)
	}
	begin := r.clock.now
	for _, step := range []struct {
		after time.Duration
		want  time.Duration // after begin
	}{
		{0, 0},
		{time.Minute, 0},
		{58 * time.Minute, 0},
		{time.Minute, time.Hour},
		{time.Minute, time.Hour},
		{3 * time.Hour, 4*time.Hour + time.Minute},
	} {
		r.clock.now = r.clock.now.Add(step.after)
		for range 3 {
			r.verifies(t, text, nil)
		}
		if waiting := len(r.used); waiting > 1 {
			t.Errorf("%d notes wait of one token", waiting)
		}
		if got := r.lastUse(t, "alice").Sub(begin); got != step.want {
			t.Errorf("at %v: used at %v, want %v", r.clock.now.Sub(begin), got, step.want)
		}
	}
}

// TestUseRevivesNothing: what was revoked between its use and the note of it
// stays revoked.
func TestUseRevivesNothing(t *testing.T) {
	r := newRig(t)
	text, tok := r.make(t, "alice", "m")
	r.verifies(t, text, nil)
	if err := r.Revoke(t.Context(), "alice", tok.ID); err != nil {
		t.Fatal(err)
	}
	for len(r.used) > 0 {
		r.noteNow(t.Context(), <-r.used)
	}
	r.verifies(t, text, ErrUnknown)
	if keys := append(r.left(t, area), r.left(t, owners)...); keys != nil {
		t.Errorf("%q is there again", keys)
	}
}

// TestUseIsNoWayPastRevoke: the token goes between the two steps of the note.
func TestUseIsNoWayPastRevoke(t *testing.T) {
	r := newRig(t)
	text, tok := r.make(t, "alice", "m")
	r.verifies(t, text, nil)
	r.store.read = func() {
		if err := r.Revoke(t.Context(), "alice", tok.ID); err != nil {
			t.Error(err)
		}
	}
	r.noteNow(t.Context(), <-r.used)
	r.verifies(t, text, ErrUnknown)
	if keys := append(r.left(t, area), r.left(t, owners)...); keys != nil {
		t.Errorf("%q is there again", keys)
	}
}

func TestUsePutsTheIndexBack(t *testing.T) {
	r := newRig(t)
	text, tok := r.make(t, "alice", "m")
	if err := r.store.Delete(t.Context(), index("alice", tok.ID), 0); err != nil {
		t.Fatal(err)
	}
	r.verifies(t, text, nil)
	if got := r.lastUse(t, "alice"); !got.Equal(r.clock.now) {
		t.Errorf("used %v, want %v", got, r.clock.now)
	}
}

// TestLoginsDoNotWait: nobody takes the notes, and logins go on.
func TestLoginsDoNotWait(t *testing.T) {
	r := newRig(t)
	for range usesAtOnce/Most + 1 {
		for range Most {
			text, _ := r.make(t, r.clock.now.String(), "m")
			r.verifies(t, text, nil)
		}
		r.clock.now = r.clock.now.Add(time.Second)
	}
	if len(r.used) != usesAtOnce {
		t.Errorf("%d notes wait, want %d", len(r.used), usesAtOnce)
	}
}

func TestRunEnds(t *testing.T) {
	r := newRig(t)
	text, _ := r.make(t, "alice", "m")
	ended := make(chan struct{})
	go func() { r.Run(t.Context()); close(ended) }()
	r.verifies(t, text, nil)
	for begin := time.Now(); time.Since(begin) < 20*time.Second; time.Sleep(time.Millisecond) {
		if all, err := r.List(t.Context(), "alice"); err == nil && len(all) == 1 && !all[0].Used.IsZero() {
			break
		}
	}
	if r.lastUse(t, "alice").IsZero() {
		t.Error("the use was not noted")
	}
	t.Cleanup(func() { <-ended }) // t.Context ends before
}
