package proxy

import (
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/regate/regate/proxy/upstream"
)

var resumeTests = []struct {
	name   string
	rng    string // of the request
	faults []fault
	want   int // bytes; -1 if it breaks off
}{
	{"once", "", []fault{midBody}, size},
	{"again and again", "", []fault{midBody, midBody, midBody, midBody}, size},
	{"beyond what is reasonable", "", []fault{midBody, midBody, midBody, midBody, midBody, midBody, midBody, midBody}, -1},
	{"with others that refuse", "", []fault{midBody, refuse, unavailable503, midBody, halfHeader}, size},
	{"with one that has something else", "", []fault{midBody, other, midBody}, size},
	{"part", "bytes=5000-", []fault{midBody, midBody}, size - 5000},
	{"middle part", "bytes=5000-299999", []fault{midBody, midBody}, 295_000},
	{"end", "bytes=-70000", []fault{midBody}, 70_000},
	{"several parts", "bytes=0-99999,150000-199999", []fault{midBody}, -1},
}

const size = 600_000

// noise is content in which no part is like another.
func noise(n int) []byte {
	p := make([]byte, n)
	r := rand.New(rand.NewPCG(1, uint64(n)))
	for i := range p {
		p[i] = byte(r.Uint32())
	}
	return p
}

func TestBlobGoesOn(t *testing.T) {
	protocols(t, func(t *testing.T, http2 bool) {
		for _, tt := range resumeTests {
			t.Run(tt.name, func(t *testing.T) {
				g, s, replicas := newReplicas(t, 4, setup{http2: http2})
				content := noise(size)
				digest := s.put(content)
				inOrder(replicas, tt.faults...)
				c := call{path: blobs + digest, auth: bearer("ann", everything), header: http.Header{}}
				if tt.rng != "" {
					c.header.Set("Range", tt.rng)
				}
				res, body, cut := g.do(t, c)
				if tt.want < 0 {
					if !cut {
						t.Errorf("answer %v with %d bytes did not break off", res, len(body))
					}
					return
				}
				var first int
				if tt.rng != "" {
					_, _ = fmt.Sscanf(res.Header.Get("Content-Range"), "bytes %d-", &first)
				}
				if cut || body != string(content[first:first+tt.want]) {
					t.Errorf("broken off: %v, %d bytes, want %d: %v", cut, len(body), tt.want, g.line(t)["error"])
				}
			})
		}
	})
}

// TestRestIsChecked has a second replica whose rest is not that of the first's
// blob, in one thing: the client sees a broken transfer, and none of it.
func TestRestIsChecked(t *testing.T) {
	content := string(noise(size))
	digest := newStore().put([]byte(content))
	head := func(status int, h map[string]string) string {
		text := "HTTP/1.1 " + strconv.Itoa(status) + " X\nConnection: close\n"
		for _, k := range slices.Sorted(maps.Keys(h)) {
			if h[k] != "" {
				text += k + ": " + h[k] + "\n"
			}
		}
		return strings.ReplaceAll(text+"\n", "\n", "\r\n")
	}
	for name, change := range map[string]map[string]string{
		"nothing":          {},
		"its digest":       {"Docker-Content-Digest": someDigest},
		"no digest":        {"Docker-Content-Digest": ""},
		"its ETag":         {"Etag": `"x"`},
		"no ETag":          {"Etag": ""},
		"its begin":        {"Content-Range": "bytes %d1-599999/600000"},
		"its end":          {"Content-Range": "bytes %d-599998/600000"},
		"its size":         {"Content-Range": "bytes %d-599999/600001"},
		"no size":          {"Content-Range": "bytes %d-599999/*"},
		"other form":       {"Content-Range": "bytes=%d-599999/600000"},
		"its length":       {"Content-Length": "17"},
		"its encoding":     {"Content-Encoding": "gzip"},
		"two ranges":       {"Content-Range": "bytes %d-599999/600000\nContent-Range: bytes 0-599999/600000"},
		"all of it":        {"status": "200"},
		"something else":   {"status": "404"},
		"storage to go to": {"status": "307", "Location": "http://storage.example/"},
	} {
		t.Run(name, func(t *testing.T) {
			first := true
			answer := func(w http.ResponseWriter, r *http.Request) {
				h := map[string]string{"Docker-Content-Digest": digest, "Etag": strconv.Quote(digest), "Content-Length": "600000"}
				if first {
					first = false
					writeRaw(w, head(200, h)+content[:300_000])
					return
				}
				var from int
				_, _ = fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-599999", &from)
				if want := strconv.Quote(digest); r.Header.Get("If-Range") != want || from == 0 {
					t.Errorf("the rest was asked for with %v", r.Header)
				}
				h["Content-Length"], h["Content-Range"] = strconv.Itoa(size-from), "bytes %d-599999/600000"
				code := 206
				for k, v := range change {
					h[k] = v
				}
				if s := h["status"]; s != "" {
					code, _ = strconv.Atoi(s)
					delete(h, "status")
				}
				h["Content-Range"] = strings.ReplaceAll(h["Content-Range"], "%d", strconv.Itoa(from))
				writeRaw(w, head(code, h)+content[from:])
			}
			a, b := httptest.NewServer(http.HandlerFunc(answer)), httptest.NewServer(http.HandlerFunc(answer))
			defer a.Close()
			defer b.Close()
			g := newRig(t, http.NotFound, setup{config: upstream.Config{Upstreams: []string{a.URL, b.URL}}})
			_, body, cut := g.do(t, call{path: blobs + digest, auth: bearer("ann", everything)})
			if cut != (name != "nothing") || !strings.HasPrefix(content, body) {
				t.Errorf("broken off: %v, after %d bytes", cut, len(body))
			}
		})
	}
}

func writeRaw(w http.ResponseWriter, text string) {
	c, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	_, _ = io.WriteString(c, text)
	_ = c.Close()
}
