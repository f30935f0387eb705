package state

import (
	"context"
	"fmt"
	"testing"
)

// hints are those that wait on a channel, and whether more may come.
func hints(events <-chan Event) (keys []string, open bool) {
	for {
		select {
		case e, more := <-events:
			if !more {
				return keys, false
			}
			keys = append(keys, e.Key)
		default:
			return keys, true
		}
	}
}

func TestWatchers(t *testing.T) {
	var ws Watchers
	tls, all := ws.Watch(t.Context(), "tls/"), ws.Watch(t.Context(), "")
	want := func(what string, events <-chan Event, keys string, open bool) {
		t.Helper()
		if got, more := hints(events); fmt.Sprint(got) != keys || more != open {
			t.Errorf("%s: hints %q, more %v, want %s, %v", what, got, more, keys, open)
		}
	}
	ws.Tell("tls/a")
	ws.Tell("keys/a")
	want("of an area", tls, "[tls/a]", true)
	want("of all", all, "[tls/a keys/a]", true)
	ws.TellAll()
	want("anything", tls, "[tls/]", true)

	for range 2 * watchBuffer { // and nobody waits
		ws.Tell("tls/a")
	}
	if got, _ := hints(tls); len(got) != watchBuffer {
		t.Errorf("%d hints wait, want %d", len(got), watchBuffer)
	}
	ws.End()
	_, _ = hints(all)
	want("after the end", tls, "[]", false)
	want("who comes later", ws.Watch(t.Context(), ""), "[]", false)
	ws.Tell("tls/a")
}

func TestWatcherLeaves(t *testing.T) {
	var ws Watchers
	ctx, leave := context.WithCancel(t.Context())
	events := ws.Watch(ctx, "")
	leave()
	if _, open := <-events; open {
		t.Error("a watcher that has left gets a hint")
	}
	ws.Tell("a")
	ws.End()
}
