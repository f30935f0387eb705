//go:build bench

package bench

import (
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"testing"
)

// manifest is many small requests over a few connections that stay: what a
// cluster that looks for new images does.
func (b *bench) manifest(t *testing.T) {
	const clients, each = 16, 1500
	costs := b.compare(t, b.servers, clients*each, func(t testing.TB, s *server) {
		request := b.header("GET", repository+"manifests/latest", s, "Accept: application/vnd.oci.image.manifest.v1+json\r\n")
		together(clients, func(int) {
			c := b.dial(t, s)
			defer c.Close()
			for range each {
				c.ask(t, request, 200)
			}
		})
	})
	b.ratio("GET of a manifest of 2 kB, keep-alive; the gate checks its token", "µs", costs, 2.5)
}

// blob is a large layer.
func (b *bench) blob(t *testing.T) {
	const size, times = 512 << 20, 2
	costs := b.compare(t, b.servers, times*gibibytes(size), func(t testing.TB, s *server) {
		c := b.dial(t, s)
		defer c.Close()
		for range times {
			c.ask(t, b.header("GET", repository+"blobs/"+digest(size), s, ""), 200)
		}
	})
	b.ratio("GET of a blob of 512 MiB, per GiB", "s", costs, 1.0)
}

// upload is a layer on its way in: in chunks, as docker, buildah and crane send
// it, and with its length, as containerd does.
func (b *bench) upload(t *testing.T) {
	const size, times = 256 << 20, 3
	for _, way := range []struct {
		name    string
		chunked bool
	}{{"in chunks (docker)", true}, {"with its length (containerd)", false}} {
		costs := b.compare(t, b.uploaders, times*gibibytes(size), func(t testing.TB, s *server) {
			for range times {
				b.push(t, s, size, way.chunked)
			}
		})
		b.ratio("upload of 256 MiB "+way.name+", per GiB", "s", costs, 1.05)
	}
}

// push uploads size bytes by POST, PATCH and PUT.
func (b *bench) push(t testing.TB, s *server, size int64, chunked bool) {
	t.Helper()
	c := b.dial(t, s)
	defer c.Close()
	at := location(t, c.ask(t, b.header("POST", repository+"blobs/uploads/", s, "Content-Length: 0\r\n"), 202))

	framing := fmt.Sprintf("Content-Length: %d\r\n", size)
	if chunked {
		framing = "Transfer-Encoding: chunked\r\n"
	}
	header := b.header("PATCH", at, s, "Content-Type: application/octet-stream\r\n"+framing)
	c.send(t, header, size, chunked)
	res := c.answer(t, header, 202)
	if got, want := res.Header.Get("Range"), fmt.Sprintf("0-%d", size-1); got != want {
		t.Fatalf("%s: the registry got %s of %s", s.name, got, want)
	}
	c.ask(t, b.header("PUT", location(t, res)+"&digest="+digest(size), s, "Content-Length: 0\r\n"), 201)
}

// location is where an upload goes on, as a request names it. A gate has its
// ticket there.
func location(t testing.TB, res *http.Response) string {
	t.Helper()
	at, err := url.Parse(res.Header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	return at.RequestURI()
}

func gibibytes(n int64) float64 { return float64(n) / (1 << 30) }

// together runs n clients at once and waits for them.
func together(n int, client func(i int)) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { client(i) })
	}
	all.Wait()
}
