package ldap

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/authn/ldap/ldaptest"
)

func only(op string, f *ldaptest.Fault) func(ldaptest.Request) *ldaptest.Fault {
	return func(r ldaptest.Request) *ldaptest.Fault {
		if r.Op == op {
			return f
		}
		return nil
	}
}

// faultTests are ways for a server not to answer.
var faultTests = []struct {
	name  string
	fault func(hang chan struct{}) func(ldaptest.Request) *ldaptest.Fault
	want  string
}{
	{"silent at a bind", func(hang chan struct{}) func(ldaptest.Request) *ldaptest.Fault {
		return only(ldaptest.Bind, &ldaptest.Fault{Wait: hang})
	}, "no answer in time"},
	{"silent at a search", func(hang chan struct{}) func(ldaptest.Request) *ldaptest.Fault {
		return only(ldaptest.Search, &ldaptest.Fault{Wait: hang})
	}, "no answer in time"},
	{"hangs up at a bind", func(chan struct{}) func(ldaptest.Request) *ldaptest.Fault {
		return only(ldaptest.Bind, &ldaptest.Fault{Close: true})
	}, "unable to read"},
	{"hangs up at a search", func(chan struct{}) func(ldaptest.Request) *ldaptest.Fault {
		return only(ldaptest.Search, &ldaptest.Fault{Close: true})
	}, "unable to read"},
	{"cut in mid-answer", func(chan struct{}) func(ldaptest.Request) *ldaptest.Fault {
		return only(ldaptest.Search, &ldaptest.Fault{Cut: 9})
	}, "unable to read"},
	{"no LDAP at all", func(chan struct{}) func(ldaptest.Request) *ldaptest.Fault {
		return only(ldaptest.Search, &ldaptest.Fault{Raw: []byte("HTTP/1.1 400 Bad Request\r\n\r\n")})
	}, ""},
	{"zeros", func(chan struct{}) func(ldaptest.Request) *ldaptest.Fault {
		return only(ldaptest.Search, &ldaptest.Fault{Raw: make([]byte, 64)})
	}, ""},
	{"gigabytes announced", func(chan struct{}) func(ldaptest.Request) *ldaptest.Fault {
		return only(ldaptest.Search, &ldaptest.Fault{Raw: []byte{0x30, 0x84, 0x7f, 0xff, 0xff, 0xff, 0x02}})
	}, ""},
}

// TestFaults: whatever a server does is no refusal, and takes no longer than
// its time, after which the same directory works again.
func TestFaults(t *testing.T) {
	for _, tt := range faultTests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := ldaptest.Start(t, ldaptest.Options{}, service, person("alice"))
			hang := make(chan struct{})
			s.Fail(tt.fault(hang))
			cfg := configOf(t, s)
			cfg.Timeout, cfg.ConnectTimeout = 2*time.Second, 2*time.Second
			d := open(t, cfg)
			start := time.Now()
			_, err := login(t.Context(), d, "alice", "secret of alice")
			if took := time.Since(start); took > 15*time.Second {
				t.Errorf("it took %v", took)
			}
			close(hang)
			if err == nil || refused(err) || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), s.Addr) {
				t.Fatalf("Authenticate() = %v", err)
			}
			s.Fail(nil)
			until(t, "a login after it", func() bool {
				_, err := login(t.Context(), d, "alice", "secret of alice")
				return err == nil
			})
		})
	}
}

// TestRubbish answers with changed answers: none of them may end the process,
// or let anybody in who has another password.
func TestRubbish(t *testing.T) {
	s := ldaptest.Start(t, ldaptest.Options{}, service, person("alice"))
	random := rand.New(rand.NewPCG(1, 2))
	good := []byte("\x30\x24\x02\x01\x02\x64\x1f\x04\x0buid=alice,x\x30\x10\x30\x0e\x04\x03uid\x31\x07\x04\x05alice\x30\x0c\x02\x01\x02\x65\x07\x0a\x01\x00\x04\x00\x04\x00")
	s.Fail(func(r ldaptest.Request) *ldaptest.Fault {
		if r.Name == serviceDN {
			return nil
		}
		raw := append([]byte(nil), good...)
		for range 1 + random.IntN(4) {
			raw[random.IntN(len(raw))] = byte(random.IntN(256))
		}
		return &ldaptest.Fault{Raw: raw}
	})
	cfg := configOf(t, s)
	cfg.Timeout = time.Second
	for range 300 {
		d := open(t, cfg)
		if id, err := login(t.Context(), d, "alice", "x"); err == nil {
			t.Fatalf("a login as %+v out of rubbish", id)
		}
	}
}

