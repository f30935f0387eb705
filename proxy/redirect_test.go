package proxy

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/regate/regate/internal/oci"
	"github.com/regate/regate/proxy/upstream"
	"github.com/regate/regate/proxy/upstream/storage"
)

// A bucket is an object store with one blob, which opens for presigned URLs
// alone, and for nobody who shows more than those.
type bucket struct {
	*httptest.Server
	text    []byte
	digest  string
	blobURL string // the path that registries and clients have
	key     []byte

	mu     sync.Mutex // guards seen
	seen   []*http.Request
	answer http.HandlerFunc // instead of the blob
}

const etagOfBucket = `"d41d8cd98f00b204e9800998ecf8427e-1"`

func newBucket(t *testing.T) *bucket {
	b := &bucket{text: bytes.Repeat([]byte("0123456789abcdef"), 1<<14), key: []byte("of the bucket")}
	sum := sha256.Sum256(b.text)
	b.digest = "sha256:" + hex.EncodeToString(sum[:])
	b.blobURL = "/v2/team/app/blobs/" + b.digest
	b.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.mu.Lock()
		b.seen = append(b.seen, r)
		answer := b.answer
		b.mu.Unlock()
		switch {
		case r.URL.Query().Get("X-Amz-Signature") != b.sign(r.Method, r.Host, r.URL.EscapedPath()):
			http.Error(w, "<Error><Code>SignatureDoesNotMatch</Code></Error>", http.StatusForbidden)
		case r.Header.Get("Authorization") != "" || r.Header.Get("Cookie") != "":
			http.Error(w, "<Error><Code>InvalidArgument</Code></Error>", http.StatusBadRequest) // as S3 does
		case answer != nil:
			answer(w, r)
		default:
			w.Header().Set("Etag", etagOfBucket)
			w.Header().Set("Content-Type", "binary/octet-stream")
			w.Header().Set("X-Amz-Request-Id", "for nobody")
			http.ServeContent(w, r, "", time.Unix(1_700_000_000, 0), bytes.NewReader(b.text))
		}
	}))
	t.Cleanup(b.Close)
	return b
}

func (b *bucket) sign(method, host, path string) string {
	mac := hmac.New(sha256.New, b.key)
	fmt.Fprint(mac, method, " ", host, " ", path)
	return hex.EncodeToString(mac.Sum(nil))
}

// presigned is what a registry redirects to.
func (b *bucket) presigned(method string) string {
	path := "/docker%20registry/blobs/" + b.digest
	return b.URL + path + "?X-Amz-Signature=" + b.sign(method, strings.TrimPrefix(b.URL, "http://"), path)
}

// redirects is a registry that has its blob there.
func (b *bucket) redirects(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != b.blobURL {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	http.Redirect(w, r, b.presigned(r.Method), http.StatusTemporaryRedirect)
}

func (b *bucket) requests() []*http.Request {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.seen
}

func (b *bucket) setAnswer(h http.HandlerFunc) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.answer = h
}

// following is a registry whose redirects to the bucket are followed.
func (b *bucket) following() setup {
	return setup{config: upstream.Config{Redirects: storage.Config{Mode: storage.Follow, Hosts: []string{b.URL}}}}
}

