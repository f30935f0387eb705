package ldap

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/authn/ldap/ldaptest"
)

// TestConnectionsAreUsedAgain: one that looks for accounts, bound once, and one
// that compares passwords.
func TestConnectionsAreUsedAgain(t *testing.T) {
	s := ldaptest.Start(t, ldaptest.Options{}, service, person("alice"), person("bob"))
	d := open(t, configOf(t, s))
	for range 20 {
		for _, account := range []string{"alice", "bob"} {
			if _, err := login(t.Context(), d, account, secretOf(account)); err != nil {
				t.Fatal(err)
			}
			if _, err := login(t.Context(), d, account, "x"); !errors.Is(err, authn.ErrWrongPassword) {
				t.Fatal(err)
			}
		}
	}
	if accepted, _ := s.Conns(); accepted != 2 {
		t.Errorf("%d connections, want 2", accepted)
	}
	who := make(map[int]map[bool]int)
	for _, r := range s.Requests(ldaptest.Bind) {
		if who[r.Conn] == nil {
			who[r.Conn] = make(map[bool]int)
		}
		who[r.Conn][r.Name == serviceDN]++
	}
	for n, binds := range who {
		if len(binds) != 1 || binds[true] > 1 {
			t.Errorf("connection %d was bound %d times as the service, and %d times as others", n, binds[true], binds[false])
		}
	}
}

// TestConnectionsAreBounded, whoever comes.
func TestConnectionsAreBounded(t *testing.T) {
	var entries []ldaptest.Entry
	for i := range 100 {
		entries = append(entries, person(fmt.Sprint("u", i)))
	}
	s := ldaptest.Start(t, ldaptest.Options{}, append(entries, service)...)
	cfg := configOf(t, s)
	cfg.PoolSize = 3
	d := open(t, cfg)
	var all sync.WaitGroup
	for i := range 100 {
		all.Go(func() {
			account := fmt.Sprint("u", i)
			if id, err := login(t.Context(), d, account, secretOf(account)); err != nil || id.Account != account {
				t.Errorf("%s is %+v, %v", account, id, err)
			}
		})
	}
	all.Wait()
	if accepted, _ := s.Conns(); accepted > 6 {
		t.Errorf("%d connections, want at most 3 of each kind", accepted)
	}
}

// TestQueueIsBounded: who would have to wait behind too many is told so.
func TestQueueIsBounded(t *testing.T) {
	s := ldaptest.Start(t, ldaptest.Options{}, service, person("alice"))
	hang := make(chan struct{})
	s.Fail(only(ldaptest.Search, &ldaptest.Fault{Wait: hang}))
	cfg := configOf(t, s)
	cfg.PoolSize = 1
	d := open(t, cfg)
	var all sync.WaitGroup
	busy := make(chan error, maxWaiting+10)
	for range maxWaiting + 10 {
		all.Go(func() {
			_, err := login(t.Context(), d, "alice", "secret of alice")
			busy <- err
		})
	}
	if err := <-busy; !errors.Is(err, authn.ErrBusy) {
		t.Errorf("the first to get an answer gets %v", err)
	}
	close(hang)
	all.Wait()
}

// TestDeadConnectionsAreReplaced: the server was restarted, and nobody notices.
func TestDeadConnectionsAreReplaced(t *testing.T) {
	s := ldaptest.Start(t, ldaptest.Options{}, service, person("alice"))
	d, logged := openLogged(t, configOf(t, s))
	for range 5 {
		if _, err := login(t.Context(), d, "alice", "secret of alice"); err != nil {
			t.Fatal(err)
		}
		s.Hangup()
	}
	for _, op := range []string{ldaptest.Search, ldaptest.Bind} {
		if _, err := login(t.Context(), d, "alice", "secret of alice"); err != nil {
			t.Fatal(err)
		}
		once := true
		s.Fail(func(r ldaptest.Request) *ldaptest.Fault {
			if r.Op == op && once { // dead, and one finds out by asking alone
				once = false
				return &ldaptest.Fault{Close: true}
			}
			return nil
		})
		if _, err := login(t.Context(), d, "alice", "secret of alice"); err != nil {
			t.Errorf("hung up at a %s: %v", op, err)
		}
	}
	if logged.Len() > 0 {
		t.Errorf("logged: %v", logged.All())
	}
}

// TestCloseEndsConnections, those in use when they are done.
func TestCloseEndsConnections(t *testing.T) {
	s := ldaptest.Start(t, ldaptest.Options{}, service, person("alice"))
	d := open(t, configOf(t, s))
	hang := make(chan struct{})
	s.Fail(func(r ldaptest.Request) *ldaptest.Fault {
		if r.Op == ldaptest.Bind && r.Name != serviceDN {
			return &ldaptest.Fault{Wait: hang}
		}
		return nil
	})
	done := make(chan error, 1)
	go func() {
		_, err := login(t.Context(), d, "alice", "secret of alice")
		done <- err
	}()
	until(t, "a bind", func() bool { return len(s.Requests(ldaptest.Bind)) == 2 })
	_ = d.Close()
	close(hang)
	if err := <-done; err != nil {
		t.Errorf("a login that was under way: %v", err)
	}
	until(t, "the end of all connections", func() bool { _, left := s.Conns(); return left == 0 })
}

func TestRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{addr: "a", connect: time.Second, timeout: time.Second, log: zap.NewNop()}
		down := errors.New("down")
		tried := 0
		for end := time.Now().Add(5 * time.Minute); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
			if err := s.try(time.Now()); err == nil {
				tried++
				if tried > 1 && !errors.Is(s.try(time.Now()), down) {
					t.Fatal("two try at once whether it is back")
				}
				for range 8 { // who have tried together fail together
					s.failed(down)
				}
			} else if !errors.Is(err, down) {
				t.Fatalf("try() = %v", err)
			}
		}
		if tried < 20 || tried > 30 { // 0.25 s, 0.5 s … 8 s, and then every 15 s
			t.Errorf("tried %d times in five minutes", tried)
		}
		time.Sleep(longRest)
		if s.try(time.Now()) != nil {
			t.Fatal("it is still not tried")
		}
		s.works()
		for range 2 { // who may try at once
			if err := s.try(time.Now()); err != nil {
				t.Errorf("it works, and try() = %v", err)
			}
		}
	})
}

// TestPatienceEnds: nobody waits for ever for a connection.
func TestPatienceEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(Config{PoolSize: 1, Timeout: time.Second, ConnectTimeout: time.Second}, nil, nil)
		if err := p.enter(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := p.enter(t.Context()); !errors.Is(err, authn.ErrBusy) {
			t.Errorf("enter() = %v", err)
		}
		ctx, leave := context.WithCancel(t.Context())
		leave()
		if err := p.enter(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("enter() of one who has left = %v", err)
		}
	})
}

// BenchmarkLogin is one that nobody remembers: a search and a bind.
func BenchmarkLogin(b *testing.B) {
	s := ldaptest.Start(b, ldaptest.Options{}, service, person("alice"))
	d := open(b, configOf(b, s))
	for b.Loop() {
		if _, err := login(b.Context(), d, "alice", "secret of alice"); err != nil {
			b.Fatal(err)
		}
	}
}
