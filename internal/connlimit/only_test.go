package connlimit

import (
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// TestOnly lets one network in, and resets others before they are counted.
func TestOnly(t *testing.T) {
	var refused atomic.Int64
	l := New(Limits{}, Deps{Refused: func(reason string) {
		if reason == Untrusted {
			refused.Add(1)
		}
	}})
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer inner.Close()
	outer := l.Only(inner, []netip.Prefix{netip.MustParsePrefix("127.0.1.0/24")})
	for range 3 {
		dialFrom(t, inner.Addr(), "127.0.0.1")
	}
	good := dialFrom(t, inner.Addr(), "127.0.1.7")
	got, err := outer.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer got.Close()
	if got.RemoteAddr().String() != good.LocalAddr().String() {
		t.Errorf("accepted %v, want %v", got.RemoteAddr(), good.LocalAddr())
	}
	if n := refused.Load(); n != 3 || l.Open() != 0 {
		t.Errorf("%d refused, want 3; %d counted in", n, l.Open())
	}
}

func dialFrom(t *testing.T, to net.Addr, from string) net.Conn {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	c, err := d.Dial("tcp", to.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return c
}

// TestHold counts in those who are elsewhere, and whoever is one too many is
// told at once.
func TestHold(t *testing.T) {
	l := New(Limits{Connections: 2}, Deps{})
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer inner.Close()
	hold := func() (client net.Conn, leave func(), ok bool) {
		client = dialFrom(t, inner.Addr(), "127.0.0.1")
		c, err := inner.Accept()
		if err != nil {
			t.Fatal(err)
		}
		leave, ok = l.Hold(c)
		return client, leave, ok
	}
	_, first, ok1 := hold()
	_, second, ok2 := hold()
	third, _, ok3 := hold()
	if !ok1 || !ok2 || ok3 || l.Open() != 2 {
		t.Errorf("Hold() = %v, %v, %v; %d counted in; want two of three", ok1, ok2, ok3, l.Open())
	}
	if _, err := third.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the third reads %v, want a reset", err)
	}
	first()
	second()
	if l.Open() != 0 {
		t.Errorf("%d are left", l.Open())
	}
}
