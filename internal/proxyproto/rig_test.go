package proxyproto

import (
	"net"
	"slices"
	"sync"
	"testing"
)

var balancer = &net.TCPAddr{IP: net.IPv4(10, 0, 0, 9), Port: 4711}

// A street is a listener whose connections a test makes.
type street struct {
	conns chan net.Conn
	once  sync.Once
	over  chan struct{}
}

func newStreet() *street { return &street{conns: make(chan net.Conn), over: make(chan struct{})} }

func (s *street) Accept() (net.Conn, error) {
	select {
	case c := <-s.conns:
		return c, nil
	case <-s.over:
		return nil, net.ErrClosed
	}
}

func (s *street) Close() error {
	s.once.Do(func() { close(s.over) })
	return nil
}

func (s *street) Addr() net.Addr { return balancer }

// A peer is a connection that comes from the balancer, in memory.
type peer struct {
	net.Conn
	ended chan struct{}
	once  sync.Once
}

func (*peer) RemoteAddr() net.Addr { return balancer }

func (p *peer) Close() error {
	p.once.Do(func() { close(p.ended) })
	return p.Conn.Close()
}

// A rig is a listener with its balancer.
type rig struct {
	net.Listener
	street  *street
	mu      sync.Mutex // guards what follows
	held    int
	most    int // that may be held; 0 is any number
	refused []string
}

func newRig() *rig {
	r := &rig{street: newStreet()}
	r.Listener = Listen(r.street, Deps{
		Enter: func(c net.Conn) (func(), bool) {
			r.mu.Lock()
			defer r.mu.Unlock()
			if r.most > 0 && r.held == r.most {
				_ = c.Close()
				return nil, false
			}
			r.held++
			return func() { r.mu.Lock(); defer r.mu.Unlock(); r.held-- }, true
		},
		Refused: func(reason string, c net.Conn) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.refused = append(r.refused, reason+" "+c.RemoteAddr().String())
		},
	})
	return r
}

// connect has the balancer connect.
func (r *rig) connect() (balancers net.Conn, ours *peer) {
	near, far := net.Pipe()
	ours = &peer{Conn: near, ended: make(chan struct{})}
	r.street.conns <- ours
	return far, ours
}

// told is what was refused.
func (r *rig) told() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.refused)
}

// end closes the listener and sees that nothing is left of it.
func (r *rig) end(t *testing.T) {
	t.Helper()
	_ = r.Listener.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.held != 0 {
		t.Errorf("%d connections are still counted in", r.held)
	}
}