var followTests = []struct {
	name, method string
	header       http.Header
	status       int
	from, to     int // of the blob that is in the body
	contentRange string
}{
	{"whole", "GET", nil, 200, 0, 1 << 18, ""},
	{"HEAD", "HEAD", nil, 200, 0, 0, ""},
	{"range", "GET", http.Header{"Range": {"bytes=5-9"}}, 206, 5, 10, "bytes 5-9/262144"},
	{"end", "GET", http.Header{"Range": {"bytes=262140-"}}, 206, 262140, 262144, "bytes 262140-262143/262144"},
	{"beyond the end", "GET", http.Header{"Range": {"bytes=262144-"}}, 416, 0, 0, "bytes */262144"},
	{"known", "GET", http.Header{"If-None-Match": {`"DIGEST"`}}, 304, 0, 0, ""},
	{"known in other words", "HEAD", http.Header{"If-None-Match": {`"x", W/"DIGEST"`}}, 304, 0, 0, ""},
	{"known without quotes", "GET", http.Header{"If-None-Match": {`DIGEST`}}, 304, 0, 0, ""},
	{"known from the storage itself", "GET", http.Header{"If-None-Match": {etagOfBucket}}, 304, 0, 0, ""},
	{"not known", "GET", http.Header{"If-None-Match": {`"sha256:0000"`}}, 200, 0, 1 << 18, ""},
	{"rest of the same", "GET", http.Header{"Range": {"bytes=5-9"}, "If-Range": {`"DIGEST"`}}, 206, 5, 10, "bytes 5-9/262144"},
	{"rest of another", "GET", http.Header{"Range": {"bytes=5-9"}, "If-Range": {`"sha256:0000"`}}, 200, 0, 1 << 18, ""},
}

// TestFollow compares what clients get with what a registry without an object
// store gives them.
func TestFollow(t *testing.T) {
	protocols(t, func(t *testing.T, http2 bool) {
		b := newBucket(t)
		s := b.following()
		s.http2 = http2
		g := newRig(t, b.redirects, s)
		for _, tt := range followTests {
			t.Run(tt.name, func(t *testing.T) {
				header := http.Header{"Cookie": {"a=b"}, "X-Forwarded-For": {"192.0.2.1"}, "User-Agent": {"client/1"}}
				for k, v := range tt.header {
					header[k] = []string{strings.ReplaceAll(v[0], "DIGEST", b.digest)}
				}
				g.forget()
				res, body, cut := g.do(t, call{method: tt.method, path: b.blobURL, auth: bearer("dev", "repository:team/app:pull"), header: header})
				if cut || res.StatusCode != tt.status {
					t.Fatalf("%v %s", res, body)
				}
				if want := string(b.text[tt.from:tt.to]); tt.status < 400 && body != want {
					t.Errorf("%d bytes of a body, want %d", len(body), len(want))
				}
				b.checkHeader(t, res, tt.method)
				if got := res.Header.Get("Content-Range"); got != tt.contentRange {
					t.Errorf("Content-Range %q, want %q", got, tt.contentRange)
				}
				b.checkSeen(t)
				if line := fmt.Sprint(g.line(t)); strings.Contains(line, "Signature") || strings.Contains(line, "Amz") {
					t.Errorf("the line has the URL: %s", line)
				}
			})
		}
	})
}

// checkHeader looks for what a client needs, and for what it must not see.
func (b *bucket) checkHeader(t *testing.T, res *http.Response, method string) {
	t.Helper()
	h := res.Header
	if res.StatusCode < 400 && (h.Get("Docker-Content-Digest") != b.digest || h.Get("Etag") != `"`+b.digest+`"`) {
		t.Errorf("digest %q, tag %q", h.Get("Docker-Content-Digest"), h.Get("Etag"))
	}
	if h.Get("Location") != "" || h.Get("X-Amz-Request-Id") != "" {
		t.Errorf("header of the storage: %v", h)
	}
	switch {
	case res.StatusCode == http.StatusRequestedRangeNotSatisfiable:
		if h.Get("Content-Type") != "application/json" {
			t.Errorf("error of type %q", h.Get("Content-Type"))
		}
	case res.StatusCode == http.StatusNotModified:
	case h.Get("Content-Type") != "application/octet-stream":
		t.Errorf("type %q", h.Get("Content-Type"))
	case h.Get("Content-Length") == "" || method == http.MethodHead && h.Get("Content-Length") != strconv.Itoa(len(b.text)):
		t.Errorf("length %q", h.Get("Content-Length"))
	}
}

// checkSeen looks at the last request that the storage has had.
func (b *bucket) checkSeen(t *testing.T) {
	t.Helper()
	seen := b.requests()
	if len(seen) == 0 {
		t.Fatal("nothing reached the storage")
	}
	h := maps.Clone(seen[len(seen)-1].Header)
	for _, name := range []string{"Range", "If-Range", "If-None-Match", "User-Agent"} {
		delete(h, name)
	}
	if len(h) > 0 {
		t.Errorf("the storage saw %v", h)
	}
}

