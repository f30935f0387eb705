package h2guard

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"testing"
)

// begin asks on a new connection for something that takes until release.
func begin(t *testing.T) (server *http.Server, addr string, body io.ReadCloser, release chan struct{}) {
	t.Helper()
	release = make(chan struct{})
	server = &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.(http.Flusher).Flush()
			select {
			case <-release:
				_, _ = io.WriteString(w, "all of it")
			case <-r.Context().Done():
			}
		}),
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate(t)}, NextProtos: []string{"h2"}},
	}
	Configure(server, nil)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.ServeTLS(l, "", "") }() // until the test ends it
	t.Cleanup(func() { _ = server.Close() })
	via := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}
	res, err := (&http.Client{Transport: via, Timeout: patience}).Get("https://" + l.Addr().String())
	if err != nil || res.ProtoMajor != 2 {
		t.Fatal(res, err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	return server, l.Addr().String(), res.Body, release
}

// TestShutdownWaits lets a running request end, and then the connection.
func TestShutdownWaits(t *testing.T) {
	server, addr, body, release := begin(t)
	done := make(chan error, 1)
	go func() { done <- server.Shutdown(t.Context()) }()
	for { // until it has begun
		c, err := net.Dial("tcp", addr)
		if err != nil {
			break
		}
		_ = c.Close()
	}
	select {
	case err := <-done:
		t.Fatalf("shut down under a running request: %v", err)
	default:
	}
	close(release)
	if text, err := io.ReadAll(body); err != nil || string(text) != "all of it" {
		t.Errorf("the request ended with %q, %v", text, err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestCloseCuts ends what Shutdown would wait for.
func TestCloseCuts(t *testing.T) {
	server, _, body, _ := begin(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := server.Shutdown(ctx); err != context.Canceled {
		t.Errorf("shutdown: %v, want that time is up", err)
	}
	if err := server.Close(); err != nil {
		t.Error(err)
	}
	if text, err := io.ReadAll(body); err == nil {
		t.Errorf("the request ended well: %q", text)
	}
}
