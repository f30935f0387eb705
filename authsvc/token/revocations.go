package token

import (
	"context"
	"maps"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/regate/regate/internal/keyring"
	"github.com/regate/regate/internal/state"
)

const (
	revokedArea = "revoked/"
	kindSubject = "subject" // all tokens of an account
	kindToken   = "jti"     // one token
	kindFamily  = "family"  // all that follow from one secret

	pollRevoked = 5 * time.Second // between two looks at the Store, hints apart
	loadTime    = 3 * time.Second // for one look

	// remembered is how long a revocation can matter: until the last token
	// that it covers has ended, and its grace.
	remembered = keyring.MaxTokenLife + maxGrace + 2*leeway
)

// Revocations are what the gates have agreed to refuse before its time: a copy
// in memory of the area revoked/ of the Store, whose keys are
// revoked/<kind>/<id>, the id escaped as an element of a URL's path. The value
// is a time in Unix seconds, in digits; what was issued up to then is refused.
//
// While the Store cannot be asked, and even if it has lost its contents, what
// is in memory stays in force, and Run puts it back. Looking up takes no lock and
// never waits.
type Revocations struct {
	store state.Store
	log   *zap.Logger
	now   func() time.Time
	live  atomic.Pointer[revoked]
	look  sync.Mutex // held by the one who looks at the Store: who looked before must not have the last word
}

// revoked has the time up to which tokens are refused, by kind and id. It
// never changes.
type revoked map[string]map[string]time.Time

// OpenRevocations reads what is revoked; without knowing that, no gate should
// begin. Run keeps it fresh.
func OpenRevocations(ctx context.Context, s state.Store, now func() time.Time, log *zap.Logger) (*Revocations, error) {
	if now == nil {
		now = time.Now
	}
	if log == nil {
		log = zap.NewNop()
	}
	r := &Revocations{store: s, log: log.Named("revocations"), now: now}
	r.live.Store(new(revoked))
	_, err := r.load(ctx)
	return r, err
}

// Run keeps the revocations fresh until ctx is done.
func (r *Revocations) Run(ctx context.Context) {
	failing := false
	state.Follow(ctx, r.store, revokedArea, pollRevoked, func(ctx context.Context) {
		lost, err := r.load(ctx)
		r.putBack(ctx, lost)
		if ctx.Err() == nil && (err != nil) != failing {
			failing = err != nil
			r.report(err)
		}
	})
}

func (r *Revocations) report(err error) {
	if err != nil {
		r.log.Warn("revocations cannot be read, the last ones stay in force", zap.Error(err))
		return
	}
	r.log.Info("revocations can be read again")
}

// load takes over what the Store has, beside what was in force before and may
// still matter. It returns what of that the Store has not (any more).
func (r *Revocations) load(ctx context.Context) (lost revoked, err error) {
	r.look.Lock()
	defer r.look.Unlock()
	ctx, cancel := context.WithTimeout(ctx, loadTime)
	defer cancel()
	next, lost := r.inForce(), r.inForce()
	for kind := range next { // each is together in every engine, all of them are not
		for e, err := range r.store.List(ctx, revokedArea+kind+"/") {
			if err != nil {
				return nil, err
			}
			r.add(next, e)
			lost.forget(e.Key)
		}
	}
	r.live.Store(&next)
	return lost, nil
}

// putBack writes what the Store has lost: it begins anew, or somebody has tampered
// with it, and gates that start would not know. What fails is tried again.
func (r *Revocations) putBack(ctx context.Context, lost revoked) {
	put := 0
	for kind, ids := range lost {
		for id, until := range ids {
			left := remembered - r.now().Sub(until)
			if left < pollRevoked || left > remembered || ctx.Err() != nil { // it has just expired there, or is of a clock that is ahead
				continue
			}
			if _, err := r.store.Put(ctx, keyOf(kind, id), digits(until), state.PutOpts{IfRev: new(uint64), TTL: left}); err != nil {
				r.log.Debug("revocation was not put back", zap.Error(err)) // or another gate was faster
				continue
			}
			put++
		}
	}
	if put > 0 {
		r.log.Warn("state had lost revocations, and has them again from memory", zap.Int("revocations", put))
	}
}

// forget takes out the one at a key.
func (r revoked) forget(key string) {
	kind, escaped, _ := strings.Cut(strings.TrimPrefix(key, revokedArea), "/")
	if id, err := url.PathUnescape(escaped); err == nil {
		delete(r[kind], id)
	}
}

func keyOf(kind, id string) string { return revokedArea + kind + "/" + url.PathEscape(id) }

func digits(until time.Time) []byte { return strconv.AppendInt(nil, until.Unix(), 10) }

func (r *Revocations) inForce() revoked {
	oldest := r.now().Add(-remembered)
	next := revoked{kindSubject: {}, kindToken: {}, kindFamily: {}}
	for kind, ids := range *r.live.Load() {
		maps.Copy(next[kind], ids)
		maps.DeleteFunc(next[kind], func(_ string, until time.Time) bool { return until.Before(oldest) })
	}
	return next
}

// add takes an entry over. One whose time cannot be read refuses everything
// that was issued by now. Kinds that this gate does not know are for others.
func (r *Revocations) add(next revoked, e state.Entry) {
	kind, escaped, _ := strings.Cut(strings.TrimPrefix(e.Key, revokedArea), "/")
	id, err := url.PathUnescape(escaped)
	if next[kind] == nil || err != nil {
		r.log.Debug("revocation of an unknown kind", zap.String("key", e.Key))
		return
	}
	until := r.now()
	if n, err := strconv.ParseUint(string(e.Data), 10, 40); err == nil {
		until = time.Unix(int64(n), 0)
	} else {
		r.log.Error("revocation cannot be read, and is taken for one of now", zap.String("key", e.Key), zap.Error(err))
	}
	if until.After(next[kind][id]) {
		next[kind][id] = until
	}
}

// traits are by what a token can be revoked.
type traits struct {
	subject, id, family string
	issued              time.Time
}

// covers reports whether a token is revoked.
func (r *Revocations) covers(t traits) bool {
	all := *r.live.Load()
	if _, ok := all[kindToken][t.id]; ok {
		return true
	}
	if _, ok := all[kindFamily][t.family]; ok && t.family != "" {
		return true
	}
	until, ok := all[kindSubject][t.subject]
	return ok && !t.issued.After(until)
}

// Secret reports whether a secret has been revoked, and all that follows from it:
// by its id, or with all that its account had at a time after it was made. It may
// be there still, where somebody has tampered with the Store.
func (r *Revocations) Secret(id, account string, made time.Time) bool {
	all := *r.live.Load()
	if _, ok := all[kindFamily][id]; ok {
		return true
	}
	until, ok := all[kindSubject][account]
	return ok && made.Add(leeway).Before(until) // two clocks
}
