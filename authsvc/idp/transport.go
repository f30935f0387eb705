package idp

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"time"
)

// maxBody bounds what a provider may answer.
const maxBody = 1 << 20

// maxRedirects bounds how often a GET may be sent on, within one host.
const maxRedirects = 3

// A line is how one provider is spoken to.
type line struct {
	timeout time.Duration // for each answer
	roots   *x509.CertPool
	plain   bool              // http is allowed, to this machine
	header  map[string]string // of each question
}

// client returns an HTTP client that trusts the provider no further than it
// must. A proxy of the environment may be on the way, as gates often have no
// other to the internet; it sees what goes over TLS no more than a router does.
func (l line) client() *http.Client {
	transport := &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: l.timeout}).DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: l.roots},
		TLSHandshakeTimeout:    l.timeout,
		ForceAttemptHTTP2:      true,
		DisableCompression:     true, // no body grows beyond what is read
		MaxIdleConnsPerHost:    4,
		IdleConnTimeout:        time.Minute,
		MaxResponseHeaderBytes: 64 << 10,
	}
	return &http.Client{Transport: &guard{transport, l}, CheckRedirect: sameHost, Timeout: l.timeout}
}

// sameHost follows a question that is sent on within its host, as GitHub does
// with what was renamed. Nothing is posted twice, and no token goes elsewhere.
func sameHost(next *http.Request, via []*http.Request) error {
	first := via[0]
	if first.Method != http.MethodGet || len(via) > maxRedirects || next.URL.Scheme != first.URL.Scheme || next.URL.Host != first.URL.Host {
		return http.ErrUseLastResponse
	}
	return nil
}

// A guard keeps questions off the open network, and answers short.
type guard struct {
	next *http.Transport
	line line
}

var (
	errPlain = errors.New("http is for this machine alone: it would send secrets as they are over the network")
	errLong  = errors.New("the answer is longer than 1 MiB")
)

// RoundTrip is http.RoundTripper's.
func (g *guard) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != "https" && !(g.line.plain && loopback(r.URL.Hostname())) {
		return nil, errPlain
	}
	r = r.Clone(r.Context())
	r.Header.Set("User-Agent", "regate")       // GitHub refuses those without
	r.Header.Set("Accept", "application/json") // without it GitHub answers with a form
	for name, value := range g.line.header {
		r.Header.Set(name, value)
	}
	res, err := g.next.RoundTrip(r)
	if err == nil {
		res.Body = &bounded{res.Body, maxBody}
	}
	return res, err
}

// CloseIdleConnections is what http.Client calls.
func (g *guard) CloseIdleConnections() { g.next.CloseIdleConnections() }

// bounded is a body that may not be longer than left.
type bounded struct {
	io.ReadCloser
	left int
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, errLong
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left+1)])
	if b.left -= n; b.left < 0 {
		return 0, errLong
	}
	return n, err
}
