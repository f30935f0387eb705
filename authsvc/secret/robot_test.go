package secret

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/internal/state"
)

var deploys = []authn.Bound{{Repository: "team/**", Actions: []string{"pull", "push"}}}

// robot makes a robot deploy of team-ci that is good for 90 days.
func (r *rig) robot(t testing.TB) (authn.Secret, Token) {
	t.Helper()
	text, tok, err := r.Create(t.Context(), Token{
		Kind: Robot, Owner: "team-ci", Method: "users", Name: "deploy", Within: deploys, Expires: r.clock.now.Add(90 * day),
	})
	if err != nil {
		t.Fatal(err)
	}
	return text, tok
}

func (r *rig) rotate(t testing.TB, keep time.Duration) Rotated {
	t.Helper()
	done, err := r.Rotate(t.Context(), Rotation{Owner: "team-ci", Name: "deploy", Method: "users", Keep: keep})
	if err != nil {
		t.Fatal(err)
	}
	return done
}

// TestRotate: the new secret is like the one before it, which goes on for a
// while. No third one comes before that is over.
func TestRotate(t *testing.T) {
	r := newRig(t)
	first, old := r.robot(t)
	r.clock.now = r.clock.now.Add(80 * day)
	done := r.rotate(t, 24*time.Hour)
	n := done.New
	if n.Kind != Robot || n.Name != "deploy" || n.Owner != "team-ci" || n.Method != "users" || n.Replaced ||
		!slices.EqualFunc(n.Within, deploys, sameBound) || !n.Expires.Equal(r.clock.now.Add(90*day)) {
		t.Errorf("the new secret is %+v", n)
	}
	if len(done.Ended) != 0 || len(done.Kept) != 1 || done.Kept[0].ID != old.ID || !done.Kept[0].Expires.Equal(r.clock.now.Add(24*time.Hour)) || !done.Kept[0].Replaced {
		t.Errorf("Rotate() = %+v", done)
	}
	r.verifies(t, first, nil)
	r.verifies(t, done.Text, nil)
	if _, err := r.Rotate(t.Context(), Rotation{Owner: "team-ci", Name: "deploy", Method: "users", Keep: time.Hour}); !errors.Is(err, ErrTooMany) {
		t.Errorf("a third secret: %v", err)
	}
	r.clock.now = r.clock.now.Add(24 * time.Hour)
	r.verifies(t, first, ErrExpired)
	r.verifies(t, done.Text, nil)
	r.rotate(t, time.Hour)
}

func sameBound(a, b authn.Bound) bool {
	return a.Repository == b.Repository && slices.Equal(a.Actions, b.Actions)
}

// TestRotateAtOnce: nothing is kept, whatever there was.
func TestRotateAtOnce(t *testing.T) {
	r := newRig(t)
	first, _ := r.robot(t)
	second := r.rotate(t, time.Hour).Text
	done := r.rotate(t, 0)
	if end := r.clock.now.Add(90 * day); !done.New.Expires.Equal(end) { // and not as that one which was kept for an hour
		t.Errorf("the third ends at %v, want %v", done.New.Expires, end)
	}
	if len(done.Ended) != 2 || len(done.Kept) != 0 {
		t.Errorf("Rotate() = %+v", done)
	}
	r.verifies(t, first, ErrUnknown)
	r.verifies(t, second, ErrUnknown)
	r.verifies(t, done.Text, nil)
	if keys := r.left(t, area); len(keys) != 1 {
		t.Errorf("%q are left", keys)
	}
}

// TestRotateKeepsNothingLonger: a secret that would end sooner than it is kept
// ends when it would, and one that was for ever gets an end.
func TestRotateKeepsNothingLonger(t *testing.T) {
	r := newRig(t)
	_, tok := r.robot(t)
	r.clock.now = tok.Expires.Add(-time.Hour)
	if got := r.rotate(t, 24*time.Hour).Kept[0].Expires; !got.Equal(tok.Expires) {
		t.Errorf("a secret that ends in an hour is kept until %v", got)
	}
	_, endless, err := r.Create(t.Context(), Token{Kind: Robot, Owner: "team-ci", Name: "other"})
	if err != nil {
		t.Fatal(err)
	}
	done, err := r.Rotate(t.Context(), Rotation{Owner: "team-ci", Name: "other", Keep: time.Hour})
	if err != nil || done.Kept[0].ID != endless.ID || !done.Kept[0].Expires.Equal(r.clock.now.Add(time.Hour)) || !done.New.Expires.IsZero() {
		t.Errorf("Rotate() = %+v, %v", done, err)
	}
	if life := r.store.lives[area+endless.ID]; life != time.Hour+remembered {
		t.Errorf("the state keeps what ends in an hour for %v", life)
	}
}

