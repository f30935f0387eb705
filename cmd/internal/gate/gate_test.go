package gate

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/regate/regate/configs"
)

var basic = "Basic " + base64.StdEncoding.EncodeToString([]byte("dev:secret"))

// registry answers every request with a manifest, and says who asks.
func registry(t *testing.T, name string) *httptest.Server {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
		_, _ = io.WriteString(w, name)
	}))
	t.Cleanup(srv.Close)
	return srv
}

func (g *running) token(scope string) string {
	g.t.Helper()
	status, body, _ := g.get("https", "/auth?scope="+scope, "Authorization", basic)
	var answer struct{ Token string }
	if err := json.Unmarshal([]byte(body), &answer); err != nil || status != 200 {
		g.t.Fatalf("/auth: %d %s", status, body)
	}
	return answer.Token
}

func TestServe(t *testing.T) {
	g := start(t, config(t, registry(t, "first").URL, ""))
	tok := g.token("repository:team/app:pull")
	for _, tt := range []struct {
		name, listener, path string
		header               []string
		wantStatus           int
		wantBody             string
		wantHeader           [2]string
	}{
		{"without a token", "https", "/v2/", nil, 401, "authentication required", [2]string{"Www-Authenticate", `Bearer realm="https://` + g.Addrs["https"] + `/auth",service="registry"`}},
		{"with one", "https", "/v2/", []string{"Authorization", "Bearer " + tok}, 200, "{}", [2]string{}},
		{"what it grants", "https", "/v2/team/app/manifests/1", []string{"Authorization", "Bearer " + tok}, 200, "first", [2]string{}},
		{"what it does not", "https", "/v2/team/other/manifests/1", []string{"Authorization", "Bearer " + tok}, 401, "may not pull from team/other", [2]string{}},
		{"docker_auth's other path", "https", "/auth/token", []string{"Authorization", basic}, 200, "access_token", [2]string{}},
		{"keys", "https", "/.well-known/jwks.json", nil, 200, `"keys"`, [2]string{"Cache-Control", "public, max-age=60"}},
		{"CA over https", "https", caPath, nil, 200, "BEGIN CERTIFICATE", [2]string{}},
		{"CA over http, under any name", "http", caPath, []string{"Host", "anything"}, 200, "BEGIN CERTIFICATE", [2]string{}},
		{"redirect", "http", "/some/page?x=1", nil, 308, "", [2]string{"Location", "https://" + g.Addrs["https"] + "/some/page?x=1"}},
		{"no redirect to others", "http", "/", []string{"Host", "evil.test"}, 404, "no such path", [2]string{}},
		{"other host", "https", "/v2/", []string{"Host", "evil.test"}, 421, "not served here", [2]string{}},
		{"health under any name", "https", "/healthz", []string{"Host", "10.0.0.1"}, 200, "ok", [2]string{}},
		{"unknown path", "https", "/", nil, 404, "no such path", [2]string{}},
		{"encoded path", "https", "/%76%32/", nil, 404, "no such path", [2]string{}},
		{"metrics stay inside", "https", "/metrics", nil, 404, "no such path", [2]string{}},
		{"ready", "admin", "/readyz", nil, 200, "ok", [2]string{}},
		{"metrics", "admin", "/metrics", nil, 200, "regate_certificate_expiry_timestamp_seconds", [2]string{}},
		{"admin has nothing else", "admin", "/debug/pprof/", nil, 404, "no such path", [2]string{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, body, header := g.get(tt.listener, tt.path, tt.header...)
			if status != tt.wantStatus || !strings.Contains(body, tt.wantBody) || header.Get(tt.wantHeader[0]) != tt.wantHeader[1] {
				t.Errorf("GET %s %s: %d %s %v; want %d %q %v", tt.listener, tt.path, status, body, header, tt.wantStatus, tt.wantBody, tt.wantHeader)
			}
		})
	}
	if g.logged(tok) || g.logged("secret") || g.logged("x=1") {
		t.Error("the log has a token, a password or a query")
	}
}

