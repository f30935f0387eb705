package testbed

import (
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// A Front stands before a pebble: it can answer in its place, hold requests
// up, and be down.
type Front struct {
	Directory string // https://127.0.0.1:PORT/dir

	addr   string
	config *tls.Config
	pass   http.Handler

	mu       sync.Mutex // guards what follows
	listener net.Listener
	server   *http.Server
	hook     Hook
}

// A Hook answers a request to a Front and returns true, or returns false, and
// the request goes on to the CA. It may wait.
type Hook func(http.ResponseWriter, *http.Request) bool

// Front starts one that passes everything on. Who trusts the pebble's address
// trusts this one's.
func (p *Pebble) Front(t testing.TB) *Front {
	t.Helper()
	cert, key := p.TLS.Issue(t, "127.0.0.1")
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	f := &Front{addr: LocalAddr(), config: &tls.Config{Certificates: []tls.Certificate{pair}}}
	f.Directory = "https://" + f.addr + "/dir"
	// The host stays what the client wrote, so that the CA writes it as well.
	f.pass = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "https", Host: p.addr})
			r.Out.Host = r.In.Host
		},
		Transport: p.TLS.HTTP().Transport,
		ErrorLog:  log.New(io.Discard, "", 0),
	}
	f.Up(t)
	t.Cleanup(f.Down)
	return f
}

// Intercept has hook see every request from now on; nil lets all pass.
func (f *Front) Intercept(hook Hook) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hook = hook
}

// Up has it listen again, at the same address.
func (f *Front) Up(t testing.TB) {
	t.Helper()
	l, err := net.Listen("tcp", f.addr)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: f, ErrorLog: log.New(io.Discard, "", 0)}
	f.mu.Lock()
	f.listener, f.server = l, server
	f.mu.Unlock()
	go func() { _ = server.Serve(tls.NewListener(l, f.config)) }()
}

// Down has it refuse connections, and breaks those that are open.
func (f *Front) Down() {
	f.mu.Lock()
	defer f.mu.Unlock()
	_ = f.listener.Close() // Close of a server knows only what it has begun to serve
	_ = f.server.Close()
}

func (f *Front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	hook := f.hook
	f.mu.Unlock()
	if hook == nil || !hook(w, r) {
		f.pass.ServeHTTP(w, r)
	}
}

// IsOrder tells whether a request to a pebble places an order.
func IsOrder(r *http.Request) bool { return r.URL.Path == "/order-plz" }

// IsFinalize tells whether a request to a pebble asks for the certificate of an
// order, all challenges being met.
func IsFinalize(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/finalize-order/") }

// IsRenewalInfo tells whether a request to a pebble asks when to renew
// (RFC 9773).
func IsRenewalInfo(r *http.Request) bool { return strings.Contains(r.URL.Path, "/renewalInfo/") }
