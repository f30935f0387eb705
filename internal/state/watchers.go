package state

import (
	"context"
	"strings"
	"sync"
)

// watchBuffer is how many hints wait for a slow watcher before more are lost.
const watchBuffer = 64

// Watchers are those of an engine, which tells them what it learns. Their
// methods may be called by several goroutines at once.
type Watchers struct {
	mu    sync.Mutex // guards what follows, and that no channel is written after its close
	all   map[*watcher]struct{}
	ended bool
}

type watcher struct {
	prefix string
	events chan Event
}

// Watch is Store.Watch's.
func (ws *Watchers) Watch(ctx context.Context, prefix string) <-chan Event {
	w := &watcher{prefix: prefix, events: make(chan Event, watchBuffer)}
	ws.add(w)
	context.AfterFunc(ctx, func() { ws.remove(w) })
	return w.events
}

func (ws *Watchers) add(w *watcher) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if ws.ended {
		close(w.events)
		return
	}
	if ws.all == nil {
		ws.all = make(map[*watcher]struct{})
	}
	ws.all[w] = struct{}{}
}

func (ws *Watchers) remove(w *watcher) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if _, ok := ws.all[w]; ok {
		delete(ws.all, w)
		close(w.events)
	}
}

// Tell hints at a change of the value at key. It never waits: a watcher that is
// behind misses the hint.
func (ws *Watchers) Tell(key string) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for w := range ws.all {
		if strings.HasPrefix(key, w.prefix) {
			w.hint(key)
		}
	}
}

// TellAll says that anything may have changed.
func (ws *Watchers) TellAll() {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for w := range ws.all {
		w.hint(w.prefix)
	}
}

func (w *watcher) hint(key string) {
	select {
	case w.events <- Event{Key: key}:
	default:
	}
}

// End closes all channels, and those of whoever comes later.
func (ws *Watchers) End() {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	ws.ended = true
	for w := range ws.all {
		close(w.events)
	}
	clear(ws.all)
}
