package sqldb

import (
	"crypto/x509"
	"sync"
	"time"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/internal/problem"
)

// Databases are all that one configuration names. Users and rules that are in
// the same one share its connections. The zero Databases is empty and ready.
type Databases struct {
	mu   sync.Mutex // guards open
	open map[target]*database
}

// A target is what makes connections the same.
type target struct {
	kind, ca string
	text     authn.Secret
}

// grace is how long who is at it when the generation ends may still ask: as long
// as any login takes, and longer.
const grace = time.Minute

// Close ends the connections as they become idle, and the rest after a while.
func (s *Databases) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.open {
		d.db.SetMaxIdleConns(-1)
		time.AfterFunc(grace, func() { _ = d.db.Close() })
	}
	s.open = nil
	return nil
}

// get returns the database of c, which is valid and has its defaults. It reads
// files, and its error is a problem.List.
func (s *Databases) get(c Connection) (*database, error) {
	var wrong problem.List
	text, err := authn.ReadSecret(c.ConnStringFile, c.ConnString)
	wrong.Under("conn_string_file", err)
	if c.ConnStringFile != "" && err == nil {
		c.checkText(&wrong, "conn_string_file", text.Reveal())
	}
	roots, err := authn.ReadRoots(c.CA) // nil is what the conn string says
	wrong.Under("ca", err)
	if wrong.Fatal() {
		return nil, wrong
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	to := target{c.DatabaseType, c.CA, text}
	d := s.open[to]
	if d == nil {
		if d, err = connectTo(to, roots); err != nil {
			return nil, err
		}
		if s.open == nil {
			s.open = make(map[target]*database)
		}
		s.open[to] = d
	}
	d.grow(c.Connections, c.DatabaseType)
	return d, nil
}

// Remark is a warning if c, which is valid, names a file that is not there now:
// it may be by the time that the gate is asked something.
func (c Connection) Remark() error {
	var l problem.List
	d, err := c.dialect()
	if err != nil {
		return nil // which Validate says
	}
	text, err := authn.ReadSecret(c.ConnStringFile, c.ConnString)
	if err != nil {
		return nil
	}
	a, err := d.parse(text.Reveal())
	if err == nil && a.file != "" {
		err = readable(a.file)
	}
	if err != nil && a.file != "" {
		l.Warnf("conn_string", "%v", err)
	}
	return l.Err()
}

func connectTo(to target, roots *x509.CertPool) (*database, error) {
	d, err := Connection{DatabaseType: to.kind}.dialect()
	if err != nil {
		return nil, err
	}
	a, err := d.parse(to.text.Reveal())
	if err != nil {
		return nil, err
	}
	return &database{dialect: d, db: a.connect(roots)}, nil
}
