package client

import (
	"context"
	"crypto/tls"
	"encoding/hex"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/mholt/acmez/v3"
	"github.com/mholt/acmez/v3/acme"
)

// Challenges are the open questions of servers whether hosts lead here. The
// gate's listeners answer from them.
//
// Anybody can pose as a server that asks, so an answer takes no more than a
// look into memory. Those of other replicas are there as well, where they show
// them on a Board.
type Challenges struct {
	board  Board // nil if there are no other replicas
	mu     sync.Mutex
	open   map[string]question // by host
	others map[string]question
}

// A Board shows the questions of each replica to all.
type Board interface {
	// Post puts up a question about host.
	Post(ctx context.Context, host string, ch acme.Challenge) error
	// Settle waits until all replicas must have seen what was put up.
	Settle(ctx context.Context) error
	// Remove takes it down, unless there is another one by now.
	Remove(ctx context.Context, host string, ch acme.Challenge) error
}

// A question is how a server wants to see that a host leads here.
type question struct {
	challenge acme.Challenge
	config    *tls.Config // that answers it; nil for http-01
}

// NewChallenges returns a Challenges without questions.
func NewChallenges() *Challenges { return &Challenges{open: map[string]question{}} }

// NewShared returns a Challenges whose questions are put up on b. Whoever
// watches the board calls Show.
func NewShared(b Board) *Challenges { return &Challenges{board: b, open: map[string]question{}} }

// Show says which questions are open at any replica.
func (c *Challenges) Show(all []acme.Challenge) {
	others := make(map[string]question, len(all))
	for _, ch := range all {
		if q, err := newQuestion(ch); err == nil { // or else it is not answered here
			others[hostOf(ch)] = q
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.others = others
}

// Solvers answer the challenges of these types through c.
func (c *Challenges) Solvers(types ...string) map[string]acmez.Solver {
	all := map[string]acmez.Solver{}
	for _, t := range types {
		all[t] = solver{c}
	}
	return all
}

type solver struct{ *Challenges }

// Present implements acmez.Solver.
func (s solver) Present(ctx context.Context, ch acme.Challenge) error {
	q, err := newQuestion(ch)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.open[hostOf(ch)] = q
	s.mu.Unlock()
	if s.board == nil {
		return nil
	}
	return s.board.Post(ctx, hostOf(ch), ch)
}

// Wait implements acmez.Waiter.
func (s solver) Wait(ctx context.Context, _ acme.Challenge) error {
	if s.board == nil {
		return nil
	}
	return s.board.Settle(ctx)
}

func newQuestion(ch acme.Challenge) (question, error) {
	q := question{challenge: ch}
	if !isALPN(ch) {
		return q, nil
	}
	cert, err := acmez.TLSALPN01ChallengeCert(ch)
	if err != nil {
		return question{}, err
	}
	q.config = alpnConfig(cert)
	return q, nil
}

// CleanUp implements acmez.Solver. An order that was called off may end after
// its successor has begun.
func (s solver) CleanUp(ctx context.Context, ch acme.Challenge) error {
	s.mu.Lock()
	if s.open[hostOf(ch)].challenge.Token == ch.Token {
		delete(s.open, hostOf(ch))
	}
	s.mu.Unlock()
	if s.board == nil {
		return nil
	}
	return s.board.Remove(ctx, hostOf(ch), ch)
}

// hostOf is the host that ch is about, an address in the one form it has here.
func hostOf(ch acme.Challenge) string {
	if a, err := netip.ParseAddr(ch.Identifier.Value); err == nil {
		return a.String()
	}
	return strings.ToLower(ch.Identifier.Value)
}

// find returns the open question about host that fits, our own first: where our
// order goes on without the lock on the host, another replica asks as well.
func (c *Challenges) find(host string, fits func(acme.Challenge) bool) (question, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, all := range []map[string]question{c.open, c.others} {
		if q, ok := all[host]; ok && fits(q.challenge) {
			return q, true
		}
	}
	return question{}, false
}

func isALPN(ch acme.Challenge) bool { return ch.Type == acme.ChallengeTypeTLSALPN01 }

// alpnConfig is all that a connection of TLS-ALPN-01 gets to see: it ends after
// the handshake (RFC 8737 3).
func alpnConfig(cert *tls.Certificate) *tls.Config {
	return &tls.Config{
		Certificates: []tls.Certificate{*cert},
		NextProtos:   []string{acmez.ACMETLS1Protocol},
		MinVersion:   tls.VersionTLS12,
	}
}

// Config is a tls.Config.GetConfigForClient: nil, so that the listener's own is
// used, unless hello is of a server that asks an open question. The listener's
// own does not have the protocol, so who asks without one is refused.
func (c *Challenges) Config(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	if !slices.Equal(hello.SupportedProtos, []string{acmez.ACMETLS1Protocol}) {
		return nil, nil
	}
	q, _ := c.find(fromReverse(strings.ToLower(hello.ServerName)), isALPN)
	return q.config, nil
}

// httpPath is where a server asks (RFC 8555 8.3).
const httpPath = "/.well-known/acme-challenge/"

// ServeHTTP01 answers r if it is an open question of HTTP-01 about host, which
// r is for, and otherwise reports that it did nothing.
func (c *Challenges) ServeHTTP01(w http.ResponseWriter, r *http.Request, host string) bool {
	token, ok := strings.CutPrefix(r.URL.Path, httpPath)
	if !ok || r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	q, ok := c.find(host, func(ch acme.Challenge) bool {
		return ch.Type == acme.ChallengeTypeHTTP01 && ch.Token == token
	})
	if !ok {
		return false
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	_, _ = w.Write([]byte(q.challenge.KeyAuthorization))
	return true
}

// fromReverse is the address that a name of the reverse DNS stands for, in the
// form that servers send for an address (RFC 8738 6), or the name itself.
func fromReverse(name string) string {
	if digits, ok := strings.CutSuffix(name, ".in-addr.arpa"); ok {
		labels := strings.Split(digits, ".")
		slices.Reverse(labels)
		if a, err := netip.ParseAddr(strings.Join(labels, ".")); err == nil {
			return a.String()
		}
	}
	if digits, ok := strings.CutSuffix(name, ".ip6.arpa"); ok {
		labels := strings.Split(digits, ".")
		slices.Reverse(labels)
		if raw, err := hex.DecodeString(strings.Join(labels, "")); err == nil && len(raw) == 16 {
			return netip.AddrFrom16([16]byte(raw)).String()
		}
	}
	return name
}