func TestReload(t *testing.T) {
	first, second := registry(t, "first"), registry(t, "second")
	for name, how := range map[string]func(g *running){
		"SIGHUP":  func(g *running) { g.reload <- syscall.SIGHUP },
		"control": func(g *running) { _, _ = NewControl(filepath.Join(g.State, "control.sock")).Reload(t.Context()) },
		"watch":   func(*running) {},
	} {
		t.Run(name, func(t *testing.T) {
			g := start(t, config(t, first.URL, ""))
			tok := g.token("repository:a:pull")
			g.edit(first.URL, second.URL)
			how(g)
			g.until("second registry", func() bool {
				_, body, _ := g.get("https", "/v2/a/manifests/1", "Authorization", "Bearer "+tok)
				return body == "second"
			})
		})
	}
}

func TestReloadOfABadFileChangesNothing(t *testing.T) {
	g := start(t, config(t, registry(t, "first").URL, ""))
	control := NewControl(filepath.Join(g.State, "control.sock"))
	for _, tt := range []struct{ name, old, with, want string }{
		{"misspelt key", "hosts:", "hots:", `regate.yaml:3: tls.hots: `},
		{"broken rule", `["*"]`, `["fly"]`, "auth.acl[0].actions[0]"},
		{"another address", `admin: "127.0.0.1:0"`, `admin: ""`, "needs a restart: listen.admin changed"},
		{"an empty list is no change", `grace: 0s,`, `grace: 0s, trusted_proxies: [],`, ""},
		{"another state", "state: {path: ", "state: {path: /nowhere", "needs a restart: state.path changed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g.edit(tt.old, tt.with)
			_, err := control.Reload(t.Context())
			if tt.want == "" {
				if err != nil {
					t.Errorf("Reload() = %v", err)
				}
				g.edit(tt.with, tt.old)
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Reload() = %v, want %q", err, tt.want)
			}
			if status, _, _ := g.get("https", "/auth", "Authorization", basic); status != 200 {
				t.Errorf("/auth after a bad reload: %d", status)
			}
			if _, body, _ := g.get("admin", "/metrics"); !strings.Contains(body, "regate_reload_successful 0") {
				t.Error("the metrics do not tell of it")
			}
			g.edit(tt.with, tt.old)
			if _, err := control.Reload(t.Context()); err != nil {
				t.Fatalf("Reload() of the good file: %v", err)
			}
		})
	}
	if !g.logged("reload refused") {
		t.Error("the log does not tell of it")
	}
}

func TestReloadThatPanicsChangesNothing(t *testing.T) {
	g, p := startOpen(t, config(t, registry(t, "first").URL, ""))
	before := p.board.live.Load()
	certs := p.certs
	p.certs = nil // as if somebody had forgotten it
	err := p.reload(t.Context())
	p.certs = certs
	if err == nil || !strings.HasPrefix(err.Error(), "panic: runtime error: invalid memory address or nil pointer dereference (a bug") {
		t.Fatalf("reload() = %v", err)
	}
	if p.board.live.Load() != before {
		t.Error("another generation serves")
	}
	if status, _, _ := g.get("https", "/auth", "Authorization", basic); status != 200 {
		t.Errorf("/auth after it: %d", status)
	}
	if !g.logged(`"error":"panic: runtime error`) || !g.logged("gate.(*process).build(") {
		t.Error("the log does not tell of it, or not where")
	}
	if err := p.reload(t.Context()); err != nil {
		t.Errorf("the next reload: %v", err)
	}
}

// TestReloadThatPanicsLateLeavesNothing: the next generation is built already,
// and looks up the name of its registry again and again.
func TestReloadThatPanicsLateLeavesNothing(t *testing.T) {
	file, err := configs.Load(config(t, "http://localhost:1", ""))
	if err != nil {
		t.Fatal(err)
	}
	nowhere, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer nowhere.Close()
	p, err := open(t.Context(), Options{Path: file.Path(), Log: nowhere}, file)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	p.watch = nil
	if err := p.reload(t.Context()); err == nil || !strings.HasPrefix(err.Error(), "panic: ") || p.board.live.Load() != nil {
		t.Fatalf("reload() = %v, a generation serves: %t", err, p.board.live.Load() != nil)
	}
	ended := make(chan struct{})
	go func() { p.workers.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Error("the generation that nobody needs is still at work")
		p.stop()
	}
}

