package ext_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/regate/regate/authsvc"
	"github.com/regate/regate/authsvc/acl"
	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/ext"
	"github.com/regate/regate/authsvc/password"
	"github.com/regate/regate/internal/cache"
	"github.com/regate/regate/internal/oci"
)

var somebody = authn.Credentials{Account: "alice", Password: "open sesame"}

// startHook lets everybody in, and counts the questions.
func startHook(t testing.TB, wait <-chan struct{}) (url string, asked *atomic.Int64) {
	t.Helper()
	asked = new(atomic.Int64)
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		if wait != nil {
			<-wait
		}
		_, _ = io.WriteString(w, `{"result": "allow"}`)
	}))
	t.Cleanup(h.Close)
	return h.URL, asked
}

func newUsers(t testing.TB, b ext.Backend) *ext.Users {
	t.Helper()
	u, err := ext.NewUsers(ext.UsersConfig{Backend: b}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = u.Close() })
	return u
}

// newLogin is how a gate logs people in, with this back end alone.
func newLogin(t testing.TB, b ext.Backend) *authsvc.Login {
	t.Helper()
	decoy := func(context.Context, string) error { return nil }
	return authsvc.NewLogin(authn.Chain{newUsers(t, b)}, password.NewCache[authn.Identity](cache.Options{}), nil, decoy)
}

// TestThousandLoginsAreOneQuestion: a build that starts everywhere at once
// costs the back end no more than one that starts here.
func TestThousandLoginsAreOneQuestion(t *testing.T) {
	t.Parallel()
	goOn := make(chan struct{})
	url, asked := startHook(t, goOn)
	login := newLogin(t, ext.Backend{URL: url, Concurrency: 1, Timeout: time.Minute})
	var all sync.WaitGroup
	var begun atomic.Int64
	for range 1000 {
		all.Go(func() {
			if begun.Add(1) == 1000 {
				close(goOn)
			}
			if _, err := login.Authenticate(t.Context(), somebody); err != nil {
				t.Errorf("Authenticate() = %v", err)
			}
		})
	}
	all.Wait()
	if n := asked.Load(); n != 1 {
		t.Errorf("%d questions", n)
	}
}

// TestThousandLoginsAreOneProcess is the same of a program.
func TestThousandLoginsAreOneProcess(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "starts")
	login := newLogin(t, ext.Backend{Command: "sh", Args: []string{"-c", "echo x >> " + file}, Timeout: time.Minute})
	var all sync.WaitGroup
	for range 1000 {
		all.Go(func() {
			if _, err := login.Authenticate(t.Context(), somebody); err != nil {
				t.Errorf("Authenticate() = %v", err)
			}
		})
	}
	all.Wait()
	if starts, err := os.ReadFile(file); err != nil || strings.Count(string(starts), "x") != 1 {
		t.Errorf("the program was started for each of %q, %v", starts, err)
	}
}

// TestHundredJobsAreOneQuestion: ext_authz is asked by each of them for the same.
func TestHundredJobsAreOneQuestion(t *testing.T) {
	t.Parallel()
	goOn := make(chan struct{})
	url, asked := startHook(t, goOn)
	rules, err := ext.NewRules(ext.RulesConfig{Backend: ext.Backend{URL: url, Concurrency: 1, Timeout: time.Minute}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := acl.Ask{Identity: authn.Identity{Account: "alice"}, Want: oci.Access{Type: oci.Repository, Name: "a/b", Actions: oci.Pull}}
	var all sync.WaitGroup
	var begun atomic.Int64
	for range 100 {
		all.Go(func() {
			if begun.Add(1) == 100 {
				close(goOn)
			}
			if granted, _, err := rules.Decide(t.Context(), want); granted != oci.Pull || err != nil {
				t.Errorf("Decide() = %q, %v", granted, err)
			}
		})
	}
	all.Wait()
	if n := asked.Load(); n > 10 { // those that come after an answer ask anew
		t.Errorf("%d questions", n)
	}
}

// BenchmarkKnownLogin is a login that was done within the last minute.
func BenchmarkKnownLogin(b *testing.B) {
	url, _ := startHook(b, nil)
	for _, form := range []struct {
		name    string
		backend ext.Backend
	}{{"program", ext.Backend{Command: "true"}}, {"hook", ext.Backend{URL: url}}} {
		b.Run(form.name, func(b *testing.B) {
			login := newLogin(b, form.backend)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := login.Authenticate(b.Context(), somebody); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkQuestion is what is not cached: one login, or one repository.
func BenchmarkQuestion(b *testing.B) {
	url, _ := startHook(b, nil)
	for _, form := range []struct {
		name    string
		backend ext.Backend
	}{{"program", ext.Backend{Command: "true"}}, {"hook", ext.Backend{URL: url}}} {
		b.Run(form.name, func(b *testing.B) {
			rules, err := ext.NewRules(ext.RulesConfig{Backend: form.backend}, nil)
			if err != nil {
				b.Fatal(err)
			}
			defer rules.Close()
			want := acl.Ask{Identity: authn.Identity{Account: "alice"}, Want: oci.Access{Type: oci.Repository, Name: "a/b", Actions: oci.Pull}}
			for b.Loop() {
				if granted, _, err := rules.Decide(b.Context(), want); granted != oci.Pull || err != nil {
					b.Fatal(granted, err)
				}
			}
		})
	}
}
