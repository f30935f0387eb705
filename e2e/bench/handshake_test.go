//go:build bench

package bench

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

const shakers = 4 // clients at once

// handshakes are connections that are made and ended, full handshakes all of
// them, with ECDSA P-256 certificates. The peers have no X25519MLKEM768, which
// the gate takes if the client has it.
func (b *bench) handshakes(t *testing.T) {
	const each = 500
	rates := make(map[string][]float64)
	work := func(group tls.CurveID) func(testing.TB, *server) {
		return func(t testing.TB, s *server) {
			begun := time.Now()
			together(shakers, func(int) {
				for range each {
					b.shake(t, s, group)
				}
			})
			name := s.name + group.String()
			rates[name] = append(rates[name], shakers*each/time.Since(begun).Seconds())
		}
	}
	costs := b.compare(t, b.uploaders, shakers*each, work(tls.X25519))
	b.ratio("full TLS 1.3 handshake, X25519, ECDSA P-256", "µs", costs, 1.05)
	alone := b.compare(t, b.servers[:1], shakers*each, work(tls.X25519MLKEM768))
	var all []string
	for _, s := range b.uploaders {
		all = append(all, fmt.Sprintf("%s %.0f", s.name, median(rates[s.name+tls.X25519.String()])))
	}
	b.row(fmt.Sprintf("handshakes a second, %d clients on the same cores, X25519", shakers), strings.Join(all, ", "), "–", true)
	hybrid := b.gate.name
	b.row("handshake with X25519MLKEM768 (nginx 1.22 and HAProxy 2.6 have none), CPU time",
		fmt.Sprintf("%s, %.0f a second", micro(alone[hybrid]), median(rates[hybrid+tls.X25519MLKEM768.String()])), "–", true)
}

// shake makes a connection and ends it politely.
func (b *bench) shake(t testing.TB, s *server, group tls.CurveID) {
	raw, err := net.Dial("tcp", s.host)
	if err != nil {
		t.Error(err)
		return
	}
	defer raw.Close()
	_ = raw.SetDeadline(time.Now().Add(patience))
	c := tls.Client(raw, &tls.Config{ServerName: b.tls.ServerName, InsecureSkipVerify: true, NextProtos: b.tls.NextProtos, CurvePreferences: []tls.CurveID{group}})
	if err := c.Handshake(); err != nil {
		t.Errorf("%s: %v", s.name, err)
		return
	}
	if got := c.ConnectionState(); got.CurveID != group || got.Version != tls.VersionTLS13 || got.DidResume {
		t.Errorf("%s: %v by %v, want a full handshake by %v", s.name, tls.VersionName(got.Version), got.CurveID, group)
	}
	_ = c.CloseWrite()
	_, _ = io.Copy(io.Discard, c) // until the server has closed
}
