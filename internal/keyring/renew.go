package keyring

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/regate/regate/internal/state"
)

// leavesKey is a record for each root, so that gates with different roots, in
// the middle of a change, do not take each other's leaves away.
func (r *Ring) leavesKey() string { return "keys/token/leaves/" + r.root.id() }

// refresh reads the leaves, renews them if that is due, and puts them in use.
// Where the Store fails, it goes on with what it has: the last leaves, of which
// another may begin to sign, or those that it has read but cannot renew.
func (r *Ring) refresh(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	ls, _, err := r.readLeaves(ctx)
	if last := r.live.Load(); err != nil && last != nil {
		ls = last.leaves
	}
	if err == nil && ls.due(r.now()) {
		var renewed leaves
		if renewed, err = r.renew(ctx); err == nil {
			ls = renewed
		}
	}
	if cur := ls.signing(r.now()); cur != nil {
		r.live.Store(newSnapshot(ls, cur, r.now()))
	}
	return err
}

// readLeaves returns the leaves of our root and the revision of their record.
// No record is no leaves and revision 0.
func (r *Ring) readLeaves(ctx context.Context) (leaves, uint64, error) {
	v, err := r.store.Get(ctx, r.leavesKey())
	if errors.Is(err, state.ErrNotFound) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	ls, err := parseLeaves(v.Data)
	if err != nil {
		return nil, 0, fmt.Errorf("%s in state: %w", r.leavesKey(), err)
	}
	ours := ls[:0]
	for _, l := range ls {
		if l.cert.CheckSignatureFrom(r.root.cert) == nil {
			ours = append(ours, l)
		}
	}
	return ours, v.Rev, nil
}

// renew adds a leaf under the lease, unless another gate has just done so. It
// writes over what it has read and nothing else.
func (r *Ring) renew(ctx context.Context) (leaves, error) {
	lease, err := r.store.Acquire(ctx, leaseName, leaseTime)
	if err != nil {
		return nil, err
	}
	defer r.release(ctx, lease)
	ls, rev, err := r.readLeaves(ctx)
	now := r.now()
	if err != nil || !ls.due(now) {
		return ls, err
	}
	made, err := r.root.newLeaf(now, ls.nextFrom(now))
	if err != nil {
		return nil, err
	}
	next := append(ls.keep(now), made).sorted()
	text, err := next.marshal()
	if err != nil {
		return nil, err
	}
	opts := state.PutOpts{TTL: leafLife, IfRev: &rev, Fence: lease.Fence()}
	if _, err := r.store.Put(ctx, r.leavesKey(), text, opts); err != nil {
		return nil, err
	}
	r.log.Info("token key made", zap.String("kid", keyID(&made.key.PublicKey)), zap.Time("signs_from", made.signFrom))
	return next, nil
}

// release gives the lease back, also when ctx is done by now: otherwise the
// next gate would wait for it.
func (r *Ring) release(ctx context.Context, lease state.Lease) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := lease.Release(ctx); err != nil {
		r.log.Debug("lease cannot be released and will run out", zap.Error(err))
	}
}
