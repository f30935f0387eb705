// Package acme has the certificates of the gate's https listener.
//
// In go the section tls of the configuration and, for what replicas share, a
// state.Store. Out come a *tls.Config that serves a certificate for each
// configured host, the certificate of the gate's own CA, and when each
// certificate ends, or why there is none. Where they come from is the mode: CAs
// that speak ACME or one of the gate's own (through certmagic, which stores and
// renews), files, or nowhere, if a load balancer ends TLS.
//
// A handshake never waits: not for storage, not for an issuer. A host that has
// no certificate yet, or that is none of ours, gets unrecognized_name.
//
// The package does not listen, looks at no requests but those of CAs that want
// to see whether a host leads here, does not say who a client certificate is,
// and does not sign tokens; the CA here is another one than the token root. A
// Manager lives as long as the process: a reload tells it the new hosts, and
// connections notice nothing.
package acme

import (
	"context"
	"crypto/tls"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/regate/regate/acme/client"
	"github.com/regate/regate/internal/state"
)

// A Manager keeps a certificate for each host. Its methods may be called at
// the same time by many goroutines, but for Start and Close.
type Manager struct {
	mode  string
	deps  Deps
	shelf *shelf
	tls   *tls.Config               // nil in mode proxied
	ca    atomic.Pointer[authority] // nil but in mode internal

	clients atomic.Pointer[tls.Config] // tls that asks for a certificate; nil if nobody is asked

	challenges  *client.Challenges          // empty but in mode acme
	board       *board                      // nil but in mode acme, where gates share a Store
	authorities atomic.Pointer[authorities] // nil but in mode acme

	watching sync.WaitGroup // the board
	stop     context.CancelFunc

	// One of them is set, as the mode says.
	managed *managed
	files   *files
}

// Deps are what a Manager needs besides its Config.
type Deps struct {
	Store  state.Store // for modes acme and internal; values below tls/ should be sealed
	HTTP   bool        // whether requests on port 80 come to ServeChallenge
	Shared bool        // whether other gates have the same Store, one of which a CA may reach
	CAFile string      // where the internal CA's certificate is written for people; "" for nowhere
	Log    *zap.Logger // nil for silence
}

// A Status tells of one host's certificate.
type Status struct {
	Host     string
	NotAfter time.Time // zero if there is none
	Pending  bool      // there is none yet
	Trouble  Trouble   // why there is none or no newer one; zero if nothing has failed
}

// intervals are how often things are done, and how long storage may take.
type intervals struct {
	renewal   time.Duration // between looks for certificates that are due
	reconcile time.Duration // between looks for hosts that have none
	sweep     time.Duration // between looks for what has expired long ago
	pause     time.Duration // of a host that fails at a public CA
	again     time.Duration // of a host whose new certificate is due at once; 0 for none
	files     time.Duration
	storage   time.Duration // deadline of one operation
}

// The renewal interval suits the shortest lifetime that can be configured; a
// look costs no more than a walk over the certificates in memory.
func usual() intervals {
	return intervals{
		renewal: 10 * time.Second, reconcile: 30 * time.Second, sweep: time.Hour, pause: publicPause, again: againPause,
		files: 5 * time.Second, storage: 3 * time.Second,
	}
}

// source is what fills the shelf.
type source interface {
	start(context.Context)
	close()
	trouble(host string) Trouble
}

// New reads what cfg names, which must be valid, and makes the CA of mode
// internal if there is none. A problem.List has paths relative to cfg.
func New(ctx context.Context, cfg Config, deps Deps) (*Manager, error) {
	return newManager(ctx, cfg, deps, usual())
}

func newManager(ctx context.Context, cfg Config, deps Deps, every intervals) (*Manager, error) {
	if deps.Log == nil {
		deps.Log = zap.NewNop()
	}
	m := &Manager{mode: cfg.withDefaults().Mode, deps: deps, shelf: newShelf(), challenges: client.NewChallenges()}
	if m.mode == ModeACME && deps.Shared {
		m.board = &board{store: deps.Store, log: deps.Log}
		m.challenges = client.NewShared(m.board)
	}
	switch m.mode {
	case ModeACME, ModeInternal:
		m.managed = newManaged(m.shelf, deps.Store, every, deps.Log)
	case ModeFiles:
		m.files = newFiles(m.shelf, every.files, deps.Log)
	}
	if m.mode != ModeProxied {
		m.tls = newTLSConfig(m.shelf, cfg.oldestVersion())
		m.tls.GetConfigForClient = m.configFor
	}
	commit, err := m.Prepare(ctx, cfg)
	if err != nil {
		return nil, err
	}
	commit()
	return m, nil
}

