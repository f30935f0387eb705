// Package acmestub is an ACME server (RFC 8555) for tests: one that says what a
// test wants to hear, such as the refusals that no real test server sends.
//
// It keeps to the protocol as far as a client can notice, nonces and account
// keys included, but checks no signatures. Hosts are looked at where Point says,
// or believed. It lives as long as the test. Nothing but tests may import it.
package acmestub

import (
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// A Server is one CA.
type Server struct {
	// Options, to be set before the first request.

	Lifetime time.Duration // of certificates; 90 days unless set
	Profiles []string      // that the directory has
	EAB      map[string]string
	// RenewalInfo is when the holder of a certificate is to renew it; nil is a
	// server without RFC 9773.
	RenewalInfo func(serial string) (start, end time.Time)
	// Chain is what is sent instead of a certificate in PEM; nil sends it.
	Chain func(cert []byte) []byte
	// Spoil changes the header of an answer, of which it gets the path.
	Spoil func(path string, h http.Header)

	http *httptest.Server
	ca   *signer

	mu       sync.Mutex
	https    string // where TLS-ALPN-01 looks; "" believes
	plain    string // where HTTP-01 looks
	faults   map[string][]fault
	asked    map[string]int
	nonces   map[string]bool
	accounts map[string]*account // by URL
	orders   map[string]*order   // by id
}

// A Problem is a refusal (RFC 8555 6.7). Type has no
// "urn:ietf:params:acme:error:" in front.
type Problem struct {
	Status     int
	Type       string
	Detail     string
	RetryAfter string // header; "" for none
}

type fault struct {
	Problem
	times int // that are left
}

// New starts a server, which ends with the test.
func New(t testing.TB) *Server {
	t.Helper()
	s := &Server{
		Lifetime: 90 * 24 * time.Hour,
		ca:       newSigner(t),
		faults:   map[string][]fault{}, asked: map[string]int{}, nonces: map[string]bool{},
		accounts: map[string]*account{}, orders: map[string]*order{},
	}
	s.http = httptest.NewTLSServer(s.routes())
	t.Cleanup(s.http.Close)
	return s
}

// Directory is the URL that clients are given.
func (s *Server) Directory() string { return s.http.URL + "/directory" }

// RootsPEM is what clients must trust of the server's own https.
func (s *Server) RootsPEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.http.Certificate().Raw})
}

// CAPEM is the root of the certificates that the server signs.
func (s *Server) CAPEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.ca.cert.Raw})
}

// Point says where all hosts are, as host:port. "" believes what is asked there.
func (s *Server) Point(https, http string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.https, s.plain = https, http
}

// Fail refuses the next requests of a kind with p: directory, new-nonce,
// new-account, new-order, challenge (as the result of looking), finalize or
// renewal-info.
func (s *Server) Fail(kind string, times int, p Problem) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults[kind] = append(s.faults[kind], fault{p, times})
}

// Heal takes all Fails back.
func (s *Server) Heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.faults)
}

// Asked is how many requests of a kind there were, those refused included.
func (s *Server) Asked(kind string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[kind]
}

// Forget loses all accounts, as a server does that was set up anew.
func (s *Server) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.accounts)
}

// An Order is what somebody asked for.
type Order struct {
	Hosts    []string
	Profile  string
	Replaces string // as RFC 9773 4.1 writes a certificate
	Account  string
	Issued   bool
}

// Orders are all that were taken, in order.
func (s *Server) Orders() []Order {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Order, len(s.orders))
	for _, o := range s.orders {
		all[o.number] = Order{o.hosts(), o.Profile, o.Replaces, o.account.url, o.cert != nil}
	}
	return all
}

// trip counts a request, and reports how it is to be refused.
func (s *Server) trip(kind string) (Problem, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked[kind]++
	for i := range s.faults[kind] {
		if f := &s.faults[kind][i]; f.times > 0 {
			f.times--
			return f.Problem, true
		}
	}
	return Problem{}, false
}

func (s *Server) refuse(w http.ResponseWriter, p Problem) {
	if p.RetryAfter != "" {
		w.Header().Set("Retry-After", p.RetryAfter)
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p.body())
}

func (p Problem) body() map[string]any {
	return map[string]any{"type": "urn:ietf:params:acme:error:" + p.Type, "detail": p.Detail, "status": p.Status}
}
