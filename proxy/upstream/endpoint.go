package upstream

import (
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// An Endpoint is one server of a registry. Its methods may be called by
// several goroutines at once.
type Endpoint struct {
	// Name is what logs call it: host:port, or the path of a socket.
	Name string
	// URL is the server's scheme and host; its path is the prefix of all
	// paths of the registry, without a slash at the end.
	URL *url.URL
	// Credential is what the registry wants to see.
	Credential Credential

	// Reads share connections. A write gets one of its own: one that the
	// registry is just closing would swallow a body that nobody can send
	// again, or a commit that must not be sent twice (protocol.md 4.6).
	reads, writes *http.Transport

	down    atomic.Bool  // the last request got no answer
	busy    atomic.Int64 // requests that were picked for it and are not done
	release func()
}

const (
	readBuffer  = 64 << 10 // of a connection that is used again
	headerBytes = 64 << 10 // most that a reply's header may have
	maxIdle     = 256
	idleTimeout = 30 * time.Second // less than any registry or balancer has
	continueFor = time.Second
)

func newEndpoint(u *url.URL, cfg Config) (*Endpoint, error) {
	d, err := newDialer(u, cfg)
	if err != nil {
		return nil, err
	}
	e := &Endpoint{
		Name:   u.Host,
		URL:    &url.URL{Scheme: u.Scheme, Host: u.Host, Path: strings.TrimSuffix(u.Path, "/")},
		reads:  newTransport(d, cfg.HeaderTimeout),
		writes: newTransport(d, cfg.CommitTimeout),
	}
	if d.unix != "" {
		e.Name, e.URL = d.unix, &url.URL{Scheme: "http", Host: "localhost"}
	}
	e.release = func() { e.busy.Add(-1) }
	e.reads.ReadBufferSize = readBuffer
	e.writes.DisableKeepAlives = true
	return e, nil
}

// newTransport speaks HTTP/1.1, never asks for compression and never follows
// a proxy of the environment. The time-out counts from the end of the body.
func newTransport(d *dialer, timeout time.Duration) *http.Transport {
	t := &http.Transport{
		DialContext:            d.plain,
		DialTLSContext:         d.secure,
		Protocols:              new(http.Protocols),
		DisableCompression:     true,
		MaxIdleConns:           maxIdle,
		MaxIdleConnsPerHost:    maxIdle,
		IdleConnTimeout:        idleTimeout,
		ResponseHeaderTimeout:  timeout,
		ExpectContinueTimeout:  continueFor,
		MaxResponseHeaderBytes: headerBytes,
	}
	t.Protocols.SetHTTP1(true)
	return t
}

// Target is where path and rawQuery are on this server.
func (e *Endpoint) Target(path, rawQuery string) *url.URL {
	return &url.URL{Scheme: e.URL.Scheme, Host: e.URL.Host, Path: e.URL.Path + path, RawQuery: rawQuery}
}

// same reports whether both are at one address. All sockets share one URL, and
// all paths of a server its name.
func (e *Endpoint) same(other *Endpoint) bool {
	return e.Name == other.Name && *e.URL == *other.URL
}

// RoundTrip sends out and returns the reply, whose body the caller closes.
// Nothing but a read is ever sent twice, and that only if the connection had
// been closed before anything came back.
func (e *Endpoint) RoundTrip(out *http.Request) (*http.Response, error) {
	via := e.writes
	if out.Method == http.MethodGet || out.Method == http.MethodHead {
		via = e.reads
	}
	res, err := via.RoundTrip(out)
	switch {
	case err == nil:
		e.down.Store(false)
	case out.Body == nil && out.Context().Err() == nil: // else it may be the client's doing
		e.down.Store(true)
	}
	return res, err
}

func (e *Endpoint) close() {
	e.reads.CloseIdleConnections()
	e.writes.CloseIdleConnections()
}
