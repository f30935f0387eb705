package password

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"

	"github.com/regate/regate/authsvc/authn"
)

// TestNetworkHasHalfOfTheQueue, for accounts that exist and those that do not,
// and another one comes in beside it.
func TestNetworkHasHalfOfTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(Options{Workers: 1, Queue: 4})
		p.slots <- struct{}{} // somebody else's comparison
		hash := mustHash(t, "p", 4)
		ask := func(addr, password string) <-chan error {
			ctx := From(t.Context(), netip.MustParseAddr(addr))
			answer := make(chan error, 1)
			go func() {
				if password == "" {
					answer <- p.Absent(ctx, 4, password)
				} else {
					answer <- p.Compare(ctx, hash, password)
				}
			}()
			synctest.Wait()
			return answer
		}
		wait := []<-chan error{ask("192.0.2.1", ""), ask("::ffff:192.0.2.200", "p")}
		for _, password := range []string{"", "guess"} {
			if err := <-ask("192.0.2.3", password); !errors.Is(err, authn.ErrBusy) {
				t.Errorf("one more of a network with half of the queue got %v, want %v", err, authn.ErrBusy)
			}
		}
		wait = append(wait, ask("198.51.100.1", ""), ask("2001:db8::1", ""))
		if err := <-ask("2001:db8:1::1", ""); !errors.Is(err, authn.ErrBusy) {
			t.Errorf("with a full queue: %v, want %v", err, authn.ErrBusy)
		}
		<-p.slots
		for i, answer := range wait {
			if err := <-answer; err != nil {
				t.Errorf("who waited as number %d got %v", i, err)
			}
		}
		if p.queue.len() != 0 || len(p.queue.from) != 0 {
			t.Errorf("%d wait in the end, of %v", p.queue.len(), p.queue.from)
		}
	})
}

func (q *queue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.waiting
}

// fill has others wait.
func (q *queue) fill() {
	for ok := true; ok; {
		_, ok = q.join(context.Background())
	}
}
