package password

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/regate/regate/authsvc/authn"
)

// hashTests are from the test suites of other implementations (crypt_blowfish,
// OpenBSD), so that what other programs hashed is known to work.
var hashTests = []struct {
	hash, password string
	cost           int
}{
	{"$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "U*U", 5},
	{"$2a$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a", "U*U*U", 5},
	{"$2y$05$/OK.fbVrR/bpIqNJ5ianF.CE5elHaaO4EbggVDjb8P19RukzXSM3e", "\xff\xff\xa3", 5},
	{"$2b$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui",
		"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789chars after 72 are ignored", 5},
}

func TestCompareWithForeignHashes(t *testing.T) {
	p := NewPool(Options{})
	for _, tt := range hashTests {
		if got := Cost(tt.hash); got != tt.cost {
			t.Errorf("Cost(%s) = %d", tt.hash, got)
		}
		if err := p.Compare(t.Context(), tt.hash, tt.password); err != nil {
			t.Errorf("Compare(%s, %q) = %v", tt.hash, tt.password, err)
		}
		if err := p.Compare(t.Context(), tt.hash, "x"+tt.password); !errors.Is(err, authn.ErrWrongPassword) {
			t.Errorf("Compare(%s, another password) = %v", tt.hash, err)
		}
	}
}

var invalidHashes = []string{
	"",
	"secret",
	"$2x$05$" + digest,
	"$2$05$" + digest,
	"$2a$03$" + digest,
	"$2a$32$" + digest,
	"$2a$5$" + digest,
	"$2a$05$" + digest[1:],
	"$2a$05$" + digest + "x",
	"$2a$05$" + digest + "\n",
	"$2a$05$" + digest[:52] + "=",
	"$1$abc$" + digest,
	"{SHA}5baa61e4c9b93f3f0682250b6cf8331b7ee68fd8",
}

const digest = "CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"

func TestInvalidHashIsNoRefusal(t *testing.T) {
	p := NewPool(Options{})
	for _, hash := range invalidHashes {
		if Valid(hash) || Cost(hash) != 0 {
			t.Errorf("Valid(%q) = %v, Cost() = %d", hash, Valid(hash), Cost(hash))
		}
		err := p.Compare(t.Context(), hash, "x")
		if err == nil || errors.Is(err, authn.ErrWrongPassword) || (hash != "" && strings.Contains(err.Error(), hash)) {
			t.Errorf("Compare(%q) = %v", hash, err)
		}
	}
}

func TestHash(t *testing.T) {
	for _, tt := range []struct {
		name     string
		password string
		cost     int
		want     error
		wantCost int
	}{
		{"cheap", "p", 4, nil, 4},
		{"as usual", "pässwörd", 0, nil, DefaultCost},
		{"72 bytes", strings.Repeat("p", 72), 4, nil, 4},
		{"73 bytes", strings.Repeat("p", 73), 4, ErrTooLong, 0},
		{"empty", "", 4, ErrEmpty, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			hash, err := Hash(tt.password, tt.cost)
			if !errors.Is(err, tt.want) || Cost(hash) != tt.wantCost {
				t.Fatalf("Hash() = %q, %v; want cost %d, %v", hash, err, tt.wantCost, tt.want)
			}
			if err == nil {
				if err := NewPool(Options{}).Compare(t.Context(), hash, tt.password); err != nil {
					t.Errorf("Compare() with it = %v", err)
				}
			}
		})
	}
	for _, cost := range []int{-1, 3, 32} {
		if hash, err := Hash("p", cost); err == nil {
			t.Errorf("Hash at cost %d = %q", cost, hash)
		}
	}
}

func mustHash(t testing.TB, password string, cost int) string {
	t.Helper()
	hash, err := Hash(password, cost)
	if err != nil {
		t.Fatal(err)
	}
	return hash
}

func TestQueueIsBounded(t *testing.T) {
	p := NewPool(Options{Workers: 1, Queue: 2})
	p.slots <- struct{}{} // somebody else's comparison
	hash := mustHash(t, "p", 4)

	var all sync.WaitGroup
	for i := range 2 {
		all.Go(func() {
			if err := p.Compare(t.Context(), hash, fmt.Sprint("guess ", i)); !errors.Is(err, authn.ErrWrongPassword) {
				t.Errorf("Compare() in the queue = %v", err)
			}
		})
	}
	waitFor(t, func() bool { return p.queue.len() == 2 })
	if err := p.Compare(t.Context(), hash, "p"); !errors.Is(err, authn.ErrBusy) {
		t.Errorf("Compare() with a full queue = %v", err)
	}
	<-p.slots
	all.Wait()
	if err := p.Compare(t.Context(), hash, "p"); err != nil {
		t.Errorf("Compare() afterwards = %v", err)
	}
}

