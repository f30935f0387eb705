// Package keyring has the keys that sign tokens: a token root, which registries
// trust for ten years, and leaves below it, which sign for a day each and
// change by themselves. In go a state.Store and, if the operator brings one, a
// root; out come the leaf that signs now, with its certificate, and a judgement
// of any other leaf.
//
// Registries read their rootcertbundle once, at start. Since every token
// carries its leaf's certificate in x5c, and the leaf is signed by the root,
// leaves come and go without any of them noticing (protocol.md 2.3).
//
// Beside them are secrets that gates share, for cookies and MACs.
//
// The package does not know what a token or a cookie is, and does not seal what it writes:
// a wrapper of the Store does. A Ring lives as long as the process.
package keyring

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/regate/regate/internal/state"
)

// MaxTokenLife is the longest that a token may live: each leaf can still be
// verified for that long after it has signed for the last time.
const MaxTokenLife = 24 * time.Hour

// MaxTokenAge is how long after it was issued a token may be asked about, for
// those who look at one that has expired: each leaf is kept for that long after
// it has signed for the last time, unless its renewal has failed.
const MaxTokenAge = 47 * time.Hour

const (
	poll      = 30 * time.Second // between two looks at the Store, hints apart
	storeTime = 10 * time.Second // for one look, and the renewal that may follow
	startTime = time.Minute      // for other gates to finish what they hold the lease for
	retryHeld = 250 * time.Millisecond
	rootWarn  = 30 * 24 * time.Hour
	leaseName = "keyring"
	leaseTime = 15 * time.Second
)

// Options are what a Ring is opened with.
type Options struct {
	Store state.Store

	// Cert and Key are PEM files of a token root that the operator brings;
	// without them the first gate makes one and keeps it in the Store.
	Cert, Key string

	// RootFile is where the root's certificate is written for registries to
	// read; "" writes it nowhere.
	RootFile string

	Now func() time.Time // nil is time.Now
}

// A Ring has the token root and its leaves. Its methods may be called at the
// same time by many goroutines.
type Ring struct {
	store state.Store
	log   *zap.Logger
	now   func() time.Time
	root  *root
	live  atomic.Pointer[snapshot]
}

// Open returns a ring that can sign. It finds the root and the leaves in the
// Store, and makes what is not there yet; a Store that cannot be asked is an
// error, never a reason for a root of one's own. Run keeps the ring fresh.
func Open(ctx context.Context, o Options, log *zap.Logger) (*Ring, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if log == nil {
		log = zap.NewNop()
	}
	r := &Ring{store: o.Store, log: log.Named("keyring"), now: o.Now}
	var err error
	if r.root, err = r.openRoot(ctx, o); err != nil {
		return nil, err
	}
	if err := r.root.valid(r.now()); err != nil {
		return nil, err
	}
	if was, err := readCert(o.RootFile); err == nil && !was.Equal(r.root.cert) {
		r.log.Warn("token root is another one than before: give it to all registries, which refuse tokens until they know it",
			zap.String("file", o.RootFile), zap.String("was", fingerprint(was)), zap.String("is", r.Fingerprint()))
	}
	if err := r.root.writeTo(o.RootFile); err != nil {
		return nil, err
	}
	if left := r.root.cert.NotAfter.Sub(r.now()); left < rootWarn {
		r.log.Warn("token root ends soon: give registries a new one", zap.Time("not_after", r.root.cert.NotAfter))
	}
	if err := patiently(ctx, r.begin); err != nil {
		return nil, fmt.Errorf("token keys: %w", err)
	}
	return r, nil
}

// begin is the first refresh. What is wrong with the Store does not matter yet
// if it has a leaf that signs.
func (r *Ring) begin(ctx context.Context) error {
	err := r.refresh(ctx)
	if err != nil && r.live.Load() != nil {
		r.log.Warn("token keys cannot be renewed", zap.Error(err))
		return nil
	}
	return err
}

func (r *Ring) openRoot(ctx context.Context, o Options) (root *root, err error) {
	if o.Cert != "" || o.Key != "" {
		return loadRoot(o.Cert, o.Key)
	}
	err = patiently(ctx, func(ctx context.Context) error {
		root, err = r.sharedRoot(ctx)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("token root: %w", err)
	}
	return root, nil
}

// Run keeps the ring fresh until ctx is done: it follows what other gates
// write, and renews leaves when they are due. While the Store cannot be asked,
// the last leaves stay in use.
func (r *Ring) Run(ctx context.Context) {
	state.Follow(ctx, r.store, r.leavesKey(), poll, r.follow)
}

// follow refreshes once and says what went wrong, unless another gate is just
// doing the same.
func (r *Ring) follow(ctx context.Context) {
	err := r.refresh(ctx)
	if err == nil || ctx.Err() != nil || busy(err) {
		return
	}
	left := r.Signer().NotAfter.Sub(r.now())
	if left < MaxTokenLife {
		r.log.Error("token key cannot be renewed and runs out", zap.Duration("left", left), zap.Error(err))
		return
	}
	r.log.Warn("token keys cannot be refreshed", zap.Error(err))
}

// Signer is the leaf that signs now. It is never nil, but may have run out if
// the Store could not be asked for two days.
func (r *Ring) Signer() *Signer { return r.live.Load().signer }

// Root is the certificate that all leaves are verified with.
func (r *Ring) Root() *x509.Certificate { return r.root.cert }

// RootPEM is the file that registries take as rootcertbundle.
func (r *Ring) RootPEM() []byte { return r.root.pem() }

// ExportRoot returns the root and its private key as PEM files, for safe
// keeping. The key can sign a token for any registry that trusts the root.
func (r *Ring) ExportRoot() (cert, key []byte, err error) {
	key, err = r.root.keyPEM()
	return r.root.pem(), key, err
}

// Fingerprint is "sha256:" and the hash of the root's certificate (its DER) in hex.
func (r *Ring) Fingerprint() string { return fingerprint(r.root.cert) }

// JWKS is the set of the keys that tokens may be signed with now, for those
// who verify by kid (RFC 7517 5). The caller must not change it.
func (r *Ring) JWKS() []byte { return r.live.Load().jwks }

// patiently repeats step while another gate holds the lease or was faster.
func patiently(ctx context.Context, step func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	var held error
	for {
		err := step(ctx)
		switch {
		case busy(err):
			held = err
		case held != nil && ctx.Err() != nil:
			return fmt.Errorf("another gate has been at it for too long: %w", held)
		default:
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(retryHeld):
		}
	}
}

func busy(err error) bool {
	return errors.Is(err, state.ErrHeld) || errors.Is(err, state.ErrConflict)
}
