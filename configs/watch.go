package configs

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/fsnotify/fsnotify"
	"go.uber.org/zap"
)

// A Watcher tells when the contents of files have changed. It compares what
// they hold, so that a touched file is no change, and does so when their
// directories change and every few seconds. Directories, because an editor
// puts another file in the place of the old one and Kubernetes turns the link
// ..data; every few seconds, because network file systems, and links into
// other directories, give no sign.
type Watcher struct {
	log    *zap.Logger
	poll   time.Duration // between two looks without a sign
	settle time.Duration // how long contents must stay the same before they count

	follow atomic.Pointer[Snapshot]
	wake   chan struct{} // Run is to look at follow
}

// NewWatcher returns a Watcher that follows nothing yet.
func NewWatcher(log *zap.Logger) *Watcher {
	if log == nil {
		log = zap.NewNop()
	}
	return &Watcher{log: log, poll: 5 * time.Second, settle: 200 * time.Millisecond, wake: make(chan struct{}, 1)}
}

// Follow makes s what the files are compared with from now on. It is called
// with File.Seen after each Load: what is written after that Load, even before
// Follow, is a change. After a Load that failed there is nothing to call it
// with; the same files stay followed.
func (w *Watcher) Follow(s Snapshot) {
	w.follow.Store(&s)
	select {
	case w.wake <- struct{}{}:
	default: // there is a wake-up already, and it will find s
	}
}

// Run calls changed after each change until ctx is done. The calls do not
// overlap, and what changes during one is found after it. A change is told
// once, whatever comes of it.
func (w *Watcher) Run(ctx context.Context, changed func()) {
	dirs := newDirectories(w.log)
	defer dirs.close()
	poll := time.NewTicker(w.poll)
	defer poll.Stop()
	settle := time.NewTimer(w.settle)
	defer settle.Stop()
	waiting := true // for settle; further signs do not put it off

	var files tracker
	for {
		select {
		case <-ctx.Done():
			return
		case e := <-dirs.events():
			if e.Op == fsnotify.Chmod { // a touch; chmod itself is found by polling
				continue
			}
		case <-dirs.errors(): // signs were lost
		case <-w.wake:
			files = tracker{seen: *w.follow.Load()}
			dirs.watch(files.seen)
		case <-poll.C:
			dirs.watch(files.seen) // one that was missing may be there now
		case <-settle.C:
			waiting = false
			found := files.look()
			if found == different {
				changed()
			}
			if found != unsettled {
				continue
			}
		}
		if !waiting {
			settle.Reset(w.settle)
			waiting = true
		}
	}
}

// A tracker compares files with what they held before.
type tracker struct {
	seen Snapshot // what is in force, or was told
	next Snapshot // what was there at the last look, if that was something else
}

type verdict int

const (
	same      verdict = iota
	unsettled         // something else is there, and may still be written
	different         // something else is there, the same as at the last look
)

func (t *tracker) look() verdict {
	now := t.seen.again()
	switch {
	case now.equal(t.seen):
		t.next = nil
		return same
	case !now.equal(t.next):
		t.next = now
		return unsettled
	}
	t.seen, t.next = now, nil
	return different
}