func TestWhoLeavesTheQueueMakesRoom(t *testing.T) {
	p := NewPool(Options{Workers: 1, Queue: 1})
	p.slots <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	left := make(chan error)
	go func() { left <- p.Compare(ctx, mustHash(t, "p", 4), "p") }()
	waitFor(t, func() bool { return p.queue.len() == 1 })
	cancel()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("Compare() = %v", err)
	}
	waitFor(t, func() bool { return p.queue.len() == 0 })
}

// TestNobodyWaitsLongForATurn, and it takes as long for an account that does not
// exist as for one that does.
func TestNobodyWaitsLongForATurn(t *testing.T) {
	hash := mustHash(t, "p", 4)
	for name, ask := range map[string]func(context.Context, *Pool) error{
		"an account": func(ctx context.Context, p *Pool) error { return p.Compare(ctx, hash, "p") },
		"nobody":     func(ctx context.Context, p *Pool) error { return p.Absent(ctx, 4, "p") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := NewPool(Options{Workers: 1})
				p.slots <- struct{}{} // a comparison that takes long
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				begin := time.Now()
				if err := ask(ctx, p); !errors.Is(err, authn.ErrBusy) {
					t.Errorf("it got %v, want %v", err, authn.ErrBusy)
				}
				if took := time.Since(begin); took != patience || p.queue.len() != 0 {
					t.Errorf("it took %s, want %s; %d wait", took, patience, p.queue.len())
				}
			})
		})
	}
}

func waitFor(t *testing.T, done func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("did not happen in 10 s")
		}
	}
}

// TestEqualQuestionsShareOneComparison has a queue that is too short for two.
func TestEqualQuestionsShareOneComparison(t *testing.T) {
	p := NewPool(Options{Workers: 1, Queue: 1})
	p.slots <- struct{}{}
	hash := mustHash(t, "p", 4)
	var all sync.WaitGroup
	for range 200 {
		all.Go(func() {
			if err := p.Compare(t.Context(), hash, "p"); err != nil {
				t.Errorf("Compare() = %v", err)
			}
		})
	}
	waitFor(t, func() bool { return p.queue.len() == 1 })
	<-p.slots
	all.Wait()
}

func TestAbsentImitatesAHash(t *testing.T) {
	p := NewPool(Options{Workers: 1, Queue: 1})
	if got := Cost(p.dummy(7)); got != 7 {
		t.Errorf("dummy %q has cost %d, want 7", p.dummy(7), got)
	}
	if err := p.Absent(t.Context(), 4, "p"); err != nil {
		t.Errorf("Absent() = %v", err)
	}
	p.slots <- struct{}{} // whatever wants to compare is refused now
	p.queue.fill()
	if err := p.Absent(t.Context(), 0, "p"); err != nil {
		t.Errorf("Absent() with no hash in use = %v", err)
	}
}

// TestAbsentAccountsQueueLikeOthers: if equal passwords for many accounts that
// do not exist shared one comparison, their answers would come together, and
// tell them from those that exist.
func TestAbsentAccountsQueueLikeOthers(t *testing.T) {
	p := NewPool(Options{Workers: 1, Queue: 2})
	p.slots <- struct{}{} // the worker is busy
	errs := make(chan error, 3)
	for range 3 {
		go func() { errs <- p.Absent(t.Context(), 4, "the same") }()
	}
	if err := <-errs; !errors.Is(err, authn.ErrBusy) { // two wait, the third is one too many
		t.Errorf("Absent() = %v, want ErrBusy", err)
	}
	<-p.slots
	for range 2 {
		if err := <-errs; err != nil {
			t.Errorf("Absent() = %v", err)
		}
	}
}

func TestAbsentWaitsAndIsRefusedAsCompareIs(t *testing.T) {
	p := NewPool(Options{Workers: 1, Queue: 1})
	p.slots <- struct{}{}
	p.queue.fill()
	if err := p.Absent(t.Context(), 4, "p"); !errors.Is(err, authn.ErrBusy) {
		t.Errorf("Absent() with a full queue = %v", err)
	}
}

func BenchmarkCompare(b *testing.B) {
	for _, cost := range []int{5, 10} {
		b.Run(fmt.Sprint("cost=", cost), func(b *testing.B) {
			p := NewPool(Options{})
			hash := mustHash(b, "p", cost)
			b.ReportAllocs()
			for b.Loop() {
				if err := p.Compare(b.Context(), hash, "p"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