// TestDownIsFoundOnce: while a server is down, few try it, and nobody waits.
func TestDownIsFoundOnce(t *testing.T) {
	s := ldaptest.Start(t, ldaptest.Options{}, service, person("alice"))
	s.Down()
	d, logged := openLogged(t, configOf(t, s))
	for range 500 {
		if _, err := login(t.Context(), d, "alice", "secret of alice"); err == nil || refused(err) || !strings.Contains(err.Error(), "connection refused") {
			t.Fatalf("Authenticate() = %v", err)
		}
	}
	if n := logged.FilterMessage("directory server does not answer").Len(); n != 1 {
		t.Errorf("it is logged %d times", n)
	}
	s.Up(t)
	until(t, "a login after it came back", func() bool {
		_, err := login(t.Context(), d, "alice", "secret of alice")
		return err == nil
	})
	if n := logged.FilterMessage("directory server answers again").Len(); n != 1 {
		t.Errorf("that it is back is logged %d times", n)
	}
}

// TestFailOver has a first server that is down, silent, busy, or knows nobody
// by that password, in turn. The last is an answer.
func TestFailOver(t *testing.T) {
	hang := make(chan struct{}) // is never closed
	for name, spoil := range map[string]func(*ldaptest.Server){
		"down":              (*ldaptest.Server).Down,
		"silent":            func(s *ldaptest.Server) { s.Fail(only(ldaptest.Search, &ldaptest.Fault{Wait: hang})) },
		"silent from start": func(s *ldaptest.Server) { s.Fail(only(ldaptest.Bind, &ldaptest.Fault{Wait: hang})) },
		"busy":              func(s *ldaptest.Server) { s.Fail(only(ldaptest.Bind, &ldaptest.Fault{Code: 51})) },
		"unavailable":       func(s *ldaptest.Server) { s.Fail(only(ldaptest.Search, &ldaptest.Fault{Code: 52})) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			first := ldaptest.Start(t, ldaptest.Options{}, service, person("alice"))
			second := ldaptest.Start(t, ldaptest.Options{}, service, person("alice"))
			cfg := configOf(t, first, second)
			cfg.Timeout, cfg.ConnectTimeout = 2*time.Second, 2*time.Second
			d := open(t, cfg)
			if _, err := login(t.Context(), d, "alice", "secret of alice"); err != nil || len(second.Requests("")) > 0 {
				t.Fatalf("with both: %v; the second one was asked: %v", err, second.Requests(""))
			}
			spoil(first)
			for range 3 {
				if _, err := login(t.Context(), d, "alice", "secret of alice"); err != nil {
					t.Fatalf("with the second alone: %v", err)
				}
			}
		})
	}
	first := ldaptest.Start(t, ldaptest.Options{}, service, person("alice"))
	second := ldaptest.Start(t, ldaptest.Options{}, service, person("alice"))
	d := open(t, configOf(t, first, second))
	if _, err := login(t.Context(), d, "alice", "x"); !errors.Is(err, authn.ErrWrongPassword) || len(second.Requests("")) > 0 {
		t.Errorf("a wrong password is %v, and the second server is asked %v", err, second.Requests(""))
	}
}

// TestBothDown names both.
func TestBothDown(t *testing.T) {
	first := ldaptest.Start(t, ldaptest.Options{}, service)
	second := ldaptest.Start(t, ldaptest.Options{}, service)
	first.Down()
	second.Down()
	_, err := login(t.Context(), open(t, configOf(t, first, second)), "alice", "x")
	if err == nil || refused(err) || !strings.Contains(err.Error(), "connect to "+first.Addr) || !strings.Contains(err.Error(), "connect to "+second.Addr) {
		t.Errorf("Authenticate() = %v", err)
	}
}

// TestWhoLeavesIsNotWaitedFor, and blames nobody for it.
func TestWhoLeavesIsNotWaitedFor(t *testing.T) {
	s := ldaptest.Start(t, ldaptest.Options{}, service, person("alice"))
	d, logged := openLogged(t, configOf(t, s))
	hang := make(chan struct{})
	defer close(hang)
	for _, op := range []string{ldaptest.Bind, ldaptest.Search} {
		s.Fail(only(op, &ldaptest.Fault{Wait: hang}))
		ctx, leave := context.WithCancel(t.Context())
		before := len(s.Requests(op))
		done := make(chan error, 1)
		go func() {
			_, err := login(ctx, d, "alice", "secret of alice")
			done <- err
		}()
		until(t, "a "+op, func() bool { return len(s.Requests(op)) > before })
		leave()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("at a %s: %v", op, err)
		}
		s.Fail(nil)
		if _, err := login(t.Context(), d, "alice", "secret of alice"); err != nil {
			t.Errorf("the next one: %v", err)
		}
	}
	if logged.Len() > 0 {
		t.Errorf("logged: %v", logged.All())
	}
}

// TestNobodyListens has a server that takes connections and says nothing.
func TestNobodyListens(t *testing.T) {
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, mode := range []string{tlsNone, tlsStart, tlsAlways} {
		cfg := configOf(t)
		cfg.Addr, cfg.TLS, cfg.ConnectTimeout = l.Addr().String(), mode, 200*time.Millisecond
		if _, err := login(t.Context(), open(t, cfg), "alice", "x"); !errors.Is(err, errSlow) {
			t.Errorf("tls %s: %v", mode, err)
		}
	}
}
