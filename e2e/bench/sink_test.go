//go:build bench

package bench

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// A sink is a registry that has every manifest and every blob, and keeps none.
// The size of a blob is that of its digest, so that the client chooses it.
type sink struct {
	addr string
}

const (
	repository = "/v2/team/app/"
	piece      = 1 << 20
)

// manifest is what small images have: about 2 kB of descriptors.
var manifest = []byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":` +
	descriptor("config") + `,"layers":[` + strings.Repeat(descriptor("layer")+",", 9) + descriptor("layer") + `]}`)

func descriptor(kind string) string {
	return fmt.Sprintf(`{"mediaType":"application/vnd.oci.image.%s.v1.tar+gzip","digest":%q,"size":31415926}`, kind, digest(31415926))
}

// digest is the name of a blob of a size.
func digest(size int64) string { return fmt.Sprintf("sha256:%064d", size) }

func startSink(t *testing.T) *sink {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(serveSink)}
	go func() { _ = server.Serve(l) }() // until Close
	t.Cleanup(func() { _ = server.Close() })
	return &sink{addr: l.Addr().String()}
}

func serveSink(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	switch {
	case r.URL.Path == "/v2/":
		w.WriteHeader(http.StatusOK)
	case strings.Contains(r.URL.Path, "/manifests/"):
		h.Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
		h.Set("Docker-Content-Digest", digest(int64(len(manifest))))
		h.Set("Etag", `"`+digest(int64(len(manifest)))+`"`)
		h.Set("Content-Length", strconv.Itoa(len(manifest)))
		_, _ = w.Write(manifest)
	case r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/sha256:"):
		sendBlob(w, r.URL.Path[strings.LastIndexByte(r.URL.Path, ':')+1:])
	case strings.Contains(r.URL.Path, "/blobs/uploads/"):
		takeUpload(w, r)
	default:
		http.NotFound(w, r)
	}
}

var content = bytes.Repeat([]byte("regate"), piece/6+1)[:piece]

func sendBlob(w http.ResponseWriter, name string) {
	size, err := strconv.ParseInt(name, 10, 64)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
	for size > 0 {
		n, err := w.Write(content[:min(size, piece)])
		if err != nil {
			return
		}
		size -= int64(n)
	}
}

func takeUpload(w http.ResponseWriter, r *http.Request) {
	n, err := io.CopyBuffer(io.Discard, struct{ io.Reader }{r.Body}, make([]byte, piece))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	h := w.Header()
	h.Set("Docker-Upload-UUID", "0")
	h.Set("Location", repository+"blobs/uploads/0?_state=x")
	h.Set("Range", fmt.Sprintf("0-%d", max(n-1, 0)))
	h.Set("X-Received", strconv.FormatInt(n, 10))
	if r.Method == http.MethodPut {
		h.Set("Location", repository+"blobs/"+r.URL.Query().Get("digest"))
		w.WriteHeader(http.StatusCreated)
		return
	}
	w.WriteHeader(http.StatusAccepted)
}
