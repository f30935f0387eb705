package gate

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap/zapcore"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/password"
	"github.com/regate/regate/authsvc/token"
	"github.com/regate/regate/configs"
	"github.com/regate/regate/internal/oci"
	"github.com/regate/regate/internal/state"
	"github.com/regate/regate/internal/state/local"
)

// Each part does its work elsewhere and has its tests there. These say that
// the gate really has it, and has it at the right place.

func TestLoginBodiesAreBounded(t *testing.T) {
	t.Parallel()
	g := start(t, config(t, "http://127.0.0.1:1", ""))
	body := strings.NewReader("scope=" + strings.Repeat("a", 64<<10))
	res, err := g.https.Post("https://"+g.Addrs["https"]+"/auth", "application/x-www-form-urlencoded", body)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("POST /auth of more than 64 KiB: %s, want 413", res.Status)
	}
}

// TestUnknownAccountsAreCompared: where nobody compares, nobody waits, and no
// queue is ever full.
func TestUnknownAccountsAreCompared(t *testing.T) {
	t.Parallel()
	_, p := startOpen(t, changed(t, config(t, "http://127.0.0.1:1", ""), "$2a$04$", "$2a$12$"))
	next := &generation{file: p.first, known: p.knownLogins(p.first)}
	service, err := p.service(next, token.NewIssuer(p.first.Auth.Token, token.Parts{Keys: p.ring, Revoked: p.revoked}))
	if err != nil {
		t.Fatal(err)
	}
	ctx, enough := context.WithCancel(t.Context())
	defer enough()
	var busy atomic.Bool
	var all sync.WaitGroup
	for i := range 512 + runtime.GOMAXPROCS(0) { // twice the queue
		all.Go(func() {
			r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/auth", nil)
			r.SetBasicAuth("nobody", fmt.Sprint("guess ", i)) // equal ones would share a comparison
			if err := service.ServeToken(httptest.NewRecorder(), r); oci.AsError(err).Kind == oci.TooMany {
				busy.Store(true)
				enough()
			}
		})
	}
	all.Wait()
	if !busy.Load() {
		t.Error("no login of an unknown account had to wait")
	}
}

// TestKeysAreSealed reads the state as somebody would who has stolen it.
func TestKeysAreSealed(t *testing.T) {
	t.Parallel()
	g := start(t, config(t, "http://127.0.0.1:1", ""))
	g.stop()
	g.ends()
	cfg := local.Config{Path: g.State}
	raw, err := local.Open(t.Context(), cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	key, err := cfg.Key()
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string]int{}
	for e, err := range raw.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		area, _, _ := strings.Cut(e.Key, "/")
		keys[area]++
		sealed := len(e.Data) > 5 && fmt.Sprintf("%x", e.Data[1:5]) == key.ID()
		if !sealed && (area == "keys" || area == "tls" || strings.Contains(string(e.Data), "PRIVATE KEY")) {
			t.Errorf("%s is not sealed: %.60q", e.Key, e.Data)
		}
	}
	if keys["keys"] == 0 || keys["tls"] == 0 {
		t.Errorf("entries by area: %v; want some in keys and tls", keys)
	}
}

// TestRulesSeeTheClient: behind a proxy a rule's ip is that of whoever the
// proxy says, and not of the proxy.
func TestRulesSeeTheClient(t *testing.T) {
	t.Parallel()
	path := changed(t, config(t, "http://127.0.0.1:1", ""), "drain: 10s", `drain: 10s, trusted_proxies: ["127.0.0.0/8"]`)
	g := start(t, changed(t, path, `{account: "dev"}`, `{account: "dev", ip: "203.0.113.0/24"}`))
	for from, want := range map[string]bool{"203.0.113.7": true, "198.51.100.7": false} {
		_, body, _ := g.get("https", "/auth?scope=repository:a:pull", "Authorization", basic, "X-Forwarded-For", from)
		if got := strings.Contains(body, `"scope":"repository:a:pull"`); got != want {
			t.Errorf("from %s the rule matches: %v, want %v; the answer: %s", from, got, want, body)
		}
	}
}

