package proxy

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"testing"
)

func benchClient(b *testing.B, g *rig) *http.Client {
	t := g.Client().Transport.(*http.Transport).Clone()
	t.TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
	t.DisableCompression = true
	b.Cleanup(t.CloseIdleConnections)
	return &http.Client{Transport: t}
}

func benchGet(b *testing.B, size int, path string) {
	content := bytes.Repeat([]byte("x"), size)
	g := newRig(b, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(size))
		_, _ = w.Write(content)
	}, setup{})
	client := benchClient(b, g)
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		req, _ := http.NewRequest("GET", g.URL+path, nil)
		req.Header.Set("Authorization", bearer("ann", puller))
		res, err := client.Do(req)
		if err != nil {
			b.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, res.Body); n != int64(size) || err != nil {
			b.Fatal(n, err)
		}
		_ = res.Body.Close()
	}
}

func BenchmarkManifest(b *testing.B) { benchGet(b, 2<<10, "/v2/team/app/manifests/latest") }
func BenchmarkBlob(b *testing.B)     { benchGet(b, 64<<20, blobs+someDigest) }

func BenchmarkUpload(b *testing.B) {
	const size = 64 << 20
	g := newRig(b, func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }, setup{})
	client := benchClient(b, g)
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		req, _ := http.NewRequest("PATCH", g.URL+g.ticketed("ann", uploads+someUpload), io.LimitReader(zeros{}, size))
		req.ContentLength = size
		req.Header.Set("Authorization", bearer("ann", pusher))
		res, err := client.Do(req)
		if err != nil || res.StatusCode != 200 {
			b.Fatal(res, err)
		}
		_ = res.Body.Close()
	}
}
