//go:build unix

package authsvc

import (
	"fmt"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/secret"
	"github.com/regate/regate/authsvc/token"
	"github.com/regate/regate/internal/edge"
	"github.com/regate/regate/internal/state/local"
)

// cpu is what the process has worked by now: on a busy machine the time on the
// wall says nothing.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// costs measures what one takes of the processor.
func costs(b *testing.B, name string, one func() bool) {
	b.Run(name, func(b *testing.B) {
		b.ReportAllocs()
		before := cpu(b)
		for b.Loop() {
			if !one() {
				b.Fatal("not as it should be")
			}
		}
		b.ReportMetric(float64((cpu(b)-before).Microseconds())/float64(b.N), "cpu-µs/op")
	})
}

// BenchmarkRefreshKnownLogin is what each docker pull asks for: a token by a
// refresh token. The login is who shows it, the rest of the request is to read
// it, and to sign the token.
func BenchmarkRefreshKnownLogin(b *testing.B) {
	r := newRefreshRig(b)
	r.service.log = zap.NewNop()
	handler := r.quiet()
	for name, account := range map[string]string{"file": "dev:dev secret", "directory": "alice:pw", "program": "bob:pw"} {
		user, password, _ := strings.Cut(account, ":")
		text := r.logIn(b, user, password)
		costs(b, name+"/login", func() bool {
			_, err := r.service.refreshes.login(b.Context(), authn.Secret(text), "registry.test")
			return err == nil
		})
		costs(b, name+"/request", func() bool { return handler(refreshing(text, "registry.test")) == 200 })
	}
	// Well written, and nobody's: the most that a stranger can ask for.
	text := newRefreshRig(b).logIn(b, "dev", "dev secret")
	costs(b, "unknown/request", func() bool { return handler(refreshing(text, "registry.test")) == 401 })
	costs(b, "damaged/request", func() bool { return handler(refreshing(text[1:], "registry.test")) == 401 })
}

// quiet asks without writing a log.
func (r *refreshRig) quiet() func(shown) int {
	handler := edge.Stack(edge.Handler(r.service.ServeToken), edge.Log(nil, nil), edge.LimitBodies(edge.DefaultBodyLimits()))
	return func(s shown) int {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, s.request())
		return w.Code
	}
}

// BenchmarkMillionTokens has a million refresh tokens in the state, a thousand
// revocations of each kind, and clients at work with many of them. The gate
// keeps no more of that than it has caches for.
func BenchmarkMillionTokens(b *testing.B) {
	const owners, each, mostMiB = 100_000, 10, 64
	r := newRefreshRig(b)
	r.openIn(b, memoryDir(b))
	r.service.log = zap.NewNop()
	texts := make([]authn.Secret, 0, owners*each)
	for i := range owners {
		for range each {
			text, _, err := r.book.CreateRefresh(b.Context(), secret.Token{Owner: fmt.Sprint("user-", i), Method: "ldap", Name: "docker", Service: "registry.test"}, r.service.refreshes.terms)
			if err != nil {
				b.Fatal(err)
			}
			texts = append(texts, text)
		}
		r.ldap.accounts[fmt.Sprint("user-", i)] = authn.Labels{"groups": {{Value: "developers"}, {Value: "team-of-" + fmt.Sprint(i)}}}
	}
	r.restart(b)
	before := heap()
	var ids []string
	for i := range 1000 {
		ids = append(ids, fmt.Sprint("family-", i))
		if err := r.access.RevokeSubject(b.Context(), fmt.Sprint("gone-", i)); err != nil {
			b.Fatal(err)
		}
	}
	if err := r.access.RevokeFamily(b.Context(), ids...); err != nil {
		b.Fatal(err)
	}
	r.reopen(b)
	start := cpu(b)
	const work = 200_000
	for i := range work {
		id, err := r.service.refreshes.login(b.Context(), texts[i*7919%len(texts)], "registry.test")
		if err != nil {
			b.Fatal(err)
		}
		if i%5 == 0 {
			r.opens(b, id)
		}
	}
	b.ReportMetric(float64((cpu(b)-start).Microseconds())/work, "cpu-µs/login")
	used := float64(heap()-before) / (1 << 20)
	b.ReportMetric(used, "MiB")
	b.ReportMetric(0, "ns/op")
	if used > mostMiB {
		b.Errorf("%.1f MiB", used)
	}
	runtime.KeepAlive(texts)
}

// opens lets a client in with an access token of its own.
func (r *refreshRig) opens(b *testing.B, id authn.Identity) {
	b.Helper()
	signed, err := r.service.tokens.Issue(token.Claims{Subject: id.Account, Family: id.Via.Family, Scope: needs(webScope)})
	if err != nil {
		b.Fatal(err)
	}
	if _, err := r.door.tokens.Verify(signed.Text); err != nil {
		b.Fatal(err)
	}
}

// memoryDir is on no disk, if there is such a thing: a million writes would take
// one an hour.
func memoryDir(b *testing.B) string {
	b.Helper()
	if dir, err := os.MkdirTemp("/dev/shm", "regate-bench-"); err == nil {
		b.Cleanup(func() { _ = os.RemoveAll(dir) })
		return dir
	}
	return b.TempDir()
}

// openIn has the book, and what is revoked, in a state of its own.
func (r *refreshRig) openIn(b *testing.B, dir string) {
	b.Helper()
	store, err := local.Open(b.Context(), local.Config{Path: dir + "/state"}, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = store.Close() })
	r.store = store
	r.book = secret.New(store, r.Now, nil)
	r.parts.Book = r.book
	r.restart(b)
}

// heap is how much memory is in use after all that can be has been given back.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
