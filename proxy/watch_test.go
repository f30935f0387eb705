package proxy

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/regate/regate/internal/oci"
)

func TestWatch(t *testing.T) {
	for _, tt := range []struct {
		name  string
		steps func(*watch)
		want  bool
	}{
		{"never on", func(*watch) { time.Sleep(time.Hour) }, false},
		{"progress", func(w *watch) {
			for range 10 {
				w.on()
				time.Sleep(59 * time.Second)
			}
		}, false},
		{"no progress", func(w *watch) { w.on(); time.Sleep(61 * time.Second) }, true},
		{"off in time", func(w *watch) { w.on(); time.Sleep(59 * time.Second); w.off(); time.Sleep(time.Hour) }, false},
		{"closed in time", func(w *watch) { w.on(); time.Sleep(59 * time.Second); w.close(); time.Sleep(time.Hour) }, false},
		{"on after close", func(w *watch) { w.close(); w.on(); time.Sleep(time.Hour) }, false},
		{"fast enough", func(w *watch) { w.atLeast(59, time.Minute); drip(w, time.Second, 600) }, false},
		{"too slow", func(w *watch) { w.atLeast(61, time.Minute); drip(w, time.Second, 62) }, true},
		{"too slow in the end", func(w *watch) {
			w.atLeast(60, time.Minute)
			w.passed(1 << 20)
			drip(w, 10*time.Second, 13)
		}, true},
		{"too slow but over", func(w *watch) { w.atLeast(60, time.Minute); drip(w, 10*time.Second, 5) }, false},
		{"slow and nobody minds", func(w *watch) { drip(w, 10*time.Second, 60) }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ended := 0
				w := newWatch(time.Minute, func() { ended++ })
				tt.steps(w)
				synctest.Wait()
				w.close() // or the bubble waits for it
				if got := ended == 1; got != tt.want || ended > 1 {
					t.Errorf("end was called %d times, want %v", ended, tt.want)
				}
			})
		})
	}
}

// drip passes n bytes, one at a time.
func drip(w *watch, pause time.Duration, n int) {
	for range n {
		w.on()
		time.Sleep(pause)
		w.passed(1)
	}
	w.close()
}

// A slow body is one byte, again and again.
type slow struct {
	pause time.Duration
	left  int
}

func (s *slow) Read(p []byte) (int, error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	s.left--
	time.Sleep(s.pause)
	p[0] = 'x'
	return 1, nil
}

// sink is a registry that takes its time.
type sink struct {
	bytes.Buffer
	pause time.Duration
	sizes []int
}

func (s *sink) Write(p []byte) (int, error) {
	s.sizes = append(s.sizes, len(p))
	time.Sleep(s.pause)
	return s.Buffer.Write(p)
}

func TestInbound(t *testing.T) {
	for _, tt := range []struct {
		name      string
		body      slow
		sink      time.Duration
		wantCause error
		wantSizes []int
	}{
		{"slow client", slow{59 * time.Second, 3}, 0, nil, []int{1, 1, 1}},
		{"stalled client", slow{61 * time.Second, 3}, 0, errClientStalled, nil},
		{"slow registry", slow{0, 2}, 59 * time.Second, nil, []int{2}},
		{"stalled registry", slow{0, 2}, 61 * time.Second, errRegistryStalled, nil},
		{"slow client and slow registry", slow{40 * time.Second, 3}, 40 * time.Second, nil, []int{1, 1, 1}},
		{"many small pieces", slow{100 * time.Millisecond, 25}, 0, nil, []int{11, 11, 3}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var cause error
				r := &http.Request{Body: io.NopCloser(&tt.body), ContentLength: -1}
				b := newInbound(discard{}, r, time.Minute)
				b.abortWith(func(err error) { cause = err })
				to := &sink{pause: tt.sink}
				n, err := b.WriteTo(to)
				synctest.Wait()
				if !errors.Is(cause, tt.wantCause) || (tt.wantCause == nil) != (cause == nil) {
					t.Errorf("ended with %v, want %v", cause, tt.wantCause)
				}
				if tt.wantSizes != nil && (err != nil || int64(to.Len()) != n || !slices.Equal(to.sizes, tt.wantSizes)) {
					t.Errorf("wrote %v, %v; want %v", to.sizes, err, tt.wantSizes)
				}
				if fault := b.failure(); (fault != nil) != (tt.wantCause == errClientStalled) {
					t.Errorf("the client's fault: %v", fault)
				}
			})
		})
	}
}