// TestPassOrFollow: it depends on where the client is.
func TestPassOrFollow(t *testing.T) {
	for _, tt := range []struct {
		name   string
		c      storage.Config
		status int
	}{
		{"nothing said", storage.Config{}, 307},
		{"pass", storage.Config{Mode: storage.Pass}, 307},
		{"follow", storage.Config{Mode: storage.Follow}, 200},
		{"follow, but for these clients", storage.Config{Mode: storage.Follow, Except: []string{"127.0.0.0/8", "::1"}}, 307},
		{"pass, but for these clients", storage.Config{Except: []string{"127.0.0.0/8", "::1"}}, 200},
		{"pass, but for others", storage.Config{Except: []string{"192.0.2.0/24"}}, 307},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBucket(t)
			if tt.c.Mode == storage.Follow || tt.c.Except != nil {
				tt.c.Hosts = []string{b.URL}
			}
			g := newRig(t, b.redirects, setup{config: upstream.Config{Redirects: tt.c}})
			res, _, _ := g.do(t, call{path: b.blobURL, auth: bearer("dev", "repository:team/app:pull")})
			if res.StatusCode != tt.status || (res.Header.Get("Location") == b.presigned("GET")) != (tt.status == 307) {
				t.Errorf("%d, location %q", res.StatusCode, res.Header.Get("Location"))
			}
			if asked := len(b.requests()); asked != 0 != (tt.status == 200) {
				t.Errorf("the storage was asked %d times", asked)
			}
		})
	}
}

var badRedirectTests = []struct {
	name     string
	status   int
	location string // with BUCKET, GATE and REGISTRY
	answer   http.HandlerFunc
	kind     oci.Kind
	why      string
}{
	{"other host", 307, "https://other.example/?secret", nil, oci.BadGateway, "other.example is none of redirects.hosts"},
	{"the gate", 307, "https://GATE/v2/team/other/blobs/x?secret", nil, oci.BadGateway, "leads back to the gate"},
	{"the registry", 307, "http://REGISTRY/v2/team/other/blobs/x?secret", nil, oci.BadGateway, "has no TLS"},
	{"user", 307, "http://u:secret@BUCKET/", nil, oci.BadGateway, "has a user"},
	{"no location", 307, "", nil, oci.BadGateway, "with 0 locations"},
	{"bad signature", 307, "http://BUCKET/x?X-Amz-Signature=secret", nil, oci.BadGateway, "answered 403 Forbidden"},
	{"bad signature, and other statuses", 302, "http://BUCKET/x?X-Amz-Signature=secret", nil, oci.BadGateway, "answered 403 Forbidden"},
	{"round and round", 308, "SIGNED", answers(307, "Location", "SELF"), oci.BadGateway, "more than 3 times"},
	{"gone", 307, "SIGNED", answers(404), oci.BadGateway, "answered 404 Not Found"},
	{"slow down", 307, "SIGNED", answers(503), oci.Unreachable, "answered 503"},
	{"too many", 307, "SIGNED", answers(429), oci.Unreachable, "answered 429"},
	{"giant header", 307, "SIGNED", answers(200, "X-Pad", strings.Repeat("a", 128<<10)), oci.Unreachable, "headers exceeded"},
	{"broken off", 307, "SIGNED", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, oci.Unreachable, "EOF"},
}

func answers(code int, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], strings.ReplaceAll(header[i+1], "SELF", r.URL.String()))
		}
		w.WriteHeader(code)
	}
}

