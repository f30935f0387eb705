package e2e

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/regate/regate/e2e/testbed"
)

// A replica is one of the servers of a registry, behind a way to it that can
// be watched and cut.
type replica struct {
	*testbed.Registry
	way *way
}

// A way leads from a gate to a registry.
type way struct {
	server *http.Server

	mu   sync.Mutex // guards hook
	hook func(*http.Request)
}

// openWay leads from addr to target.
func openWay(t testing.TB, addr, target string) *way {
	t.Helper()
	to, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			for _, name := range []string{"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"} {
				r.Out.Header[name] = r.In.Header[name]
			}
			r.SetURL(to)
			r.Out.Host = r.In.Host
		},
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	w := &way{}
	w.server = &http.Server{Addr: addr, Handler: http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		hook := w.hook
		w.mu.Unlock()
		if hook != nil {
			hook(r)
		}
		proxy.ServeHTTP(out, r)
	})}
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = w.server.Serve(ln) }()
	t.Cleanup(w.cut)
	return w
}

// cut ends all that is under way, and lets nobody else in.
func (w *way) cut() { _ = w.server.Close() }

// watch has hook see each request before it goes on. It may hold it up.
func (w *way) watch(hook func(*http.Request)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hook = hook
}

// replicas are what a test wants of a registry with two servers.
type replicas struct {
	version testbed.Version
	apart   bool   // each has a store of its own
	auth    string // of the registry, in the gate's configuration
	token   string // the life of tokens in auth.token; "" is as for every test
}

// life is that of tokens in rules.
const life = "expiration: 900"

// start starts a gate in front of two servers, whose secrets differ: neither
// goes on with an upload of the other's. They take turns.
func (c replicas) start(t testing.TB, e engines) (*site, [2]*replica) {
	t.Helper()
	s := &site{gate: testbed.NewGate(t, testbed.NewCA(t)), engines: e}
	store := filepath.Join(testbed.Dir(t), "store")
	var both [2]*replica
	var addrs [2]string
	for i := range both {
		addrs[i] = "http://" + testbed.LocalAddr()
	}
	s.gate.Configure(t, fmt.Sprintf("registries: {main: {upstreams: [%q, %q], balance: round_robin, auth: %s}}", addrs[0], addrs[1], cmp.Or(c.auth, "none"))+
		strings.Replace(rules(t), life, cmp.Or(c.token, life), 1))
	for i := range both {
		cfg := testbed.RegistryConfig{Version: c.version, Secret: fmt.Sprint("secret-", i), Store: store}
		if c.apart {
			cfg.Store = ""
		}
		if c.auth == "forward" {
			cfg.Auth = clientTokens(t, s.gate)
		}
		registry := testbed.StartRegistry(t, cfg)
		both[i] = &replica{registry, openWay(t, strings.TrimPrefix(addrs[i], "http://"), registry.URL)}
	}
	s.gate.Start(t)
	return s, both
}

// uploadLine is a line about an upload in the log of a registry.
var uploadLine = regexp.MustCompile(`"(GET|HEAD|PATCH|PUT|DELETE) /v2/\S+/blobs/uploads/([0-9a-f-]{36})\S* HTTP/1.1" (\d+)`)

// sessions are the uploads that a registry has had requests for, and how often.
func (r *replica) sessions() map[string]int {
	all := make(map[string]int)
	for _, m := range uploadLine.FindAllStringSubmatch(r.Log(), -1) {
		all[m[2]]++
	}
	return all
}

// TestUploadsStayTogether has clients push to servers of which each knows its
// own uploads alone.
func TestUploadsStayTogether(t *testing.T) {
	t.Parallel()
	e := startEngines(t)
	for _, v := range testbed.Versions {
		t.Run(string(v), func(t *testing.T) {
			s, both := replicas{version: v}.start(t, e)
			for _, name := range []string{"docker", "podman", "skopeo", "ctr", "crane", "regctl", "oras"} {
				c := s.client(t, name)
				if err := c.Login("admin", adminPassword); err != nil {
					t.Fatal(err)
				}
				for _, tag := range []string{"one", "two"} {
					digest, err := c.Push("team/"+name, tag)
					if err != nil {
						t.Fatalf("%s: %v", name, err)
					}
					if got, err := c.Pull("team/" + name + ":" + tag); err != nil || got != digest {
						t.Errorf("%s: pulled %s, pushed %s: %v", name, got, digest, err)
					}
				}
			}
			one, two := both[0].sessions(), both[1].sessions()
			if len(one) < 7 || len(two) < 7 {
				t.Errorf("%d and %d uploads", len(one), len(two))
			}
			for id := range one {
				if two[id] > 0 {
					t.Errorf("the upload %s came to both", id)
				}
			}
			for i, r := range both {
				if log := r.Log(); strings.Contains(log, "rg=") {
					t.Errorf("registry %d has seen a ticket", i)
				}
			}
		})
	}
}