// TestSlowClientIsNoStalledOne writes to a client that takes some bytes a
// second: pieces must become small enough to be taken in time.
func TestSlowClientIsNoStalledOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stalled := false
		w := &line{rate: 2 << 10}
		c := client{w: w, watch: newWatch(time.Minute, func() { stalled = true }), step: firstStep}
		for range 20 {
			if err := c.write(make([]byte, 256<<10)); err != nil {
				t.Fatal(err)
			}
		}
		c.watch.close()
		if stalled || w.taken != 20*256<<10 {
			t.Errorf("stalled: %v, %d bytes taken", stalled, w.taken)
		}
		if w.largest > firstStep {
			t.Errorf("a piece of %d bytes", w.largest)
		}
	})
}

// TestStrangerMayBeSlow has twice as much pass in either direction as must: what
// passes is counted, and nobody is cut off for the time alone.
func TestStrangerMayBeSlow(t *testing.T) {
	limits, stranger := Limits{MinRate: 1 << 10, Span: 20 * time.Second}, oci.Grant{}
	t.Run("push", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := &http.Request{Body: io.NopCloser(&line{rate: 2 << 10, left: 256 << 10}), ContentLength: -1}
			b := newInbound(discard{}, r, time.Minute)
			b.abortWith(func(err error) { t.Errorf("ended with %v", err) })
			limits.bound(b.watch, stranger)
			if n, err := b.WriteTo(&sink{}); n != 256<<10 || err != nil {
				t.Errorf("wrote %d bytes, %v", n, err)
			}
			_ = b.Close()
		})
	})
	t.Run("pull", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := client{w: &line{rate: 2 << 10}, watch: newWatch(time.Minute, func() { t.Error("ended") }), step: leastStep}
			limits.bound(c.watch, stranger)
			if err := c.write(make([]byte, 256<<10)); err != nil {
				t.Error(err)
			}
			c.watch.close()
		})
	})
}

// line is a client on a slow line.
type line struct {
	discard
	rate, taken, largest int
	left                 int // to be sent
}

func (l *line) Read(p []byte) (int, error) {
	n := min(len(p), l.left, 1<<10)
	if n == 0 {
		return 0, io.EOF
	}
	l.left -= n
	time.Sleep(time.Duration(n) * time.Second / time.Duration(l.rate))
	return n, nil
}

func (l *line) Write(p []byte) (int, error) {
	time.Sleep(time.Duration(len(p)) * time.Second / time.Duration(l.rate))
	l.taken += len(p)
	l.largest = max(l.largest, len(p))
	return len(p), nil
}

// A waiter is a client that notes why the request to the registry had ended
// when it was woken.
type waiter struct {
	discard
	ctx   context.Context
	cause error
}

func (w *waiter) SetWriteDeadline(time.Time) error {
	w.cause = context.Cause(w.ctx)
	return nil
}

// TestStallIsTheCause wants the cause to be there before the deadline: over
// HTTP/2 that cancels the request, which would then be all that is logged.
func TestStallIsTheCause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, abort := context.WithCancelCause(t.Context())
		w := &waiter{ctx: ctx}
		a := &answer{relay: &relay{gate: &Gateway{limits: Limits{}.withDefaults()}, w: w, cancel: abort}, res: &http.Response{}}
		a.grant.Subject = "ann"
		a.guard()
		a.sending.Store(true)
		a.watch.on()
		<-ctx.Done()
		a.watch.close() // waits for what is under way
		if w.cause != errStalled {
			t.Errorf("the client was woken with %v, want %v", w.cause, errStalled)
		}
	})
}
