package acme

import (
	"crypto/tls"
	"crypto/x509"
	"testing"
)

// TestOfferTakesNothingAway: what stands in comes late, when what is better is
// served already.
func TestOfferTakesNothingAway(t *testing.T) {
	s := newShelf()
	s.setHosts([]string{"a.example.com"})
	old, better := named("old"), named("better")
	if !s.offer("a.example.com", old) || s.offer("a.example.com", better) || s.view.Load().certs["a.example.com"][0] != old {
		t.Error("an offer is for a host that has nothing")
	}
	if !s.put("a.example.com", better) || s.put("a.example.com", better) || s.offer("a.example.com", old) || s.view.Load().certs["a.example.com"][0] != better {
		t.Error("what was put is there until something else is put")
	}
	if s.offer("b.example.com", old) || s.put("b.example.com", old) {
		t.Error("a certificate for a host that is not wanted")
	}
}

// named is a certificate of which nothing but its bytes counts.
func named(raw string) *tls.Certificate {
	return &tls.Certificate{Leaf: &x509.Certificate{Raw: []byte(raw)}}
}
