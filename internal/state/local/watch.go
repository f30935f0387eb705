package local

import (
	"context"
	"strings"
	"sync"

	"github.com/regate/regate/internal/state"
)

// watchBuffer is how many hints wait for a slow watcher before more are lost.
const watchBuffer = 64

type watchers struct {
	mu    sync.Mutex // guards what follows, and that no channel is written after its close
	all   map[*watcher]struct{}
	ended bool
}

type watcher struct {
	prefix string
	events chan state.Event
}

// Watch hints at changes below prefix until ctx is done or the Store is closed.
func (s *Store) Watch(ctx context.Context, prefix string) <-chan state.Event {
	w := &watcher{prefix: prefix, events: make(chan state.Event, watchBuffer)}
	s.watchers.add(w)
	context.AfterFunc(ctx, func() { s.watchers.remove(w) })
	return w.events
}

func (ws *watchers) add(w *watcher) {
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

func (ws *watchers) remove(w *watcher) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if _, ok := ws.all[w]; ok {
		delete(ws.all, w)
		close(w.events)
	}
}

// tell never waits: a watcher that is behind misses the hint.
func (ws *watchers) tell(key string) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for w := range ws.all {
		if !strings.HasPrefix(key, w.prefix) {
			continue
		}
		select {
		case w.events <- state.Event{Key: key}:
		default:
		}
	}
}

func (ws *watchers) end() {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	ws.ended = true
	for w := range ws.all {
		close(w.events)
	}
	clear(ws.all)
}
