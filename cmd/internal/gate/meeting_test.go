//go:build redis

package gate

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/regate/regate/configs"
)

// turnsDown returns what the gate says that does not start.
func turnsDown(t *testing.T, path string, want ...string) string {
	t.Helper()
	log, err := os.Create(path + ".log")
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	if err = Serve(t.Context(), Options{Path: path, Log: log}); err == nil {
		t.Fatal("the gate starts")
	}
	for _, w := range want {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%v: want %q in it", err, w)
		}
	}
	return err.Error()
}

// stateOf is the directory of the gate's state.
func stateOf(path string, more ...string) string {
	return filepath.Join(append([]string{filepath.Dir(path), "state"}, more...)...)
}

func moveAway(t *testing.T, dir string) {
	t.Helper()
	if err := os.Rename(dir, dir+".away"); err != nil {
		t.Fatal(err)
	}
}

// ended starts a gate, and ends it again.
func ended(t *testing.T, path string) *running {
	t.Helper()
	g := start(t, path)
	g.stop()
	g.ends()
	return g
}

// TestCopyWithAnotherKey: a gate that cannot open its copy makes nothing anew, be
// Redis empty or away, nor does a command; with the right key all is there again.
func TestCopyWithAnotherKey(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	path := f.config()
	g := ended(t, path)
	f.redis.Do(t, "FLUSHALL")
	write(t, f.key, strings.Repeat("f0", 32))

	want := []string{stateOf(path, "copy"), "it needs the key ", "and the one in use is ", "put the former key_file back", "move " + stateOf(path, "copy") + " away"}
	turnsDown(t, path, want...)
	file, err := configs.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, done, err := ReadRoot(t.Context(), file); err == nil {
		done()
		t.Error("a command makes another root")
	}
	f.redis.Kill()
	turnsDown(t, path, want...)
	f.redis.Start(t)
	if got := f.redis.Do(t, "DBSIZE"); got != "0" {
		t.Errorf("Redis has %s keys, want none", got)
	}

	write(t, f.key, strings.Repeat("0f", 32))
	again := start(t, path)
	if again.root() != g.root() || again.CAFingerprint != g.CAFingerprint || again.serial() == "" {
		t.Error("the root or the CA is another one")
	}
}

// TestCopyOfALostKey follows what the gate says, and docs/disaster.md.
func TestCopyOfALostKey(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	path := f.config()
	g := ended(t, path)
	f.redis.Do(t, "FLUSHALL")
	write(t, f.key, strings.Repeat("f0", 32))
	moveAway(t, stateOf(path, "copy"))
	if start(t, path).RootFingerprint == g.RootFingerprint {
		t.Error("the root is the one that nobody can open")
	}
}

// TestNewGateIsFirst at an empty Redis, and the others come with their copies:
// nobody changes sides without being told to, and there is a way to either.
func TestNewGateIsFirst(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		mend func(t *testing.T, f *fleet, old, other string)
		keep bool // what the old gates had
	}{
		{"back to the old", func(t *testing.T, f *fleet, _, other string) {
			moveAway(t, stateOf(other, "copy"))
			for _, key := range []string{"rg:{keys/token}:root", "rg:{tls/ca}:regate CA"} {
				if got := f.redis.Do(t, "UNLINK", key); got != "1" {
					t.Errorf("UNLINK %s: %s", key, got)
				}
			}
		}, true},
		{"on to the new", func(t *testing.T, _ *fleet, old, _ string) { moveAway(t, stateOf(old, "copy")) }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t)
			old, other := f.config(), f.config()
			was := ended(t, old)
			f.redis.Do(t, "FLUSHALL")
			is := ended(t, other)
			for range 2 { // nothing is written over
				turnsDown(t, old, was.RootFingerprint, is.RootFingerprint, was.CAFingerprint, is.CAFingerprint,
					"redis-cli unlink 'rg:{keys/token}:root' and redis-cli unlink 'rg:{tls/ca}:regate CA'", "move "+stateOf(old, "copy")+" away")
			}
			want := is
			if tt.keep {
				want = was
			}
			tt.mend(t, f, old, other)
			for name, g := range map[string]*running{"the old gate": start(t, old), "the new gate": start(t, other), "one more": f.start()} {
				if g.RootFingerprint != want.RootFingerprint || g.CAFingerprint != want.CAFingerprint {
					t.Errorf("%s has root %s and CA %s, want %s and %s", name, g.RootFingerprint, g.CAFingerprint, want.RootFingerprint, want.CAFingerprint)
				}
			}
		})
	}
}

