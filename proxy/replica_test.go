package proxy

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/regate/regate/internal/oci"
	"github.com/regate/regate/proxy/upstream"
)

// A store is what replicas share: blobs, and manifests by their tags. It is
// a registry as far as these tests go.
type store struct {
	mu    sync.Mutex // guards what follows
	blobs map[string][]byte
	tags  map[string][]byte
}

func newStore() *store {
	return &store{blobs: make(map[string][]byte), tags: make(map[string][]byte)}
}

func (s *store) put(content []byte) (digest string) {
	sum := sha256.Sum256(content)
	digest = "sha256:" + hex.EncodeToString(sum[:])
	s.mu.Lock()
	defer s.mu.Unlock()
	s.blobs[digest] = content
	return digest
}

func (s *store) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	dir, name, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v2/team/app/"), "/")
	kept := map[string]map[string][]byte{"blobs": s.blobs, "manifests": s.tags}[dir]
	content, known := kept[name]
	w.Header().Set("Content-Type", "application/octet-stream")
	switch {
	case r.Method == http.MethodPut && dir == "manifests":
		s.tags[name] = body
		w.Header().Set("Location", r.URL.Path)
		w.WriteHeader(http.StatusCreated)
	case r.Method == http.MethodPut: // the end of an upload, whose body is the blob
		s.blobs[r.URL.Query().Get("digest")] = body
		w.WriteHeader(http.StatusCreated)
	case r.Method == http.MethodPost:
		w.Header().Set("Location", r.URL.Path+someUpload)
		w.WriteHeader(http.StatusAccepted)
	case !known:
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, `{"errors":[{"code":"BLOB_UNKNOWN"}]}`)
	case r.Method == http.MethodDelete:
		delete(kept, name)
		w.WriteHeader(http.StatusAccepted)
	default:
		if dir == "blobs" {
			w.Header().Set("Docker-Content-Digest", name)
			w.Header().Set("Etag", strconv.Quote(name))
		}
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
	}
}

// A fault is what a replica does with one request.
type fault int

const (
	none       fault = iota
	refuse           // ends the connection at once
	halfHeader       // and then ends it
	unavailable503
	midBody // ends it after some of the body
	late    // does what it is asked, and ends the connection before the answer
	other   // another replica's answer, of something else
	faults

	forbidden // does what it is asked, and then refuses the gate
	elsewhere // has its blobs in an object storage
	toTLS     // is to be asked over TLS
)

// faultOf says what a replica does with a request, and after how many bytes it
// ends a body in whose middle it does.
type faultOf func(r *http.Request) (f fault, cut int)

// A replica is a server of a store, with faults.
type replica struct {
	*httptest.Server
	store *store
	fault faultOf

	mu   sync.Mutex // guards seen
	seen int        // requests
}

func newReplica(t testing.TB, s *store) *replica {
	t.Helper()
	r := &replica{store: s, fault: func(*http.Request) (fault, int) { return none, 0 }}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	return r
}

func (r *replica) requests() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.seen
}

func (r *replica) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	r.seen++
	r.mu.Unlock()
	f, cut := r.fault(req)
	switch f {
	case refuse:
		panic(http.ErrAbortHandler)
	case halfHeader:
		raw("HTTP/1.1 200 OK\nContent-Le")(w, req)
	case unavailable503:
		status(503, "application/json", `{"errors":[{"code":"UNAVAILABLE"}]}`)(w, req)
	case late:
		r.store.ServeHTTP(httptest.NewRecorder(), req)
		panic(http.ErrAbortHandler)
	case elsewhere:
		http.Redirect(w, req, "https://s3.example/bucket/blob?X-Amz-Signature=x", http.StatusTemporaryRedirect)
	case toTLS:
		http.Redirect(w, req, "https://"+req.Host+req.RequestURI, http.StatusTemporaryRedirect)
	case forbidden:
		r.store.ServeHTTP(httptest.NewRecorder(), req)
		status(403, "application/json", `{"errors":[{"code":"DENIED"}]}`)(w, req)
	case other:
		status(206, "application/octet-stream", "something else", "Content-Range", "bytes 0-13/14")(w, req)
	case midBody:
		r.store.ServeHTTP(&cutter{ResponseWriter: w, left: cut}, req)
	default:
		r.store.ServeHTTP(w, req)
	}
}

// inOrder has requests meet faults in the order in which they are sent,
// whichever replicas they are sent to.
func inOrder(replicas []*replica, list ...fault) {
	var mu sync.Mutex // guards list
	for _, r := range replicas {
		r.fault = func(*http.Request) (f fault, cut int) {
			mu.Lock()
			defer mu.Unlock()
			if len(list) > 0 {
				f, list = list[0], list[1:]
			}
			return f, 1000
		}
	}
}

