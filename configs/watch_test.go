package configs

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/zap"
)

// The ways in which files change: before makes what is followed, change changes it.
var changeTests = []struct {
	name   string
	silent bool // there is no sign of it where the Watcher listens
	before func(t *testing.T, dir string) (path string)
	change func(t *testing.T, dir, path string)
}{
	{"written in place", false, plainFile, func(t *testing.T, _, path string) { write(t, path, "new") }},
	{"renamed over", false, plainFile, func(t *testing.T, dir, path string) {
		write(t, filepath.Join(dir, ".swp"), "new")
		must(t, os.Rename(filepath.Join(dir, ".swp"), path))
	}},
	{"removed", false, plainFile, func(t *testing.T, _, path string) { must(t, os.Remove(path)) }},
	{"made", false, func(_ *testing.T, dir string) string { return filepath.Join(dir, "later") },
		func(t *testing.T, _, path string) { write(t, path, "new") }},
	{"made in a directory that is made", true, func(_ *testing.T, dir string) string { return filepath.Join(dir, "sub", "later") },
		func(t *testing.T, dir, path string) {
			must(t, os.Mkdir(filepath.Join(dir, "sub"), 0o700))
			write(t, path, "new")
		}},
	{"..data turned", false, kubernetesVolume, func(t *testing.T, dir, _ string) {
		must(t, os.Mkdir(filepath.Join(dir, "..2"), 0o700))
		write(t, filepath.Join(dir, "..2", "f"), "new")
		must(t, os.Symlink("..2", filepath.Join(dir, "..data_tmp")))
		must(t, os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")))
		must(t, os.RemoveAll(filepath.Join(dir, "..1")))
	}},
	{"written behind a link", true, linkElsewhere, func(t *testing.T, _, path string) { write(t, path, "new") }},
}

// linkElsewhere makes a link to a file in another directory.
func linkElsewhere(t *testing.T, dir string) string {
	path := filepath.Join(dir, "link")
	must(t, os.Symlink(plainFile(t, t.TempDir()), path))
	return path
}

func plainFile(t *testing.T, dir string) string {
	path := filepath.Join(dir, "f")
	write(t, path, "old")
	return path
}

// kubernetesVolume lays a file out as kubelet does: f -> ..data/f, ..data -> ..1.
func kubernetesVolume(t *testing.T, dir string) string {
	must(t, os.Mkdir(filepath.Join(dir, "..1"), 0o700))
	write(t, filepath.Join(dir, "..1", "f"), "old")
	must(t, os.Symlink("..1", filepath.Join(dir, "..data")))
	must(t, os.Symlink("..data/f", filepath.Join(dir, "f")))
	return filepath.Join(dir, "f")
}

func write(t *testing.T, path, text string) {
	t.Helper()
	must(t, os.WriteFile(path, []byte(text), 0o600))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestWatcherFindsChanges(t *testing.T) {
	ways := map[string]func(w *Watcher){
		"by signs":   func(w *Watcher) { w.poll = time.Hour },
		"by polling": func(w *Watcher) { w.poll = 5 * time.Millisecond },
	}
	for way, set := range ways {
		for _, tt := range changeTests {
			if way == "by signs" && tt.silent {
				continue
			}
			t.Run(way+"/"+tt.name, func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				path := tt.before(t, dir)
				w := NewWatcher(nil)
				w.settle = time.Millisecond
				set(w)
				w.Follow(snapshot([]string{path}))
				changes := run(t, w)
				tt.change(t, dir, path)
				next(t, changes)
			})
		}
	}
}

// run starts w; it ends with the test.
func run(t *testing.T, w *Watcher) (changes <-chan struct{}) {
	ctx, cancel := context.WithCancel(t.Context())
	told, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		w.Run(ctx, func() {
			select {
			case told <- struct{}{}:
			case <-ctx.Done():
			}
		})
	}()
	t.Cleanup(func() { cancel(); <-done })
	return told
}

func next(t *testing.T, changes <-chan struct{}) {
	t.Helper()
	select {
	case <-changes:
	case <-time.After(10 * time.Second):
		t.Fatal("the change was not told")
	}
}

// What is written between Load and Follow, or before Run, is a change.
func TestWatcherFindsChangesBeforeRun(t *testing.T) {
	path := plainFile(t, t.TempDir())
	old := snapshot([]string{path})
	write(t, path, "new")
	w := NewWatcher(zap.NewNop())
	w.poll, w.settle = time.Hour, time.Millisecond
	w.Follow(nil)
	w.Follow(old)
	next(t, run(t, w))
}

// After a reload other files may be followed, and the old ones no more.
func TestWatcherFollowsOthers(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	a, b := plainFile(t, dir), plainFile(t, other)
	w := NewWatcher(nil)
	w.poll, w.settle = time.Hour, time.Millisecond
	w.Follow(snapshot([]string{a}))
	changes := run(t, w)
	write(t, a, "new")
	next(t, changes)
	w.Follow(snapshot([]string{b}))
	write(t, b, "new")
	next(t, changes)
}

func TestTracker(t *testing.T) {
	dir := t.TempDir()
	path := plainFile(t, dir)
	files := tracker{seen: snapshot([]string{path, filepath.Join(dir, "absent")})}
	steps := []struct {
		name string
		do   func()
		want verdict
	}{
		{"nothing", func() {}, same},
		{"touch", func() { must(t, os.Chtimes(path, time.Unix(1, 0), time.Unix(1, 0))) }, same},
		{"same text again", func() { write(t, path, "old") }, same},
		{"half a text", func() { write(t, path, "ne") }, unsettled},
		{"the other half", func() { write(t, path, "new") }, unsettled},
		{"nothing more", func() {}, different},
		{"told once", func() {}, same},
		{"for a moment", func() { write(t, path, "x") }, unsettled},
		{"and back", func() { write(t, path, "new") }, same},
		{"a file that is a directory", func() { must(t, os.Mkdir(filepath.Join(dir, "absent"), 0o700)) }, same},
	}
	for _, s := range steps {
		s.do()
		if got := files.look(); got != s.want {
			t.Errorf("%s: look() = %d, want %d", s.name, got, s.want)
		}
	}
}

func TestFind(t *testing.T) {
	dir := t.TempDir()
	none, there := filepath.Join(dir, "none"), plainFile(t, dir)
	if got, err := find(none, there); got != there || err != nil {
		t.Errorf("find() = %q, %v; want %q", got, err, there)
	}
	if _, err := find("/none/a", "/none/b"); err == nil || err.Error() != "there is no configuration at /none/a or /none/b; name one with -c FILE" {
		t.Errorf("find() = %v", err)
	}
}