// TestOtherGatesAreFollowed: what another gate writes to the state is taken
// over by the workers.
func TestOtherGatesAreFollowed(t *testing.T) {
	t.Parallel()
	g, p := startOpen(t, config(t, registry(t, "first").URL, ""))
	t.Run("revocations", func(t *testing.T) {
		bearer := "Bearer " + g.token("repository:a:pull")
		if status, _, _ := g.get("https", "/v2/a/manifests/1", "Authorization", bearer); status != 200 {
			t.Fatalf("before the revocation: %d", status)
		}
		until := fmt.Sprint(time.Now().Unix() + 1)
		if _, err := p.store.Put(t.Context(), "revoked/subject/dev", []byte(until), state.PutOpts{}); err != nil {
			t.Fatal(err)
		}
		g.until("the token is refused", func() bool {
			status, _, _ := g.get("https", "/v2/a/manifests/1", "Authorization", bearer)
			return status == 401
		})
	})
	t.Run("token keys", func(t *testing.T) {
		_, before, _ := g.get("https", "/.well-known/jwks.json")
		for e, err := range p.store.List(t.Context(), "keys/token/leaves/") {
			if err != nil {
				t.Fatal(err)
			}
			if err := p.store.Delete(t.Context(), e.Key, 0); err != nil {
				t.Fatal(err)
			}
		}
		g.until("there is another key", func() bool {
			_, now, _ := g.get("https", "/.well-known/jwks.json")
			return now != before
		})
	})
}

// TestOldGenerationEnds: after a reload nothing stays connected to a registry
// that is no longer there.
func TestOldGenerationEnds(t *testing.T) {
	t.Parallel()
	var open atomic.Int64
	first := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "first") }))
	first.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		switch s {
		case http.StateNew:
			open.Add(1)
		case http.StateClosed:
			open.Add(-1)
		}
	}
	first.Start()
	defer first.Close()
	g := start(t, config(t, first.URL, ""))
	tok := g.token("repository:a:pull")
	if _, body, _ := g.get("https", "/v2/a/manifests/1", "Authorization", "Bearer "+tok); body != "first" || open.Load() == 0 {
		t.Fatalf("got %q over %d connections", body, open.Load())
	}
	g.edit(first.URL, registry(t, "second").URL)
	g.reload <- syscall.SIGHUP
	g.until("no connection to the first registry", func() bool { return open.Load() == 0 })
}

// TestOldProbesEnd has a registry that never answers the probe of a generation
// that is gone. Only a probe that ran into its own time-out is logged.
func TestOldProbesEnd(t *testing.T) {
	t.Parallel()
	begun, ended := make(chan struct{}, 1), make(chan struct{}, 1)
	first := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		begun <- struct{}{}
		<-r.Context().Done()
		ended <- struct{}{}
	}))
	defer first.Close()
	g := start(t, changed(t, config(t, first.URL, ""), `"]}}`, `"], auth: {mode: forward, check: false}}}`))
	<-begun
	g.edit(first.URL, registry(t, "second").URL)
	g.reload <- syscall.SIGHUP
	<-ended
	g.stop()
	g.ends()
	if g.logged("probe failed") {
		t.Error("the probe of the old generation ran on until its time was up")
	}
}

// TestNewFilesAreFollowed: a file that only the configuration after the first
// one names is watched as well.
func TestNewFilesAreFollowed(t *testing.T) {
	t.Parallel()
	var shown atomic.Value
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, password, _ := r.BasicAuth()
		shown.Store(password)
	}))
	defer srv.Close()
	g := start(t, config(t, srv.URL, ""))
	tok := g.token("repository:a:pull")
	shows := func(password string) func() bool {
		return func() bool {
			g.get("https", "/v2/a/manifests/1", "Authorization", "Bearer "+tok)
			return shown.Load() == password
		}
	}
	file := filepath.Join(t.TempDir(), "password")
	write(t, file, "one")
	g.edit(`"]}}`, `"], auth: {mode: basic, username: gate, password_file: "`+file+`"}}}`)
	g.until("the password in the file", shows("one"))
	write(t, file, "two")
	g.until("the password after an edit of the file", shows("two"))
}

// TestRefusedReloadHasChangedNothing has a mistake that only the last part of
// the next generation can find.
func TestRefusedReloadHasChangedNothing(t *testing.T) {
	t.Parallel()
	g, p := startOpen(t, changed(t, config(t, "http://127.0.0.1:1", ""), "hosts: [127.0.0.1]", "hosts: [127.0.0.1, old.test]"))
	live := p.board.live.Load()
	g.edit(", old.test]", "]")
	g.edit("log: {", "log: {level: debug, ")
	g.edit(`"]}}`, `"], auth: {mode: basic, username: gate, password_file: /nowhere/password}}}`)
	err := p.reload(t.Context())
	if err == nil || !strings.Contains(err.Error(), "/nowhere/password") {
		t.Fatalf("reload() = %v", err)
	}
	if p.board.live.Load() != live {
		t.Error("another generation serves")
	}
	if p.level.Level() == zapcore.DebugLevel {
		t.Error("the level of the log has changed")
	}
	if n := len(p.certs.Certificates()); n != 2 {
		t.Errorf("there are certificates for %d hosts, want 2 as before", n)
	}
}