// A cutter ends the connection in the middle of a body.
type cutter struct {
	http.ResponseWriter
	left int
}

func (c *cutter) Write(p []byte) (int, error) {
	if len(p) < c.left {
		c.left -= len(p)
		return c.ResponseWriter.Write(p)
	}
	_, _ = c.ResponseWriter.Write(p[:c.left])
	_ = http.NewResponseController(c.ResponseWriter).Flush()
	panic(http.ErrAbortHandler)
}

// newReplicas puts a gate in front of n replicas of a store.
func newReplicas(t testing.TB, n int, s setup) (*rig, *store, []*replica) {
	t.Helper()
	shared := newStore()
	var all []*replica
	for range n {
		r := newReplica(t, shared)
		all = append(all, r)
		s.config.Upstreams = append(s.config.Upstreams, r.URL)
	}
	if s.config.Balance == "" {
		s.config.Balance = upstream.RoundRobin
	}
	return newRig(t, http.NotFound, s), shared, all
}

var retryTests = []struct {
	name     string
	call     call
	faults   []fault // of the first n requests, whichever replicas get them
	want     int
	wantSeen int // requests
}{
	{"read of one that refuses", call{path: "/v2/team/app/manifests/x"}, []fault{refuse}, 200, 2},
	{"read of one that breaks off in the header", call{path: "/v2/team/app/manifests/x"}, []fault{halfHeader}, 200, 2},
	{"read of three of them", call{path: "/v2/team/app/manifests/x"}, []fault{refuse, unavailable503, halfHeader}, 200, 4},
	{"manifest that breaks off", call{path: "/v2/team/app/manifests/x"}, []fault{midBody}, 200, 2},
	{"read of one that is not well", call{method: "HEAD", path: "/v2/team/app/manifests/x"}, []fault{unavailable503}, 200, 2},
	{"read of all that are not well", call{path: "/v2/team/app/manifests/x"}, []fault{unavailable503, unavailable503, unavailable503, unavailable503}, 503, 4},
	{"read of what is not there", call{path: "/v2/team/app/manifests/none"}, nil, 404, 1},
	{"beginning of an upload", call{method: "POST", path: uploads}, []fault{refuse}, 202, 2},
	{"delete that was not done", call{method: "DELETE", path: blobs + someDigest}, []fault{refuse}, 202, 2},
	{"delete that was done", call{method: "DELETE", path: blobs + someDigest}, []fault{late}, 202, 2},
	{"delete of what is not there", call{method: "DELETE", path: "/v2/team/app/manifests/none"}, nil, 404, 1},
	{"delete of what is not there, at one that did nothing", call{method: "DELETE", path: "/v2/team/app/manifests/none"}, []fault{unavailable503}, 404, 2},
	{"manifest that is pushed", call{method: "PUT", path: "/v2/team/app/manifests/y", body: strings.NewReader("{}")}, []fault{refuse}, 201, 2},
	{"manifest that is pushed twice", call{method: "PUT", path: "/v2/team/app/manifests/y", body: strings.NewReader("{}")}, []fault{late, unavailable503}, 201, 3},
	{"upload with a body", call{method: "POST", path: uploads, body: strings.NewReader("body")}, []fault{late}, 504, 1},
}

func TestRetries(t *testing.T) {
	for _, tt := range retryTests {
		t.Run(tt.name, func(t *testing.T) {
			g, s, replicas := newReplicas(t, 4, setup{})
			s.blobs[someDigest] = nil
			s.tags["x"] = bytes.Repeat([]byte("manifest"), 1000)
			inOrder(replicas, tt.faults...)
			if text, ok := tt.call.body.(*strings.Reader); ok {
				_, _ = text.Seek(0, io.SeekStart)
			}
			c := tt.call
			c.auth = bearer("ann", everything)
			res, body, cut := g.do(t, c)
			if cut || res.StatusCode != tt.want {
				t.Fatalf("answer %v %s (broken off: %v), want %d", res, body, cut, tt.want)
			}
			seen := 0
			for _, r := range replicas {
				n := r.requests()
				if seen += n; n > 1 {
					t.Errorf("one replica was asked %d times", n)
				}
			}
			if seen != tt.wantSeen {
				t.Errorf("%d requests were sent, want %d", seen, tt.wantSeen)
			}
			g.line(t) // by when all is over
			for _, state := range g.states(t) {
				if state.Busy != 0 {
					t.Errorf("%s is still busy with %d requests", state.Upstream, state.Busy)
				}
			}
			if c.method == "" && tt.want == 200 && body != string(s.tags["x"]) {
				t.Errorf("%d bytes arrived, which are not the manifest", len(body))
			}
			if c.method == "PUT" && string(s.tags["y"]) != "{}" {
				t.Errorf("the manifest is %q now", s.tags["y"])
			}
		})
	}
}

