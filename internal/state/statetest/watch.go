package statetest

import (
	"context"
	"fmt"
	"testing"

	"github.com/regate/regate/internal/state"
)

func testWatch(t *testing.T, st state.Store) {
	ctx, cancel := context.WithCancel(within(t))
	events := st.Watch(ctx, "a/")
	put(t, st, "b/1", "x")
	put(t, st, "a/1", "x")
	wantEvent(t, events, "a/1")
	if err := st.Delete(within(t), "a/1", 0); err != nil {
		t.Fatal(err)
	}
	wantEvent(t, events, "a/1")

	_, err := st.Put(within(t), "a/1", nil, state.PutOpts{IfRev: new(uint64(99))})
	wantErr(t, "Put with a wrong revision", err, state.ErrConflict)
	put(t, st, "a/2", "x")
	wantEvent(t, events, "a/2") // and not a/1, which did not change

	for i := range 200 { // nobody reads: no write may wait for that
		put(t, st, fmt.Sprintf("a/%d", i%10), "x")
	}
	cancel()
	for range events { // ends when the channel is closed
	}
}

func wantEvent(t *testing.T, events <-chan state.Event, key string) {
	t.Helper()
	select {
	case e, ok := <-events:
		if !ok || e.Key != key {
			t.Fatalf("event %q (open: %v), want %q", e.Key, ok, key)
		}
	case <-within(t).Done():
		t.Fatalf("no event for %q", key)
	}
}