func TestMistakesAreSaidAtStart(t *testing.T) {
	path := config(t, "http://127.0.0.1:1", "nonsense: 1")
	var mistakes *configs.Error
	if err := Serve(t.Context(), Options{Path: path, Log: os.Stderr}); !errors.As(err, &mistakes) {
		t.Errorf("Serve() = %v", err)
	}
}

func TestControlSocketIsItsOwners(t *testing.T) {
	g := start(t, config(t, "http://127.0.0.1:1", ""))
	info, err := os.Stat(filepath.Join(g.State, "control.sock"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("control socket: %v, %v", info.Mode(), err)
	}
	pem, err := NewControl(filepath.Join(g.State, "control.sock")).Root(t.Context())
	want, _ := os.ReadFile(g.RootFile)
	if err != nil || string(pem) != string(want) || len(pem) == 0 {
		t.Errorf("Root() = %q, %v", pem, err)
	}
	g.until("line with the caller", func() bool {
		_, _ = NewControl(filepath.Join(g.State, "control.sock")).Reload(t.Context())
		return g.logged("uid ")
	})
}

func TestNoGateIsRunning(t *testing.T) {
	dir := t.TempDir()
	if _, err := NewControl(filepath.Join(dir, "control.sock")).Reload(t.Context()); !errors.Is(err, ErrNotRunning) {
		t.Errorf("Reload() without a socket = %v", err)
	}
	l, err := listenControl(filepath.Join(dir, "control.sock"))
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close() // a gate that was killed leaves the name behind
	if _, err := NewControl(filepath.Join(dir, "control.sock")).Reload(t.Context()); !errors.Is(err, ErrNotRunning) {
		t.Errorf("Reload() with a dead socket = %v", err)
	}
	if l, err = listenControl(filepath.Join(dir, "control.sock")); err != nil {
		t.Fatalf("a dead socket is in the way: %v", err)
	}
	_ = l.Close()
}

// TestDrain: health says 503, a running transfer ends well, and then Serve
// returns. Until the grace is over it has to be seen at the address of the
// gate; the admin listener answers as long as the transfer runs.
func TestDrain(t *testing.T) {
	t.Parallel() // it takes its time
	half, rest := make(chan struct{}), make(chan struct{})
	finish := sync.OnceFunc(func() { close(rest) })
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "8")
		_, _ = io.WriteString(w, "half")
		w.(http.Flusher).Flush()
		close(half)
		<-rest
		_, _ = io.WriteString(w, "rest")
	}))
	defer srv.Close()
	defer finish()
	g := start(t, changed(t, config(t, srv.URL, ""), "grace: 0s, drain: 10s", "grace: 3s, drain: 1m"))
	tok := g.token("repository:a:pull")

	got := make(chan string, 1)
	go func() {
		_, body, _ := g.get("https", "/v2/a/manifests/1", "Authorization", "Bearer "+tok)
		got <- body
	}()
	<-half
	g.stop()
	g.untilStatus("https://"+g.Addrs["https"]+"/healthz", 503)
	g.untilStatus("http://"+g.Addrs["admin"]+"/readyz", 503)
	g.untilStatus("http://"+g.Addrs["admin"]+"/healthz", 200)
	finish()
	if body := <-got; body != "halfrest" {
		t.Errorf("the running transfer ended as %q", body)
	}
	g.ends()
}

