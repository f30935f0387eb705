package proxy

import (
	"fmt"
	"io"
	"net/http"
	"runtime"
	"sync/atomic"
	"testing"
)

// TestMemoryIsFlat sends large bodies in both directions, and looks in the
// middle of each at what client, gate and registry hold.
func TestMemoryIsFlat(t *testing.T) {
	const half = 16 << 20
	protocols(t, func(t *testing.T, http2 bool) {
		var middle atomic.Int64
		g := newRig(t, func(w http.ResponseWriter, r *http.Request) {
			from, to := io.Reader(zeros{}), io.Writer(w)
			if r.Method == http.MethodGet {
				w.Header().Set("Content-Length", fmt.Sprint(2*half))
			} else {
				from, to = r.Body, io.Discard
			}
			for i := range 2 {
				if n, err := io.CopyN(to, from, half); err != nil {
					t.Errorf("%s: %d bytes and %v", r.Method, n, err)
				}
				if i == 0 {
					middle.Store(held())
				}
			}
		}, setup{http2: http2})
		before := held()
		for _, c := range []call{
			{method: "GET", path: blobs + someDigest},
			{method: "PATCH", path: uploads + someUpload, body: io.LimitReader(zeros{}, 2*half)},
		} {
			g.drain(t, c)
			if grown := middle.Load() - before; grown > 12<<20 {
				t.Errorf("%s: %d KiB were held for a body of %d MiB", c.method, grown>>10, half>>19)
			}
		}
	})
}

// held is the size of all that is alive.
func held() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// drain is do for an answer that is too large to keep.
func (g *rig) drain(t *testing.T, c call) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), c.method, g.URL+g.ticketed("ann", c.path), c.body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", bearer("ann", everything))
	res, err := g.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil || res.StatusCode != 200 {
		t.Errorf("answer %d, %v", res.StatusCode, err)
	}
}
