package state

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A hinting store has nothing but hints.
type hinting struct {
	Store
	hints chan Event
}

func (h hinting) Watch(context.Context, string) <-chan Event { return h.hints }

func TestFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, ended := hinting{hints: make(chan Event)}, make(chan struct{})
		var looks atomic.Int64
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			defer close(ended)
			Follow(ctx, st, "a/", time.Minute, func(context.Context) { looks.Add(1) })
		}()
		for _, tt := range []struct {
			name string
			step func()
			want int64 // looks since the step before
		}{
			{"nothing", func() { time.Sleep(59 * time.Second) }, 0},
			{"hints", func() { st.hints <- Event{}; synctest.Wait(); st.hints <- Event{} }, 2},
			{"time", func() { time.Sleep(3 * time.Minute) }, 3},
			{"the store is closed", func() { close(st.hints) }, 1},
			{"and time goes on", func() { time.Sleep(3 * time.Minute) }, 3},
		} {
			before := looks.Load()
			tt.step()
			synctest.Wait()
			if got := looks.Load() - before; got != tt.want {
				t.Errorf("%s: %d looks, want %d", tt.name, got, tt.want)
			}
		}
		cancel()
		<-ended
	})
}

// TestFollowLooksOnceForManyHints: a look sees all that was hinted at before it
// began, and those who write a thousand values are many.
func TestFollowLooksOnceForManyHints(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, ended := hinting{hints: make(chan Event, watchBuffer)}, make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		looks, slow := make(chan int, 2*watchBuffer), make(chan struct{})
		go func() {
			defer close(ended)
			Follow(ctx, st, "a/", time.Minute, func(context.Context) {
				looks <- len(st.hints)
				<-slow
			})
		}()
		st.hints <- Event{}
		<-looks
		for range watchBuffer { // while it looks
			st.hints <- Event{}
		}
		close(slow)
		synctest.Wait()
		if n, left := len(looks), <-looks; n != 1 || left != 0 {
			t.Errorf("%d looks for %d hints that came meanwhile, with %d of them left; want one that sees all", n, watchBuffer, left)
		}
		cancel()
		<-ended
	})
}