// TestUploadOutlivesTheGate goes on with an upload over a reload and a restart
// of the gate. The servers share nothing.
func TestUploadOutlivesTheGate(t *testing.T) {
	t.Parallel()
	s, both := replicas{version: testbed.Registry3, apart: true}.start(t, engines{})
	token := s.token(t, "admin", adminPassword, "repository:team/app:pull,push")
	content := noise(3 << 20)
	at := s.do(t, "POST", s.gate.URL+"/v2/team/app/blobs/uploads/", token, nil).Header.Get("Location")
	goOn := func(method, query string, body []byte, want int) *http.Response {
		t.Helper()
		res := s.do(t, method, at+query, token, body)
		if res.StatusCode != want {
			text, _ := io.ReadAll(res.Body)
			t.Fatalf("%s: %s %s", method, res.Status, text)
		}
		if next := res.Header.Get("Location"); want != 201 {
			at = next
		}
		return res
	}
	goOn("PATCH", "", content[:1<<20], 202)
	config, err := os.ReadFile(s.gate.File)
	if err != nil {
		t.Fatal(err)
	}
	s.rewrite(t, string(config)+"# changed\n")
	eventually(t, "a reload", func() bool { return strings.Contains(s.gate.Log(), `"reloaded"`) })
	goOn("GET", "", nil, 204)

	at = s.endsAfterTheChunk(t, token, at, content[1<<20:2<<20], both)
	s.gate.Launch(t)
	eventually(t, "a new gate", func() bool {
		res, err := s.gate.CA.HTTP().Get(s.gate.URL + "/healthz")
		if err == nil {
			res.Body.Close()
		}
		return err == nil && res.StatusCode == 200
	})
	goOn("PATCH", "", content[2<<20:], 202)
	goOn("PUT", "&digest="+digestOf(content), nil, 201)

	one, two := len(both[0].sessions()), len(both[1].sessions())
	if one+two != 1 {
		t.Errorf("%d and %d uploads, want all requests at one server", one, two)
	}
	got, err := io.ReadAll(s.getBlob(t, "team/app", digestOf(content)).Body)
	if err == nil && !bytes.Equal(got, content) && len(got) > 1<<10 { // the other server says 404
		t.Error("the blob is another one")
	}
}

// endsAfterTheChunk tells the gate to end while a chunk is on its way, which it
// waits for, and returns where the upload goes on.
func (s *site) endsAfterTheChunk(t *testing.T, token, at string, content []byte, both [2]*replica) string {
	t.Helper()
	arrived := make(chan struct{}, 1)
	for _, r := range both {
		r.way.watch(func(*http.Request) { arrived <- struct{}{} })
	}
	rest, chunk := io.Pipe()
	done := make(chan *http.Response)
	go func() {
		req, _ := http.NewRequestWithContext(t.Context(), "PATCH", at, rest)
		req.Header.Set("Authorization", "Bearer "+token)
		res, err := s.gate.CA.HTTP().Do(req)
		if err != nil {
			t.Errorf("the chunk in the way of the end: %v", err)
			close(done)
			return
		}
		done <- res
	}()
	if _, err := chunk.Write(content[:1<<10]); err != nil {
		t.Fatal(err)
	}
	<-arrived
	for _, r := range both {
		r.way.watch(nil)
	}
	if err := s.gate.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	s.awaitDraining(t)
	_, _ = chunk.Write(content[1<<10:])
	chunk.Close()
	res, ok := <-done
	if !ok || res.StatusCode != 202 {
		t.Fatalf("the chunk in the way of the end: %+v", res)
	}
	s.awaitEnd(t)
	return res.Header.Get("Location")
}

// TestUploadIsBegunAnew has a server vanish in the middle of a layer, and each
// client finish its push by itself, at the other one.
func TestUploadIsBegunAnew(t *testing.T) {
	t.Parallel()
	e := startEngines(t)
	for _, name := range []string{"docker", "podman", "buildah", "crane"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, both := replicas{version: testbed.Registry3}.start(t, e)
			c := s.client(t, name)
			if err := c.Login("admin", adminPassword); err != nil {
				t.Fatal(err)
			}
			var once sync.Once
			vanished := false
			for _, r := range both {
				r.way.watch(func(req *http.Request) {
					if req.Method == http.MethodPatch {
						once.Do(func() {
							_, _ = io.CopyN(io.Discard, req.Body, 1<<10)
							_ = r.Signal(syscall.SIGKILL)
							r.way.cut()
							vanished = true
						})
					}
				})
			}
			if _, err := c.Push("team/app", "x"); err != nil {
				t.Fatal(err)
			}
			if _, err := c.Pull("team/app:x"); err != nil || !vanished {
				t.Errorf("a server has vanished: %v; %v", vanished, err)
			}
		})
	}
}
