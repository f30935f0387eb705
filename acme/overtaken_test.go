package acme

import (
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"
)

// A look at the files takes time, in which a reload may come: what it finds is of
// a configuration that is no more.
func TestReloadOvertakesALook(t *testing.T) {
	t.Parallel()
	ca := corp(t)
	was := fromFiles(pairsIn(t, t.TempDir(), ca.pair(t, "a.example.com")), "a.example.com")
	is := fromFiles(pairsIn(t, t.TempDir(), ca.pair(t, "b.example.com")), "b.example.com")
	f := newFiles(newShelf(), time.Hour, zap.NewNop())
	follow := func(cfg Config) {
		set, err := readFiles(cfg)
		if err != nil {
			t.Fatal(err)
		}
		f.follow(cfg, set)
	}
	follow(was)

	changed, slow := ca.pair(t, "a.example.com"), was.Files[0].Key
	writeFile(t, was.Files[0].Cert, changed.cert)
	if err := os.Remove(slow); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(slow, 0o600); err != nil {
		t.Fatal(err)
	}
	looked := make(chan error)
	go func() { looked <- f.refresh() }()
	pipe, err := os.OpenFile(slow, os.O_WRONLY, 0) // as soon as it is read
	if err != nil {
		t.Fatal(err)
	}
	follow(is)
	if _, err := pipe.Write(changed.key); err != nil {
		t.Fatal(err)
	}
	_ = pipe.Close()
	if err := <-looked; err != nil {
		t.Errorf("the look ended with %v", err)
	}
	if hosts := f.shelf.view.Load().hosts; !slices.Equal(hosts, is.Hosts) {
		t.Errorf("served are %q, want %q", hosts, is.Hosts)
	}
}
