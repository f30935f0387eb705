package connlimit

import (
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"testing"
)

// TestShares has as many handshakes at work as may be, first of one network,
// then altogether: who comes then is refused at the door, and who was let in
// before it got full, when it is its turn.
func TestShares(t *testing.T) {
	l := New(Limits{Handshakes: 4}, Deps{})
	enter := func(from string) (crowds, string) { return l.enter(netip.MustParseAddr(from)) }
	of := func(from string) crowds {
		t.Helper()
		all, reason := enter(from)
		if reason != "" {
			t.Fatalf("%s is refused: %s", from, reason)
		}
		return all
	}
	flood, other, third := of("10.0.0.1"), of("10.0.1.1"), of("10.0.2.1")
	for _, tt := range []struct {
		name string
		from string
		all  crowds
		want bool
	}{
		{"the first", "10.0.0.2", flood, true},
		{"the second", "10.0.0.3", flood, true},
		{"more than half of one network", "10.0.0.4", flood, false},
		{"another network", "10.0.1.2", other, true},
		{"the last one", "10.0.1.3", other, true},
		{"more than all", "10.0.2.2", third, false},
	} {
		if _, reason := enter(tt.from); (reason == "") != tt.want || !tt.want && reason != Handshakes {
			t.Errorf("%s: at the door %q, want ok to be %v", tt.name, reason, tt.want)
		}
		if got := l.line(tt.all); got != tt.want {
			t.Errorf("%s: in line %v, want %v", tt.name, got, tt.want)
		}
	}
}

// limited is a connection in a handshake, with its other side.
func limited(t *testing.T) (l *Limiter, c *conn, client net.Conn) {
	t.Helper()
	near, far := net.Pipe()
	t.Cleanup(func() { _, _ = near.Close(), far.Close() })
	l = New(Limits{Handshakes: 4}, Deps{})
	all, reason := l.enter(netip.MustParseAddr("10.0.0.1"))
	if reason != "" {
		t.Fatal(reason)
	}
	return l, l.conn(near, all), far
}

// What comes after the handshake is nobody's turn.
func TestHandshakeEnds(t *testing.T) {
	l, c, far := limited(t)
	go func() {
		_ = client(far, nil).Handshake()
		_, _ = io.Copy(io.Discard, far)
	}() // which ends with the pipe
	s := tls.Server(c, l.TLSConfig(&tls.Config{Certificates: []tls.Certificate{certificate(t)}}))
	if err := s.Handshake(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "end of the handshake", func() bool { return c.turn.state.Load() == over && len(l.slots) == 0 })
}

// A client that does not read its answer must not keep a processor from others.
func TestUnreadAnswerHasNoSlot(t *testing.T) {
	l, c, far := limited(t)
	if !c.compute() || len(l.slots) != 1 {
		t.Fatalf("%d slots taken, want 1", len(l.slots))
	}
	done := make(chan error)
	go func() { _, err := c.Write([]byte("answer")); done <- err }()
	eventually(t, "free slot", func() bool { return len(l.slots) == 0 })
	if _, err := io.ReadFull(far, make([]byte, 6)); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// Whoever has gone while they waited must not keep the slot that they get.
func TestClosedWhileWaiting(t *testing.T) {
	l, c, _ := limited(t)
	for range cap(l.slots) {
		l.slots <- struct{}{} // others are at work
	}
	done := make(chan bool)
	go func() { done <- c.compute() }()
	eventually(t, "somebody who waits", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.handshakes == 1
	})
	_ = c.Close()
	for range cap(l.slots) {
		<-l.slots
	}
	<-done
	if len(l.slots) != 0 || l.handshakes != 0 || l.Open() != 0 {
		t.Errorf("left behind: %d slots, %d handshakes, %d connections", len(l.slots), l.handshakes, l.Open())
	}
}
