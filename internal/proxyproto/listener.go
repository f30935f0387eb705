package proxyproto

import (
	"errors"
	"net"
	"sync"
	"time"
)

// patience is how long a header may take. A balancer sends it with its first
// packet; what takes longer is lost, or nobody's.
const patience = 3 * time.Second

// NoHeader is the reason for which a connection is refused that has no header
// in time, or one that is wrong.
const NoHeader = "proxy_header"

// Deps are what a listener asks and tells others. It lacks none of them.
type Deps struct {
	// Enter counts a connection in that is about to wait for its header, until
	// leave is called, or closes it because there are too many.
	Enter func(net.Conn) (leave func(), ok bool)

	// Refused is called for each connection that is about to be closed.
	Refused func(reason string, c net.Conn)
}

// Listen returns inner with the clients' connections. Its Close ends those
// that wait, too; where inner alone is closed, they are accepted before the end.
func Listen(inner net.Listener, deps Deps) net.Listener {
	return &listener{
		Listener: inner,
		deps:     deps,
		read:     make(chan accepted),
		closed:   make(chan struct{}),
		waiting:  make(map[net.Conn]bool),
	}
}

// An accepted is what Accept returns.
type accepted struct {
	conn net.Conn
	err  error
}

type listener struct {
	net.Listener
	deps   Deps
	begin  sync.Once
	end    sync.Once
	read   chan accepted
	closed chan struct{}

	accepting sync.WaitGroup // acceptAll
	receiving sync.WaitGroup // a goroutine for each connection that has no header yet

	mu      sync.Mutex // guards waiting
	waiting map[net.Conn]bool
}

// Accept returns the next connection whose header has been read.
func (l *listener) Accept() (net.Conn, error) {
	l.begin.Do(func() { l.accepting.Go(l.acceptAll) })
	select {
	case next := <-l.read:
		return next.conn, next.err
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close ends everything that Accept has not returned.
func (l *listener) Close() error {
	err := net.ErrClosed
	l.begin.Do(func() {}) // nothing begins any more
	l.end.Do(func() {
		err = l.Listener.Close()
		close(l.closed)
		l.cut()
	})
	l.accepting.Wait()
	l.receiving.Wait()
	return err
}

// acceptAll never waits for a header before inner is closed. Whoever closes that
// alone wants nobody else, and to serve all who are there.
func (l *listener) acceptAll() {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			ended := errors.Is(err, net.ErrClosed)
			if ended {
				l.receiving.Wait()
			}
			if !l.hand(accepted{err: err}) || ended {
				return
			}
		} else if leave, ok := l.deps.Enter(c); ok {
			l.receiving.Go(func() { l.receive(c, leave) })
		}
	}
}

// hand gives something to Accept, unless nobody will ask again.
func (l *listener) hand(next accepted) bool {
	select {
	case l.read <- next:
		return true
	case <-l.closed:
		return false
	}
}

// receive waits for a header. A connection that is closed before anything came
// was a balancer that looked whether anybody is there, which many do often.
func (l *listener) receive(c net.Conn, leave func()) {
	s := &seen{Conn: c}
	client, err := l.await(s)
	leave()
	switch {
	case err == nil && l.hand(accepted{conn: client}):
	case err != nil && !l.isClosed() && (s.any || isTimeout(err)):
		l.refuse(c)
	default:
		_ = c.Close()
	}
}

// await reads the header while Close knows that it is waited for.
func (l *listener) await(s *seen) (*conn, error) {
	l.wait(s.Conn)
	defer l.waited(s.Conn)
	if l.isClosed() { // before it was known
		return nil, net.ErrClosed
	}
	if err := s.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	client, err := readHeader(s)
	if err != nil {
		return nil, err
	}
	client.Conn = s.Conn
	_ = s.SetReadDeadline(time.Time{}) // which only what is closed can fail
	return client, nil
}

// A seen remembers whether anything was read.
type seen struct {
	net.Conn
	any bool
}

func (s *seen) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p)
	s.any = s.any || n > 0
	return n, err
}

func isTimeout(err error) bool {
	var slow net.Error
	return errors.As(err, &slow) && slow.Timeout()
}

// refuse ends a connection without the states of TCP that a close leaves.
func (l *listener) refuse(c net.Conn) {
	l.deps.Refused(NoHeader, c)
	if t, ok := c.(interface{ SetLinger(int) error }); ok {
		_ = t.SetLinger(0)
	}
	_ = c.Close()
}

func (l *listener) isClosed() bool {
	select {
	case <-l.closed:
		return true
	default:
		return false
	}
}

func (l *listener) wait(c net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting[c] = true
}

func (l *listener) waited(c net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.waiting, c)
}

// cut ends the connections that wait.
func (l *listener) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.waiting {
		_ = c.Close()
	}
}
