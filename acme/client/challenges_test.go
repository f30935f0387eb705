package client

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/mholt/acmez/v3"
	"github.com/mholt/acmez/v3/acme"
)

const (
	kindALPN = acme.ChallengeTypeTLSALPN01
	kindHTTP = acme.ChallengeTypeHTTP01
)

func challenge(kind, host, token string) acme.Challenge {
	ch := acme.Challenge{Type: kind, Token: token, KeyAuthorization: token + ".print"}
	ch.Identifier = acme.Identifier{Type: "dns", Value: host}
	if _, err := netip.ParseAddr(host); err == nil {
		ch.Identifier.Type = "ip"
	}
	return ch
}

func present(t *testing.T, c *Challenges, ch acme.Challenge) acmez.Solver {
	t.Helper()
	s := c.Solvers(ch.Type)[ch.Type]
	if err := s.Present(t.Context(), ch); err != nil {
		t.Fatal(err)
	}
	return s
}

func hello(name string, protos ...string) *tls.ClientHelloInfo {
	return &tls.ClientHelloInfo{ServerName: name, SupportedProtos: protos}
}

var configTests = []struct {
	name   string
	host   string // that a server asks about, in its own writing
	hello  *tls.ClientHelloInfo
	answer bool
}{
	{"its question", "a.example.com", hello("a.example.com", "acme-tls/1"), true},
	{"in capitals", "A.example.com", hello("a.EXAMPLE.com", "acme-tls/1"), true},
	{"a stranger's", "a.example.com", hello("b.example.com", "acme-tls/1"), false},
	{"no name", "a.example.com", hello("", "acme-tls/1"), false},
	{"a client", "a.example.com", hello("a.example.com", "h2", "http/1.1"), false},
	{"a client with everything", "a.example.com", hello("a.example.com", "h2", "acme-tls/1"), false},
	{"no protocols", "a.example.com", hello("a.example.com"), false},
	{"address", "192.0.2.7", hello("7.2.0.192.in-addr.arpa", "acme-tls/1"), true},
	{"address of version 6", "2001:DB8:0:0::7",
		hello("7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", "acme-tls/1"), true},
	{"another address", "192.0.2.7", hello("8.2.0.192.in-addr.arpa", "acme-tls/1"), false},
	{"half an address", "192.0.2.7", hello("2.0.192.in-addr.arpa", "acme-tls/1"), false},
	{"no address at all", "192.0.2.7", hello(".ip6.arpa", "acme-tls/1"), false},
}

func TestConfig(t *testing.T) {
	for _, tt := range configTests {
		c := NewChallenges()
		s := present(t, c, challenge(kindALPN, tt.host, "t"))
		got, err := c.Config(tt.hello)
		if err != nil || (got != nil) != tt.answer {
			t.Errorf("%s: Config = %v, %v", tt.name, got, err)
		}
		if got != nil && !slices.Equal(got.NextProtos, []string{"acme-tls/1"}) {
			t.Errorf("%s: protocols %q", tt.name, got.NextProtos)
		}
		_ = s.CleanUp(t.Context(), challenge(kindALPN, tt.host, "t"))
		if got, _ := c.Config(tt.hello); got != nil || len(c.open) > 0 {
			t.Errorf("%s: answered after the end", tt.name)
		}
	}
}

// The one challenge is no answer to the other.
func TestChallengesAreApart(t *testing.T) {
	c := NewChallenges()
	present(t, c, challenge(kindHTTP, "a.example.com", "t"))
	if got, _ := c.Config(hello("a.example.com", "acme-tls/1")); got != nil {
		t.Error("HTTP-01 is answered in a handshake")
	}
	present(t, c, challenge(kindALPN, "b.example.com", "t"))
	if c.ServeHTTP01(httptest.NewRecorder(), httptest.NewRequest("GET", httpPath+"t", nil), "b.example.com") {
		t.Error("TLS-ALPN-01 is answered by HTTP")
	}
}

// An order that was called off cleans up when the next one has begun.
func TestLateCleanUp(t *testing.T) {
	c := NewChallenges()
	first := present(t, c, challenge(kindHTTP, "a.example.com", "one"))
	present(t, c, challenge(kindHTTP, "a.example.com", "two"))
	_ = first.CleanUp(t.Context(), challenge(kindHTTP, "a.example.com", "one"))
	w := httptest.NewRecorder()
	if !c.ServeHTTP01(w, httptest.NewRequest("GET", httpPath+"two", nil), "a.example.com") || w.Body.String() != "two.print" {
		t.Errorf("the question that is open is answered %q", w.Body)
	}
}

// reverse is RFC 8738 6, from the other side.
func reverse(a netip.Addr) string {
	digits, zone := strings.Split(a.String(), "."), ".in-addr.arpa"
	if a.Is6() {
		digits, zone = strings.Split(fmt.Sprintf("%x", a.AsSlice()), ""), ".ip6.arpa"
	}
	slices.Reverse(digits)
	return strings.Join(digits, ".") + zone
}

func FuzzFromReverse(f *testing.F) {
	for _, tt := range configTests {
		f.Add(tt.hello.ServerName, []byte{192, 0, 2, 7})
	}
	f.Fuzz(func(t *testing.T, name string, raw []byte) {
		if got := fromReverse(name); got != name {
			if a, err := netip.ParseAddr(got); err != nil || a.String() != got {
				t.Errorf("fromReverse(%q) = %q", name, got)
			}
		}
		if a, ok := netip.AddrFromSlice(raw); ok && !a.Is4In6() {
			if got := fromReverse(reverse(a)); got != a.String() {
				t.Errorf("fromReverse(%q) = %q, want %s", reverse(a), got, a)
			}
		}
	})
}

func TestTakeEndsWithItsContext(t *testing.T) {
	full := make(chan struct{}, 1)
	full <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := take(ctx, full); err != context.Canceled {
		t.Errorf("take = %v", err)
	}
}

// TestOwnQuestionHidesNoOther: where an order goes on though its gate has lost
// the lock on the host, another gate asks beside it, of any kind.
func TestOwnQuestionHidesNoOther(t *testing.T) {
	const host = "a.example.com"
	c := NewChallenges()
	present(t, c, challenge(kindHTTP, host, "own"))
	c.Show([]acme.Challenge{challenge(kindHTTP, host, "other")})
	for token, want := range map[string]bool{"own": true, "other": true, "third": false} {
		r := httptest.NewRequest("GET", httpPath+token, nil)
		if got := c.ServeHTTP01(httptest.NewRecorder(), r, host); got != want {
			t.Errorf("the question %q is answered: %v, want %v", token, got, want)
		}
	}
	c.Show([]acme.Challenge{challenge(kindALPN, host, "other")})
	if cfg, err := c.Config(hello(host, "acme-tls/1")); cfg == nil || err != nil {
		t.Errorf("the question of another kind is not answered: %v", err)
	}
}
