//go:build redis

package gate

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/regate/regate/configs"
)

// TestFleetRotatesKeys: a gate that comes two days later makes the next key, and
// the one that has been there takes what is signed with it at once, and signs
// with it as well.
func TestFleetRotatesKeys(t *testing.T) {
	t.Parallel()
	f, c := newFleet(t), new(clock)
	one := startAt(t, f.config(), c)
	before := keyIDs(one)
	c.forward(48 * time.Hour)
	two := startAt(t, f.config(), c)
	after := keyIDs(two)
	if slices.Equal(before, after) {
		t.Fatalf("the keys are %q after two days, as before", after)
	}
	if got := one.pull(two.token("repository:a:pull")); got != http.StatusOK {
		t.Errorf("the first gate answers %d to a token of the second", got)
	}
	one.until("the first gate has the keys of the second", func() bool { return slices.Equal(keyIDs(one), keyIDs(two)) })
	if got := two.pull(one.token("repository:a:pull")); got != http.StatusOK {
		t.Errorf("the second gate answers %d to a token of the first", got)
	}
}

// TestFleetWithAnotherKey: a gate that cannot read what is there makes nothing
// in its place, and says which key it needs.
func TestFleetWithAnotherKey(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.start()
	write(t, f.key, strings.Repeat("f0", 32))
	err := Serve(t.Context(), Options{Path: f.config(), Log: os.Stderr})
	if err == nil || !strings.Contains(err.Error(), "it needs the key") {
		t.Errorf("Serve with another key = %v", err)
	}
}

// TestFleetWithTheExportedRoot follows docs/disaster.md for the worst case:
// Redis and every copy are gone, and there is an export of the token root.
func TestFleetWithTheExportedRoot(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	path := f.config()
	g := start(t, path)
	tok, root := g.token("repository:a:pull"), g.root()
	g.stop()
	g.ends()
	file, err := configs.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	exported, done, err := ReadRoot(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	cert, key, err := exported.Export()
	if err != nil {
		t.Fatal(err)
	}
	done()

	f.redis.Do(t, "FLUSHALL")
	path = changed(t, f.config(), "auth:\n", "auth:\n  token: {root: {cert: root.pem, key: root.key}}\n")
	for name, pem := range map[string][]byte{"root.pem": cert, "root.key": key} {
		file := filepath.Join(filepath.Dir(path), name)
		write(t, file, string(pem))
		changed(t, path, name, file)
	}
	g = start(t, path)
	if got := g.pull(tok); got != http.StatusOK || g.root() != root {
		t.Errorf("a token from before: %d, or another root", got)
	}
}

// TestFleetForgetsAStolenRoot follows the same page: there is another one, and
// tokens below the old one are good for nothing.
func TestFleetForgetsAStolenRoot(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	path := f.config()
	g := start(t, path)
	tok, root := g.token("repository:a:pull"), g.root()
	g.stop()
	g.ends()
	f.redis.Do(t, "DEL", "rg:{keys/token}:root")
	if err := os.RemoveAll(filepath.Join(filepath.Dir(path), "state", "copy")); err != nil {
		t.Fatal(err)
	}
	g = start(t, path)
	if got := g.pull(tok); got != http.StatusUnauthorized || g.root() == root {
		t.Errorf("a token below the stolen root: %d, or the same root", got)
	}
}

// TestFleetOfOneThatWasAlone follows docs/fleet.md: what a gate has made alone
// comes along.
func TestFleetOfOneThatWasAlone(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	path := config(t, f.other, "")
	g := start(t, path)
	tok, root, serial := g.token("repository:a:pull"), g.root(), g.serial()
	g.stop()
	g.ends()
	state := filepath.Join(filepath.Dir(path), "state")
	key, err := os.ReadFile(filepath.Join(state, "state.key"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, f.key, string(key))
	if err := os.Mkdir(filepath.Join(state, "copy"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(state, "regate.db"), filepath.Join(state, "copy", "regate.db")); err != nil {
		t.Fatal(err)
	}
	one, two := start(t, f.shared(path)), f.start()
	for i, g := range []*running{one, two} {
		if got := g.pull(tok); got != http.StatusOK || g.root() != root || g.serial() != serial {
			t.Errorf("gate %d: %d to a token from before, or another root or certificate", i, got)
		}
	}
}