// TestOnlyOneIsAnother: what is the same, or not of the gate's making, is not
// told of.
func TestOnlyOneIsAnother(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	path := f.config()
	ended(t, path)
	f.redis.Do(t, "DEL", "rg:{keys/token}:root")
	moveAway(t, stateOf(path, "copy"))
	ended(t, path) // with another root, and the same CA
	if err := os.RemoveAll(stateOf(path, "copy")); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(stateOf(path, "copy.away"), stateOf(path, "copy")); err != nil {
		t.Fatal(err)
	}
	if said := turnsDown(t, path, "token root"); strings.Contains(said, "tls/ca") {
		t.Errorf("the CA is told of: %s", said)
	}
}

// TestForgottenMove: a gate that was alone does not begin a fleet without what it
// had. What is done late is done.
func TestForgottenMove(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	path := config(t, f.other, "")
	g := ended(t, path)
	path = f.shared(path)
	db := stateOf(path, "regate.db")
	for range 2 {
		turnsDown(t, path, "mv "+db+" "+stateOf(path, "copy")+"/", "docs/fleet.md")
	}
	key, err := os.ReadFile(stateOf(path, "state.key"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(db, stateOf(path, "copy", "regate.db")); err != nil {
		t.Fatal(err)
	}
	turnsDown(t, path, "it needs the key ", stateOf(path, "state.key")) // it still has the one of the fleet
	write(t, f.key, string(key))
	if again := start(t, path); again.root() != g.root() || again.CAFingerprint != g.CAFingerprint {
		t.Error("the root or the CA is another one")
	}
}

// TestJoinsAFleet: what a gate had alone is told of, and no reason not to join.
func TestJoinsAFleet(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	one := f.start()
	path := config(t, f.other, "")
	ended(t, path)
	two := start(t, f.shared(path))
	if two.RootFingerprint != one.RootFingerprint || !two.logged("the state of a gate that was alone is not used") {
		t.Error("it has another root, or says nothing")
	}
}

// TestMovesTooLate: the move is done once the fleet has roots of its own.
func TestMovesTooLate(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	path := config(t, f.other, "")
	g := ended(t, path)
	key, err := os.ReadFile(stateOf(path, "state.key"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, f.key, string(key))
	one := f.start()
	err = errors.Join(os.Mkdir(stateOf(path, "copy"), 0o700), os.Rename(stateOf(path, "regate.db"), stateOf(path, "copy", "regate.db")))
	if err != nil {
		t.Fatal(err)
	}
	turnsDown(t, f.shared(path), g.RootFingerprint, one.RootFingerprint)
}

// TestRootChangesUnderAFleet: gates that run see that one has come with another
// token root.
func TestRootChangesUnderAFleet(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	one := f.start()
	f.redis.Do(t, "DEL", "rg:{keys/token}:root")
	two := f.start()
	if one.RootFingerprint == two.RootFingerprint {
		t.Fatal("it has the same root")
	}
	two.until("the metric", func() bool {
		_, text, _ := two.get("admin", "/metrics")
		return strings.Contains(text, `regate_fleet_gates_differing{what="token_root"} 1`)
	})
	if !two.logged("another gate has another token root") {
		t.Error("nothing is said")
	}
	status, text, _ := two.get("admin", "/readyz?verbose")
	for _, w := range []string{"ready\n", "fleet: not one", one.RootFingerprint, two.RootFingerprint} {
		if status != http.StatusOK || !strings.Contains(text, w) {
			t.Errorf("ready: %d %s, want %q", status, text, w)
		}
	}
}