// TestRotateRevives a robot whose last secret has expired: nobody wants to make
// its bounds again for that.
func TestRotateRevives(t *testing.T) {
	r := newRig(t)
	_, tok := r.robot(t)
	r.clock.now = tok.Expires.Add(time.Hour)
	end := r.clock.now.Add(day)
	done, err := r.Rotate(t.Context(), Rotation{Owner: "team-ci", Name: "deploy", Keep: time.Hour, Expires: &end})
	if err != nil || len(done.Kept)+len(done.Ended) != 0 || !done.New.Expires.Equal(end) || len(done.New.Within) != 1 {
		t.Errorf("Rotate() = %+v, %v", done, err)
	}
}

func TestNoRobot(t *testing.T) {
	r := newRig(t)
	r.robot(t)
	r.make(t, "team-ci", "users") // laptop
	for _, rot := range []Rotation{{Owner: "team-ci", Name: "laptop"}, {Owner: "other", Name: "deploy"}, {Owner: "team-ci", Name: ""}} {
		if _, err := r.Rotate(t.Context(), rot); !errors.Is(err, ErrNoRobot) {
			t.Errorf("Rotate(%+v) = %v", rot, err)
		}
	}
}

func TestOneRobotOfAName(t *testing.T) {
	r := newRig(t)
	_, tok := r.robot(t)
	again := Token{Kind: Robot, Owner: "team-ci", Name: "deploy"}
	if _, _, err := r.Create(t.Context(), again); !errors.Is(err, ErrExists) {
		t.Errorf("a second robot of the name: %v", err)
	}
	again.Owner = "other-ci"
	if _, _, err := r.Create(t.Context(), again); err != nil {
		t.Errorf("another's robot: %v", err)
	}
	r.clock.now = tok.Expires
	again.Owner = "team-ci"
	if _, _, err := r.Create(t.Context(), again); err != nil {
		t.Errorf("after the first has expired: %v", err)
	}
}

func TestNamesOfTokens(t *testing.T) {
	for name, good := range map[string]bool{
		"laptop": true, "alice's old laptop": true, "Küche 2": true, strings.Repeat("ä", 64): true,
		"": false, strings.Repeat("ä", 65): false, "a\nb": false, "\xff": false, "a\u202eb": false, "\x1b[2J": false,
	} {
		err := CheckName(Personal, name)
		if (err == nil) != good || err != nil && strings.ContainsAny(err.Error(), "\n\x1b\u202e") {
			t.Errorf("CheckName(%q) = %q", name, err)
		}
	}
}

func TestNamesOfRobots(t *testing.T) {
	for name, good := range map[string]bool{
		"deploy": true, "ci-2_b.x": true, "R": true, "0": true, strings.Repeat("a", 64): true,
		"": false, "-x": false, ".x": false, "robot$x": false, "a b": false, "a/b": false, "ä": false, "a\n": false, strings.Repeat("a", 65): false,
	} {
		if err := CheckName(Robot, name); (err == nil) != good || err != nil && !errors.Is(err, ErrName) {
			t.Errorf("CheckName(%q) = %v", name, err)
		}
		r := newRig(t)
		if _, _, err := r.Create(t.Context(), Token{Kind: Robot, Owner: "team-ci", Name: name}); (err == nil) != good {
			t.Errorf("Create(%q) = %v", name, err)
		}
	}
}