func TestNeedsRestart(t *testing.T) {
	for _, tt := range []struct {
		want   string
		change func(*configs.File)
	}{
		{"", func(*configs.File) {}},
		{"", func(f *configs.File) { f.Log.Level = "debug" }},
		{"", func(f *configs.File) { f.TLS.Hosts = append(f.TLS.Hosts, "new.test") }},
		{"listen.grace", func(f *configs.File) { f.Listen.Grace++ }},
		{"state.key_file", func(f *configs.File) { f.State.KeyFile = "/elsewhere" }},
		{"tls.mode", func(f *configs.File) { f.TLS.Mode = "files" }},
		{"tls.min_version", func(f *configs.File) { f.TLS.MinVersion = "1.3" }},
		{"log.format", func(f *configs.File) { f.Log.Format = "console" }},
		{"auth.token.root", func(f *configs.File) { f.Auth.Token.Root.Cert = "/elsewhere" }},
		{"auth.token.root", func(f *configs.File) { f.Auth.Token.RootFile = "/elsewhere" }},
	} {
		path := config(t, "http://127.0.0.1:1", "")
		was, err := configs.Load(path)
		if err != nil {
			t.Fatal(err)
		}
		is, err := configs.Load(path)
		if err != nil {
			t.Fatal(err)
		}
		tt.change(is)
		if got := strings.Join(needsRestart(was, is), ", "); got != tt.want {
			t.Errorf("needsRestart() = %q, want %q", got, tt.want)
		}
	}
}

// TestNeedsRestartOfAFleet: two readings of the same section are the same.
func TestNeedsRestartOfAFleet(t *testing.T) {
	path := changed(t, config(t, "http://127.0.0.1:1", ""), "}\nlog:", `, redis: {addrs: ["127.0.0.1:1"], key_file: /k, tls: {ca: /c}}}`+"\nlog:")
	load := func() *configs.File {
		file, err := configs.Load(path)
		if err != nil {
			t.Fatal(err)
		}
		return file
	}
	for _, tt := range []struct {
		want   bool
		change func(*configs.State)
	}{
		{false, func(*configs.State) {}},
		{true, func(s *configs.State) { s.Redis.Addrs[0] = "127.0.0.1:2" }},
		{true, func(s *configs.State) { s.Redis.TLS.CA = "/elsewhere" }},
		{true, func(s *configs.State) { s.Redis = nil }},
	} {
		was, is := load(), load()
		tt.change(&is.State)
		if got := len(needsRestart(was, is)) > 0; got != tt.want {
			t.Errorf("needsRestart() = %q, want one: %v", needsRestart(was, is), tt.want)
		}
	}
}

// A default that is written out is no change.
func TestModeWrittenOutNeedsNoRestart(t *testing.T) {
	was, is := new(configs.File), new(configs.File)
	if is.TLS.Mode = "acme"; len(needsRestart(was, is)) > 0 {
		t.Errorf("needsRestart() = %q", needsRestart(was, is))
	}
}

// TestReloadKeepsGoodPasswords: while accounts stay as they are, nobody has to
// be compared anew; after a hash has changed, everybody has.
func TestReloadKeepsGoodPasswords(t *testing.T) {
	g, p := startOpen(t, config(t, "http://127.0.0.1:1", ""))
	known := func() *password.Cache[authn.Identity] { return p.board.live.Load().known }
	reload := func() {
		if err := p.reload(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	first := known()
	g.edit(`["*"]`, `["pull"]`)
	reload()
	if known() != first {
		t.Error("a reload of the rules forgets all good passwords")
	}
	g.edit(devHash, strings.Replace(devHash, "$2a$", "$2b$", 1))
	reload()
	if known() == first {
		t.Error("a changed account keeps its good passwords")
	}
	second := known()
	g.edit("  acl:", "  ext_auth: {command: sh, args: [-c, exit 2]}\n  acl:")
	reload()
	if known() == second {
		t.Error("another back end keeps the good passwords of those before it")
	}
}
