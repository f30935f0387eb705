package ldaptest

import (
	"crypto/tls"
	"net"
	"slices"
	"sync"
	"testing"

	ber "github.com/go-asn1-ber/asn1-ber"
)

// An Entry is what the server knows about something.
type Entry struct {
	DN         string
	Password   string // "" is none
	Attributes map[string][]string
}

// The operations of a Request.
const (
	Bind     = "bind"
	Search   = "search"
	StartTLS = "starttls"
)

// A Request is what the server was asked.
type Request struct {
	Op     string
	Name   string // DN of a bind, base of a search
	Filter string // of a search
	Size   int64  // limit of a search
	Conn   int    // number of the connection, from 1
	Secure bool   // within TLS
	Policy bool   // with the control of password policies
}

// A Fault is what the server does in place of an answer, in this order.
type Fault struct {
	Wait  <-chan struct{} // until this is closed
	Code  int64           // an answer with this code, and the text
	Text  string
	Raw   []byte // these bytes, and the end of the connection
	Close bool   // the end of the connection
	Cut   int    // the answer without so many bytes at its end, and the end
}

// Options say how a Server speaks.
type Options struct {
	TLS   *tls.Config // for StartTLS; nil has none
	LDAPS bool        // TLS before anything else
	Addr  string      // where it listens; "" chooses a port
}

// A Server is a directory in the process of a test.
type Server struct {
	Addr string

	opts  Options
	ended chan struct{} // no fault waits after this
	conns sync.WaitGroup

	mu       sync.Mutex // guards all below
	entries  []Entry
	requests []Request
	fault    func(Request) *Fault
	listener net.Listener
	open     map[net.Conn]bool
	accepted int
}

// Start starts a server that ends with the test.
func Start(t testing.TB, o Options, entries ...Entry) *Server {
	t.Helper()
	s := &Server{opts: o, ended: make(chan struct{}), entries: entries, open: make(map[net.Conn]bool)}
	s.Addr = o.Addr
	if s.Addr == "" {
		s.Addr = "127.0.0.1:0"
	}
	s.Up(t)
	t.Cleanup(func() {
		close(s.ended)
		s.Down()
	})
	return s
}

// Up has the server listen, again after Down.
func (s *Server) Up(t testing.TB) {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	s.listener, s.Addr = l, l.Addr().String()
	s.mu.Unlock()
	s.conns.Go(func() { s.accept(l) })
}

// Down has it listen no more, and ends all connections.
func (s *Server) Down() {
	s.mu.Lock()
	_ = s.listener.Close()
	s.mu.Unlock()
	s.Hangup()
	s.conns.Wait()
}

// Hangup ends all connections.
func (s *Server) Hangup() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.open {
		_ = c.Close()
	}
}

// Set replaces the entries.
func (s *Server) Set(entries ...Entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entries = entries
}

// Fail has every request asked about first; nil is no fault, and the answer as
// usual.
func (s *Server) Fail(fault func(Request) *Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = fault
}

// Requests returns what was asked so far, of one operation or, with "", of all.
func (s *Server) Requests(op string) []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.requests), func(r Request) bool { return op != "" && r.Op != op })
}

// Conns returns how many connections there were, and how many there are.
func (s *Server) Conns() (accepted, open int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.accepted, len(s.open)
}

func (s *Server) accept(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.accepted++
		s.open[c] = true
		number := s.accepted
		s.mu.Unlock()
		s.conns.Go(func() {
			s.serve(&session{server: s, raw: c, conn: c, number: number})
			_ = c.Close()
			s.mu.Lock()
			delete(s.open, c)
			s.mu.Unlock()
		})
	}
}

// A session is one connection.
type session struct {
	server *Server
	raw    net.Conn
	conn   net.Conn // raw, or TLS on it
	number int
}

func (s *Server) serve(c *session) {
	if s.opts.LDAPS {
		c.conn = tls.Server(c.raw, s.opts.TLS)
	}
	for {
		packet, err := ber.ReadPacket(c.conn)
		if err != nil || len(packet.Children) < 2 {
			return
		}
		if !c.answer(packet) {
			return
		}
	}
}