// TestNoThirdSecretInARace: two of those who rotate at once come too late.
func TestNoThirdSecretInARace(t *testing.T) {
	r := newRig(t)
	r.robot(t)
	var wg sync.WaitGroup
	made := make(chan struct{}, 8)
	for range cap(made) {
		wg.Go(func() {
			if _, err := r.Rotate(t.Context(), Rotation{Owner: "team-ci", Name: "deploy", Keep: time.Hour}); err == nil {
				made <- struct{}{}
			} else if !errors.Is(err, ErrTooMany) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	all, err := r.Robot(t.Context(), "team-ci", "deploy")
	if err != nil || len(all) != 2 || len(made) != 1 {
		t.Errorf("%d secrets, of which %d are new: %v", len(all), len(made), err)
	}
}

// TestRotationThatFailsChangesNothing: the old secret is as it was, and the text
// of the new one was given to nobody.
func TestRotationThatFailsChangesNothing(t *testing.T) {
	for _, keep := range []time.Duration{0, time.Hour} {
		r := newRig(t)
		first, tok := r.robot(t)
		r.store.writes = 2 // the new secret
		if done, err := r.Rotate(t.Context(), Rotation{Owner: "team-ci", Name: "deploy", Keep: keep}); !errors.Is(err, errDown) || done.Text != "" {
			t.Errorf("Rotate() = %+v, %v", done, err)
		}
		r.store.writes = -1
		r.verifies(t, first, nil)
		if got, err := r.Get(t.Context(), tok.ID); err != nil || got.Replaced || !got.Expires.Equal(tok.Expires) {
			t.Errorf("the secret is %+v, %v", got, err)
		}
	}
}

// TestRotateWhileItIsUsed: a note of the use of a secret does not undo its end,
// nor does it keep it from ending.
func TestRotateWhileItIsUsed(t *testing.T) {
	r := newRig(t)
	first, tok := r.robot(t)
	r.verifies(t, first, nil)
	stamp := <-r.used
	r.store.read = func() { r.store.read = func() { r.store.read = func() { r.noteNow(t.Context(), stamp) } } }
	done := r.rotate(t, time.Hour)
	got, err := r.Get(t.Context(), tok.ID)
	if err != nil || !got.Expires.Equal(done.Kept[0].Expires) || !got.Replaced {
		t.Errorf("after the note, %+v, %v", got, err)
	}
}

func TestBoundsAreChecked(t *testing.T) {
	r := newRig(t)
	for _, kind := range []string{Personal, Robot} {
		_, _, err := r.Create(t.Context(), Token{Kind: kind, Owner: "alice", Name: "n", Within: []authn.Bound{{Repository: "Team/*", Actions: []string{"admin"}}}})
		if err == nil || !strings.Contains(err.Error(), "Team/*") || !strings.Contains(err.Error(), "admin") {
			t.Errorf("Create() of a %s = %v", kind, err)
		}
	}
	if keys := append(r.left(t, area), r.left(t, owners)...); keys != nil {
		t.Errorf("%q is left", keys)
	}
}

func TestGet(t *testing.T) {
	r := newRig(t)
	_, tok := r.robot(t)
	if got, err := r.Get(t.Context(), tok.ID); err != nil || got.Name != "deploy" {
		t.Errorf("Get() = %+v, %v", got, err)
	}
	for _, id := range []string{"", "x", "../../keys/token", strings.Repeat("0", idDigits), tok.ID + "0"} {
		if got, err := r.Get(t.Context(), id); !errors.Is(err, ErrUnknown) {
			t.Errorf("Get(%q) = %+v, %v", id, got, err)
		}
	}
}

// TestAll: one record that cannot be read hides no other.
func TestAll(t *testing.T) {
	r := newRig(t)
	want := map[string]bool{"broken": false}
	for _, owner := range oddOwners {
		_, tok := r.make(t, owner, "m")
		want[tok.ID] = true
	}
	if _, err := r.Store().Put(t.Context(), area+"broken", []byte("{"), state.PutOpts{}); err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for tok, err := range r.All(t.Context()) {
		got[tok.ID] = err == nil
	}
	if len(got) != len(want) {
		t.Errorf("All() = %v, want %v", got, want)
	}
	for id, readable := range want {
		if is, there := got[id]; !there || is != readable {
			t.Errorf("%s: %v, %v", id, there, is)
		}
	}
}