// TestProxiedTrustsNobodyElse: behind a balancer the https listener speaks
// plain HTTP to it and closes to others.
func TestProxiedTrustsNobodyElse(t *testing.T) {
	for from, want := range map[string]bool{"127.0.0.0/8": true, "192.0.2.0/24": false} {
		path := config(t, "http://127.0.0.1:1", "")
		text, _ := os.ReadFile(path)
		s := strings.Replace(string(text), "drain: 10s}", `drain: 10s, public_url: "https://gate.test", trusted_proxies: ["`+from+`"]}`, 1)
		write(t, path, strings.Replace(s, "{hosts: [127.0.0.1], mode: internal}", "{mode: proxied}", 1))
		g := startPlain(t, path)
		c, err := net.DialTimeout("tcp", g.Addrs["https"], patience)
		if !want && errors.Is(err, syscall.ECONNRESET) { // before it was even open
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(time.Now().Add(patience))
		_, _ = io.WriteString(c, "GET /v2/ HTTP/1.1\r\nHost: gate.test\r\nConnection: close\r\n\r\n")
		answer, _ := io.ReadAll(c)
		_ = c.Close()
		if got := strings.Contains(string(answer), `realm="https://gate.test/auth"`); got != want {
			t.Errorf("from a peer that is trusted: %v, answered: %q", want, answer)
		}
	}
}

// TestStopsBesideAnUncheckedRegistry: its probes go on until the gate ends.
func TestStopsBesideAnUncheckedRegistry(t *testing.T) {
	g := start(t, changed(t, config(t, "http://127.0.0.1:1", ""), `"]}}`, `"], auth: {mode: forward, check: false}}}`))
	g.stop()
	g.ends()
}

// TestLostKeyIsNotReplaced: with another key, what is in the state could never
// be read again.
func TestLostKeyIsNotReplaced(t *testing.T) {
	path := config(t, "http://127.0.0.1:1", "")
	g := start(t, path)
	g.stop()
	g.ends()
	key := filepath.Join(g.State, "state.key")
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	err := Serve(t.Context(), Options{Path: path, Log: os.Stderr})
	if err == nil || !strings.Contains(err.Error(), key+" is missing") {
		t.Errorf("Serve() = %v", err)
	}
	if _, err := os.Stat(key); err == nil {
		t.Error("another key was made")
	}
}

// TestCheckReadsFiles: what Serve would refuse is found before.
func TestCheckReadsFiles(t *testing.T) {
	const redis = "state: {redis: {addrs: [127.0.0.1:1], key_file: /nowhere/k, tls: {ca: /nowhere/c}}, "
	for _, tt := range []struct{ name, old, with, want string }{
		{"nothing wrong", "mode: internal", "mode: internal", ""},
		{"certificate", "mode: internal", "mode: files, files: [{cert: /nowhere/c, key: /nowhere/k}]", "tls.files[0].cert: open /nowhere/c"},
		{"CA", "mode: internal", "mode: internal, internal: {ca_cert: /nowhere/c, ca_key: /nowhere/k}", "tls.internal: open /nowhere/c"},
		{"password", `:1"]}`, `:1"], auth: {mode: basic, username: u, password_file: /nowhere/p}}`, "registries.main.auth.password_file: open /nowhere/p"},
		{"token root", "auth:", "auth:\n  token: {root: {cert: /nowhere/c, key: /nowhere/k}}", "auth.token.root: token root /nowhere/c"},
		{"state key", "state: {", "state: {key_file: /nowhere/k, ", "state.key_file: state key: open /nowhere/k"},
		{"shared key", "state: {", redis, "state.redis.key_file: state key: open /nowhere/k"},
		{"CA of redis", "state: {", redis, "state.redis.tls.ca: open /nowhere/c"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := config(t, "http://127.0.0.1:1", "")
			text, _ := os.ReadFile(path)
			write(t, path, strings.Replace(string(text), tt.old, tt.with, 1))
			file, err := configs.Load(path)
			if err != nil {
				t.Fatal(err)
			}
			err = Check(file)
			if tt.want == "" && err == nil {
				return
			}
			if err == nil || tt.want == "" || !strings.Contains(err.Error(), ": "+tt.want) {
				t.Errorf("Check() = %v, want %q", err, tt.want)
			}
		})
	}
}

func TestControlTakesNoOtherFilesPlace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control.sock")
	write(t, path, "precious")
	if _, err := listenControl(path); err == nil {
		t.Error("a file was replaced by the control socket")
	}
	if text, _ := os.ReadFile(path); string(text) != "precious" {
		t.Errorf("the file holds %q", text)
	}
}

// TestNewCAIsSaid: clients have to be given another certificate, and somebody
// has to know its fingerprint.
func TestNewCAIsSaid(t *testing.T) {
	g := start(t, config(t, "http://127.0.0.1:1", ""))
	g.edit("mode: internal", "mode: internal, internal: {name: another}")
	if _, err := NewControl(filepath.Join(g.State, "control.sock")).Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	text, _ := os.ReadFile(g.log)
	if n := strings.Count(string(text), "clients must trust the CA"); n != 2 {
		t.Errorf("the log names a CA %d times, want at start and after the reload:\n%s", n, text)
	}
}
