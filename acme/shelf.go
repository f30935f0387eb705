package acme

import (
	"crypto/tls"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
)

// A shelf holds the certificates that handshakes take. A handshake reads one
// pointer, so it waits neither for storage nor for whoever gets certificates:
// certmagic keeps its own cache locked while it reads storage.
type shelf struct {
	view atomic.Pointer[view]
	mu   sync.Mutex // held by writers of view, never by a handshake
}

// A view is one state of the shelf; it never changes.
type view struct {
	hosts []string                      // canonical, as configured
	certs map[string][]*tls.Certificate // of a host, the preferred one first; none while it is pending
}

func newShelf() *shelf {
	s := &shelf{}
	s.view.Store(&view{})
	return s
}

// newTLSConfig is what crypto/tls has by default, without the CBC suites of TLS
// 1.2. oldest is the version that clients must speak at least.
func newTLSConfig(s *shelf, oldest uint16) *tls.Config {
	return &tls.Config{
		GetCertificate: s.certificate,
		NextProtos:     []string{"h2", "http/1.1"},
		MinVersion:     oldest,
		CipherSuites: []uint16{ // of TLS 1.2; crypto/tls orders them
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		},
		DynamicRecordSizingDisabled: true, // most bytes are in blobs
	}
}

// oldestVersion is MinVersion as crypto/tls has it.
func (c Config) oldestVersion() uint16 {
	if c.MinVersion == "1.3" {
		return tls.VersionTLS13
	}
	return tls.VersionTLS12
}

// replace sets the hosts and all their certificates.
func (s *shelf) replace(hosts []string, certs map[string][]*tls.Certificate) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.swap(hosts, certs)
}

// setHosts takes away what no host of hosts has, and keeps the rest.
func (s *shelf) setHosts(hosts []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	certs := maps.Clone(s.view.Load().certs)
	maps.DeleteFunc(certs, func(h string, _ []*tls.Certificate) bool { return !slices.Contains(hosts, h) })
	s.swap(hosts, certs)
}

// put gives host the certificate, if it is wanted at all, and reports whether
// it is another one than before.
func (s *shelf) put(host string, cert *tls.Certificate) bool {
	return s.place(host, cert, func(have []*tls.Certificate) bool { return len(have) != 1 || !have[0].Leaf.Equal(cert.Leaf) })
}

// offer is put for a host that has none.
func (s *shelf) offer(host string, cert *tls.Certificate) bool {
	return s.place(host, cert, func(have []*tls.Certificate) bool { return len(have) == 0 })
}

// place gives host the certificate if it is wanted, in view of what it has.
func (s *shelf) place(host string, cert *tls.Certificate, wanted func(have []*tls.Certificate) bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.view.Load()
	if !slices.Contains(v.hosts, host) || !wanted(v.certs[host]) {
		return false
	}
	certs := maps.Clone(v.certs)
	if certs == nil {
		certs = map[string][]*tls.Certificate{}
	}
	certs[host] = []*tls.Certificate{cert}
	s.swap(v.hosts, certs)
	return true
}

func (s *shelf) swap(hosts []string, certs map[string][]*tls.Certificate) {
	s.view.Store(&view{hosts: hosts, certs: certs})
}

// certificate is the tls.Config.GetCertificate of the listener. Without
// certificate and error, crypto/tls answers unrecognized_name, which clients
// show, where an error would be an internal_error.
func (s *shelf) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	v := s.view.Load()
	certs := v.named(hello.ServerName)
	if hello.ServerName == "" {
		certs = v.certs[v.unnamed(hello.Conn)]
	}
	for _, c := range certs {
		if hello.SupportsCertificate(c) == nil {
			return c, nil
		}
	}
	if len(certs) > 0 {
		return certs[0], nil
	}
	return nil, nil
}

func (v *view) named(host string) []*tls.Certificate {
	host = canonical(host)
	if certs, ok := v.certs[host]; ok {
		return certs
	}
	return v.certs[wildcard(host)]
}

// unnamed is the host of a client that sent no server name, which clients do
// that were given an address (RFC 6066 3): the address it came to, if it is a
// host; it need not be, behind a NAT. Then the first address that is, or the
// first host.
func (v *view) unnamed(conn net.Conn) string {
	if conn != nil {
		if ap, err := netip.ParseAddrPort(conn.LocalAddr().String()); err == nil {
			if a := ap.Addr().Unmap().WithZone("").String(); slices.Contains(v.hosts, a) {
				return a
			}
		}
	}
	if i := slices.IndexFunc(v.hosts, isAddr); i >= 0 {
		return v.hosts[i]
	}
	if len(v.hosts) > 0 {
		return v.hosts[0]
	}
	return ""
}
