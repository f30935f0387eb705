package redis

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/regate/regate/internal/state"
)

const (
	watchBuffer = 64   // hints that wait for a slow watcher before more are lost
	hintBuffer  = 1024 // hints that wait for all
)

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

// listen passes on what other gates, and this one, say about their writes. The
// channel connects again by itself; what was said meanwhile is lost, so then
// everybody is told to look.
func (s *Store) listen(ready chan<- struct{}) {
	sub := s.db.Subscribe(s.ends, s.names.channel())
	defer sub.Close()
	hints := sub.ChannelWithSubscriptions(redis.WithChannelSize(hintBuffer))
	for {
		select {
		case <-s.ends.Done():
			return
		case hint, open := <-hints:
			if !open {
				return
			}
			switch hint := hint.(type) {
			case *redis.Message:
				s.watchers.tell(hint.Payload)
			case *redis.Subscription:
				if ready != nil {
					close(ready)
					ready = nil
				}
				s.watchers.tellAll()
			}
		}
	}
}

// listenSoon starts to listen, and waits until that works, but not for long.
func (s *Store) listenSoon(ctx context.Context) {
	ready := make(chan struct{})
	s.task(func() { s.listen(ready) })
	select {
	case <-ready:
	case <-ctx.Done():
	case <-time.After(replyTime):
	}
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
		if strings.HasPrefix(key, w.prefix) {
			w.hint(key)
		}
	}
}

// tellAll says that anything may have changed.
func (ws *watchers) tellAll() {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for w := range ws.all {
		w.hint(w.prefix)
	}
}

func (w *watcher) hint(key string) {
	select {
	case w.events <- state.Event{Key: key}:
	default:
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
