package keyring

import (
	"bytes"
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// run keeps the ring fresh until the test ends.
func run(t *testing.T, r *Ring) {
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { r.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
}

// TestRotation lets two gates run for 80 hours on one Store, and looks at them
// every half an hour.
func TestRotation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := openStore(t)
		rings := []*Ring{openRing(t, Options{Store: store}), openRing(t, Options{Store: store})}
		for _, r := range rings {
			run(t, r)
		}
		lastUse := make(map[string]time.Time) // of a leaf, by its DER
		var order []string
		for range 80 * 2 {
			time.Sleep(30 * time.Minute)
			for _, r := range rings {
				s := r.Signer()
				if lastUse[string(s.Chain[0])].IsZero() {
					order = append(order, string(s.Chain[0]))
				}
				lastUse[string(s.Chain[0])] = time.Now()
				if left := time.Until(s.NotAfter); left < MaxTokenLife+2*time.Minute {
					t.Fatalf("a leaf signs with %v left", left)
				}
				if !bytes.Contains(r.JWKS(), []byte(s.KeyID)) {
					t.Fatal("the signing leaf is not in the JWKS")
				}
			}
			for der, used := range lastUse {
				if time.Since(used) > MaxTokenLife {
					continue
				}
				for _, r := range rings {
					if _, err := r.Verifier([]byte(der)); err != nil {
						t.Fatalf("a leaf that signed %v ago: %v", time.Since(used), err)
					}
				}
			}
		}
		if len(order) != 4 {
			t.Errorf("%d leaves have signed, want 4", len(order))
		}
		if _, err := rings[0].Verifier([]byte(order[0])); err == nil {
			t.Error("the first leaf is still good for verifying")
		}
	})
}

func TestLeafIsPublishedBeforeItSigns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := openRing(t, Options{Store: openStore(t)})
		run(t, r)
		first, before := r.Signer().KeyID, r.JWKS()
		for bytes.Equal(r.JWKS(), before) {
			time.Sleep(time.Second)
		}
		published := time.Now()
		for r.Signer().KeyID == first {
			time.Sleep(time.Second)
		}
		if d := time.Since(published); d < 2*poll || d > publishes+poll {
			t.Errorf("the second leaf signs %v after its publication, want %v", d, publishes)
		}
	})
}

func TestOldLeavesLoseTheirKeysInState(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := openRing(t, Options{Store: openStore(t)})
		run(t, r)
		time.Sleep(2*signFor + time.Minute)
		rec, err := r.read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ls := rec.leaves
		if len(ls) != 3 || ls[0].key != nil || ls[2].key == nil {
			t.Errorf("%d leaves; the first has its key: %v, the last: %v", len(ls), ls[0].key != nil, ls[len(ls)-1].key != nil)
		}
	})
}

func TestStateDownKeepsTheLastLeaves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &faulty{Store: openStore(t)}
		r := openRing(t, Options{Store: store})
		run(t, r)
		time.Sleep(signFor - publishes + poll) // the second leaf is published, and does not sign
		first := r.Signer()
		store.down.Store(true)
		time.Sleep(publishes)
		second := r.Signer()
		if second.KeyID == first.KeyID {
			t.Error("a published leaf does not begin to sign while the state is down")
		}
		time.Sleep(44 * time.Hour)
		if r.Signer() == nil || r.Signer().KeyID != second.KeyID || time.Until(r.Signer().NotAfter) < MaxTokenLife {
			t.Error("the last leaf is not in use after 44 hours without state")
		}
		store.down.Store(false)
		time.Sleep(2*poll + publishes)
		if r.Signer().KeyID == second.KeyID {
			t.Error("no new leaf after the state has come back")
		}
	})
}

func TestRunFollowsOtherGatesByHint(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var ahead atomic.Int64
		clock := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
		store := openStore(t)
		follower := openRing(t, Options{Store: store, Now: clock})
		run(t, follower)
		synctest.Wait() // it watches
		before := follower.JWKS()
		ahead.Store(int64(signFor))
		if err := openRing(t, Options{Store: store, Now: clock}).refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if bytes.Equal(before, follower.JWKS()) {
			t.Error("the follower has not seen the new leaf before its next poll")
		}
	})
}