// states are those of the registry's servers.
func (g *rig) states(t testing.TB) []upstream.State {
	t.Helper()
	req, err := oci.Parse("GET", blobs+someDigest)
	if err != nil {
		t.Fatal(err)
	}
	route, err := g.gateway.routes.Find(g.host(), req)
	if err != nil {
		t.Fatal(err)
	}
	return route.Pool.States()
}

// TestNoReplicaIsThere has servers that are gone: what had not been sent goes to
// the one that is left, a body as well.
func TestNoReplicaIsThere(t *testing.T) {
	g, _, replicas := newReplicas(t, 4, setup{})
	for _, r := range replicas[1:] {
		r.Close()
	}
	for range 8 {
		for _, c := range []call{
			{method: "POST", path: uploads, body: io.MultiReader(strings.NewReader("body"))},
			{method: "PUT", path: "/v2/team/app/manifests/x", body: strings.NewReader("{}")},
			{path: "/v2/team/app/manifests/x"},
		} {
			c.auth = bearer("ann", everything)
			if res, body, _ := g.do(t, c); res == nil || res.StatusCode >= 300 {
				t.Errorf("%s: answer %v %s", c.method, res, body)
			}
		}
	}
	replicas[0].Close()
	res, body, _ := g.do(t, call{path: "/v2/team/app/manifests/x", auth: bearer("ann", everything)})
	if res.StatusCode != 504 && res.StatusCode != 503 {
		t.Errorf("with none left: answer %d %s", res.StatusCode, body)
	}
}

// TestRandomFaults has clients pull from replicas that do whatever: each sees
// the right bytes, all of them, or an error, or a broken transfer.
func TestRandomFaults(t *testing.T) {
	const seed = 7
	random := rand.New(rand.NewPCG(seed, seed))
	var mu sync.Mutex // guards random and the counts
	g, s, replicas := newReplicas(t, 4, setup{config: upstream.Config{Health: upstream.Health{MaxFailures: 100}}})
	contents := make(map[string][]byte)
	for _, n := range []int{0, 1, 999, 20_000, 33_000, 270_000, size} {
		content := noise(n)
		contents[blobs+s.put(content)] = content
	}
	s.tags["x"] = noise(50_000)
	contents["/v2/team/app/manifests/x"] = s.tags["x"]
	for _, r := range replicas {
		r.fault = func(req *http.Request) (fault, int) {
			mu.Lock()
			defer mu.Unlock()
			f := fault(random.IntN(2 * int(faults)))
			if f >= faults || f == other && req.Header.Get("Range") == "" { // a registry that lies at once is believed
				f = none
			}
			return f, random.IntN(size)
		}
	}
	var clients sync.WaitGroup
	var whole, broken, refused int
	for range 4 {
		clients.Go(func() {
			for range 30 {
				for path, content := range contents { // in any order
					res, body, cut := g.do(t, call{path: path, auth: bearer("ann", everything)})
					mu.Lock()
					switch {
					case res == nil:
						t.Errorf("%s: %s", path, body)
					case res.StatusCode == 200 && !cut && body == string(content):
						whole++
					case res.StatusCode == 200 && cut && bytes.HasPrefix(content, []byte(body)):
						broken++
					case res.StatusCode >= 502 && !cut:
						refused++
					default:
						t.Errorf("%s: %d with %d bytes of %d, broken off: %v", path, res.StatusCode, len(body), len(content), cut)
					}
					mu.Unlock()
				}
			}
		})
	}
	clients.Wait()
	t.Logf("%d whole, %d broken off, %d refused", whole, broken, refused)
	if whole < 9*(broken+refused) {
		t.Errorf("only %d were whole, %d broken off, %d refused", whole, broken, refused)
	}
}

// BenchmarkReplicas is BenchmarkManifest with two servers to choose from.
func BenchmarkReplicas(b *testing.B) {
	g, s, _ := newReplicas(b, 2, setup{})
	s.tags["x"] = noise(2 << 10)
	client := benchClient(b, g)
	b.ReportAllocs()
	for b.Loop() {
		req, _ := http.NewRequest("GET", g.URL+"/v2/team/app/manifests/x", nil)
		req.Header.Set("Authorization", bearer("ann", puller))
		res, err := client.Do(req)
		if err != nil || res.StatusCode != 200 {
			b.Fatal(res, err)
		}
		if _, err := io.Copy(io.Discard, res.Body); err != nil {
			b.Fatal(err)
		}
		_ = res.Body.Close()
	}
}