// TestBadRedirects: clients read an error of the gate, and nothing of the URL.
func TestBadRedirects(t *testing.T) {
	for _, tt := range badRedirectTests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBucket(t)
			b.setAnswer(tt.answer)
			var g *rig
			g = newRig(t, func(w http.ResponseWriter, r *http.Request) {
				names := strings.NewReplacer("BUCKET", strings.TrimPrefix(b.URL, "http://"), "GATE", g.host(), "REGISTRY", r.Host, "SIGNED", b.presigned(r.Method))
				if tt.location != "" {
					w.Header().Set("Location", names.Replace(tt.location))
				}
				w.WriteHeader(tt.status)
			}, b.following())
			res, body, _ := g.do(t, call{path: b.blobURL, auth: bearer("dev", "repository:team/app:pull")})
			want := tt.kind.Status()
			if res.StatusCode != want || strings.Contains(body, "secret") || res.Header.Get("Location") != "" {
				t.Errorf("%d %s, %v", res.StatusCode, body, res.Header)
			}
			line := g.line(t)
			if text := fmt.Sprint(line); !strings.Contains(text, tt.why) || strings.Contains(text, "secret") || strings.Contains(text, "Signature") {
				t.Errorf("line %s, want %q", text, tt.why)
			}
			if want == http.StatusBadGateway && line["level"] != "error" {
				t.Errorf("a line of level %v", line["level"])
			}
		})
	}
}

// TestStorageBreaksOff: the client sees half a blob for what it is, and the
// registry's server is not blamed.
func TestStorageBreaksOff(t *testing.T) {
	b := newBucket(t)
	b.setAnswer(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(len(b.text)))
		_, _ = w.Write(b.text[:1<<16])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	g := newRig(t, b.redirects, b.following())
	_, body, cut := g.do(t, call{path: b.blobURL, auth: bearer("dev", "repository:team/app:pull")})
	if !cut || len(body) >= len(b.text) {
		t.Errorf("%d bytes, broken off: %v", len(body), cut)
	}
	route, err := g.gateway.routes.Find(g.host(), oci.Request{Op: oci.GetBlob, Repo: "team/app"})
	if err != nil {
		t.Fatal(err)
	}
	if s := route.Pool.States(); !s[0].Up {
		t.Errorf("the registry is taken for down: %+v", s)
	}
}

// TestStorageGoesOn: of two servers of a registry, the second one is asked where
// the rest is, if the storage breaks off.
func TestStorageGoesOn(t *testing.T) {
	b := newBucket(t)
	first := true
	b.setAnswer(func(w http.ResponseWriter, r *http.Request) {
		if !first {
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(b.text))
			return
		}
		first = false
		w.Header().Set("Content-Length", strconv.Itoa(len(b.text)))
		_, _ = w.Write(b.text[:1<<16])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	other := httptest.NewServer(http.HandlerFunc(b.redirects))
	t.Cleanup(other.Close)
	third := httptest.NewServer(http.HandlerFunc(b.redirects))
	t.Cleanup(third.Close)
	s := b.following()
	s.config.Upstreams = []string{other.URL, third.URL}
	g := newRig(t, b.redirects, s)
	_, body, cut := g.do(t, call{path: b.blobURL, auth: bearer("dev", "repository:team/app:pull")})
	if cut || body != string(b.text) {
		t.Errorf("%d bytes, broken off: %v", len(body), cut)
	}
	if n := len(b.requests()); n != 2 {
		t.Errorf("the storage was asked %d times", n)
	}
}

// TestOtherAnswersAreNotFollowed: a manifest, or an upload, is nowhere else.
func TestOtherAnswersAreNotFollowed(t *testing.T) {
	b := newBucket(t)
	g := newRig(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, b.presigned(r.Method), http.StatusTemporaryRedirect)
	}, b.following())
	for _, c := range []call{
		{path: "/v2/team/app/manifests/1"},
		{path: "/v2/team/app/tags/list"},
		{method: http.MethodDelete, path: b.blobURL},
		{method: http.MethodPost, path: uploads},
	} {
		c.auth = bearer("dev", "repository:team/app:pull,push,delete")
		if res, body, _ := g.do(t, c); res.StatusCode != http.StatusBadGateway {
			t.Errorf("%s %s: %d %s", c.method, c.path, res.StatusCode, body)
		}
	}
	if n := len(b.requests()); n != 0 {
		t.Errorf("the storage was asked %d times", n)
	}
}