func (m *Manager) source() source {
	switch m.mode {
	case ModeACME, ModeInternal:
		return m.managed
	case ModeFiles:
		return m.files
	}
	return nil
}

// Start begins to get and renew certificates, until ctx is done or Close.
func (m *Manager) Start(ctx context.Context) {
	if s := m.source(); s != nil {
		s.start(ctx)
	}
	if m.board != nil {
		ctx, m.stop = context.WithCancel(ctx)
		m.watching.Go(func() { m.board.run(ctx, m.challenges) })
	}
}

// Loaded is closed when what there was of certificates before Start has been
// found, or could not be: handshakes before that may find none.
func (m *Manager) Loaded() <-chan struct{} {
	if m.managed != nil {
		return m.managed.loaded
	}
	all := make(chan struct{}) // files were read when they were prepared
	close(all)
	return all
}

// Close ends what Start began and waits for it. The store must still be open.
func (m *Manager) Close() {
	if s := m.source(); s != nil {
		s.close()
	}
	if m.stop != nil {
		m.stop()
		m.watching.Wait()
	}
}

// Prepare does everything for a change to cfg that can fail, and changes
// nothing. commit then makes the change; handshakes for hosts that stay are
// served all the while, and open connections notice nothing.
func (m *Manager) Prepare(ctx context.Context, cfg Config) (commit func(), err error) {
	cfg = cfg.withDefaults()
	if cfg.Mode != m.mode {
		return nil, fmt.Errorf("tls.mode cannot change from %s to %s while the gate runs", m.mode, cfg.Mode)
	}
	cas, err := cfg.ClientCAs()
	if err != nil {
		return nil, err
	}
	follow, err := m.prepare(ctx, cfg)
	if err != nil {
		return nil, err
	}
	clients := m.asking(cas)
	return func() {
		follow()
		m.clients.Store(clients)
	}, nil
}

func (m *Manager) prepare(ctx context.Context, cfg Config) (commit func(), err error) {
	switch m.mode {
	case ModeACME:
		return m.prepareACME(cfg)
	case ModeInternal:
		return m.prepareInternal(ctx, cfg)
	case ModeFiles:
		set, err := readFiles(cfg)
		if err != nil {
			return nil, err
		}
		return func() { m.files.follow(cfg, set) }, nil
	case ModeProxied:
		return func() {}, nil
	}
	return nil, fmt.Errorf("tls.mode %s does not exist", m.mode)
}

// Retry asks at once for certificates that could not be had, which would else
// wait their time, for somebody who has mended what was wrong.
func (m *Manager) Retry() {
	if m.managed != nil {
		m.managed.retry()
	}
}

// TLSConfig is for the https listener, the same one as long as the Manager
// lives; nil in mode proxied, in which it speaks plain HTTP.
func (m *Manager) TLSConfig() *tls.Config { return m.tls }

// CAPEM is the certificate that clients must be told to trust in mode
// internal, with its chain; nil in the others.
func (m *Manager) CAPEM() []byte {
	if ca := m.ca.Load(); ca != nil {
		return ca.pem()
	}
	return nil
}

// CAFingerprint is "sha256:" and the hash of that certificate in hex, or "".
func (m *Manager) CAFingerprint() string {
	if ca := m.ca.Load(); ca != nil {
		return ca.fingerprint()
	}
	return ""
}

// Certificates tells of each configured host, in the configured order.
func (m *Manager) Certificates() []Status {
	v, s := m.shelf.view.Load(), m.source()
	var all []Status
	for _, host := range v.hosts {
		st := Status{Host: host, Trouble: s.trouble(host), Pending: true}
		if certs := v.certs[host]; len(certs) > 0 {
			st.Pending, st.NotAfter = false, certs[0].Leaf.NotAfter
		}
		all = append(all, st)
	}
	return all
}
