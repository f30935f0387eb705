package storage

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"time"

	"github.com/regate/regate/internal/network"
	"github.com/regate/regate/internal/problem"
)

// ErrRefused is the error of a redirect that is not followed.
var ErrRefused = errors.New("the redirect is not followed")

// Options are what a Storage needs besides its configuration.
type Options struct {
	// Always follows, for all clients, to any host of the internet.
	Always bool
	// Connect and Header bound the wait for a connection, and for an answer.
	Connect, Header time.Duration
	// Gate reports whether HOST:PORT may be the gate itself, by any of its
	// names. It may be nil.
	Gate func(host string) bool
}

// A Storage is where a registry has its blobs. Its methods may be called by
// several goroutines at once.
type Storage struct {
	always bool
	follow bool
	gate   func(host string) bool
	except []netip.Prefix
	hosts  []host
	via    *http.Transport
}

const (
	mostHops    = 3
	mostURL     = 16 << 10 // bytes
	headerBytes = 64 << 10 // most that an answer's header may have
	readBuffer  = 64 << 10
	maxIdle     = 64
	idleTimeout = 30 * time.Second
)

// New opens the files of c, which must be valid. There are as many connections
// as requests, whose number is for the caller to bound.
func New(c Config, o Options) (*Storage, error) {
	if o.Gate == nil {
		o.Gate = func(string) bool { return false }
	}
	s := &Storage{always: o.Always, follow: c.Mode == Follow, gate: o.Gate}
	for _, text := range c.Except {
		p, err := network.Parse(text)
		if err != nil {
			return nil, err
		}
		s.except = append(s.except, p)
	}
	for _, text := range c.Hosts {
		h, ok := parseHost(text)
		if !ok {
			return nil, fmt.Errorf("hosts: %q is no host", text)
		}
		s.hosts = append(s.hosts, h)
	}
	roots, err := c.TLS.roots()
	if err != nil {
		return nil, err
	}
	dial := dialer{s, &net.Dialer{Timeout: o.Connect}, &net.Dialer{Timeout: o.Connect, Control: onlyPublic}}
	s.via = &http.Transport{
		DialContext:            dial.connect,
		TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12, DynamicRecordSizingDisabled: true},
		TLSHandshakeTimeout:    o.Connect,
		Protocols:              new(http.Protocols),
		DisableCompression:     true,
		MaxIdleConns:           maxIdle,
		MaxIdleConnsPerHost:    maxIdle,
		IdleConnTimeout:        idleTimeout,
		ResponseHeaderTimeout:  o.Header,
		MaxResponseHeaderBytes: headerBytes,
		ReadBufferSize:         readBuffer,
	}
	s.via.Protocols.SetHTTP1(true)
	return s, nil
}

// roots are the system's CAs and those of the file; nil is the system's alone.
func (t TLS) roots() (*x509.CertPool, error) {
	if t.CA == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(t.CA)
	if err != nil {
		return nil, problem.At("tls.ca", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool() // a system that has none
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, problem.At("tls.ca", fmt.Errorf("%s holds no certificate", t.CA))
	}
	return pool, nil
}

// Close ends idle connections.
func (s *Storage) Close() { s.via.CloseIdleConnections() }

// Follows reports whether the redirects of a client are followed.
func (s *Storage) Follows(client netip.Addr) bool {
	excepted := slices.ContainsFunc(s.except, func(p netip.Prefix) bool { return p.Contains(client.Unmap()) })
	return s.always || s.follow != excepted
}

// An Ask is a request that has been redirected.
type Ask struct {
	Method   string
	Header   http.Header // all that the storage is to see
	From     *url.URL    // who has redirected it
	Location string
	Gate     string // HOST[:PORT] of the gate, as the client has it; nothing may lead back to it
}

// Get follows a.Location, and the redirects after it. The caller closes the
// body of the answer. Errors hold no more of a URL than its host. One that is
// ErrRefused will be so again.
func (s *Storage) Get(ctx context.Context, a Ask) (*http.Response, error) {
	from := a.From
	for range mostHops {
		u, err := s.target(from, a)
		if err != nil {
			return nil, err
		}
		out := &http.Request{Method: a.Method, URL: u, Host: u.Host, Header: a.Header.Clone(), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}
		res, err := s.via.RoundTrip(out.WithContext(ctx))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", u.Host, err)
		}
		if !IsRedirect(res.StatusCode) {
			return res, nil
		}
		_ = res.Body.Close()
		if len(res.Header["Location"]) != 1 {
			return nil, fmt.Errorf("%w: %s answered %s with %d locations", ErrRefused, u.Host, res.Status, len(res.Header["Location"]))
		}
		from, a.Location = u, res.Header["Location"][0]
	}
	return nil, fmt.Errorf("%w: it leads from one to another more than %d times", ErrRefused, mostHops)
}

// IsRedirect reports whether a status leads a GET or HEAD elsewhere.
func IsRedirect(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}
