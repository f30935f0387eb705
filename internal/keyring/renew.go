package keyring

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/regate/regate/internal/state"
)

// leavesKey is a record for each root, so that gates with different roots, in
// the middle of a change, do not take each other's leaves away.
func (r *Ring) leavesKey() string { return "keys/token/leaves/" + r.root.id() }

// A record is the leaves as the Store has them.
type record struct {
	leaves leaves
	text   []byte
	rev    uint64 // 0 if there is none
}

// refresh reads the leaves, renews them if that is due, and puts them in use.
// Where the Store fails, it goes on with what it has: the last leaves, of which
// another may begin to sign, or those that it has read but cannot renew.
func (r *Ring) refresh(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	rec, err := r.read(ctx)
	if last := r.live.Load(); err != nil && last != nil {
		rec = last.record
	}
	if err == nil && rec.leaves.due(r.now()) {
		var renewed record
		if renewed, err = r.renew(ctx); err == nil {
			rec = renewed
		}
	}
	if cur := rec.leaves.signing(r.now()); cur != nil {
		r.live.Store(newSnapshot(rec, cur, r.now()))
	}
	return err
}

// read returns the leaves of our root. No record is a record of none.
func (r *Ring) read(ctx context.Context) (record, error) {
	v, err := r.store.Get(ctx, r.leavesKey())
	if errors.Is(err, state.ErrNotFound) {
		return record{}, nil
	}
	if err != nil {
		return record{}, err
	}
	if last := r.live.Load(); last != nil && bytes.Equal(v.Data, last.record.text) {
		return record{last.record.leaves, v.Data, v.Rev}, nil
	}
	ls, err := parseLeaves(v.Data)
	if err != nil {
		return record{}, fmt.Errorf("%s in state: %w", r.leavesKey(), err)
	}
	foreign := func(l leaf) bool { return l.cert.CheckSignatureFrom(r.root.cert) != nil }
	return record{slices.DeleteFunc(ls, foreign), v.Data, v.Rev}, nil
}

// renew adds a leaf under the lease, unless another gate has just done so. It
// writes over what it has read and nothing else.
func (r *Ring) renew(ctx context.Context) (record, error) {
	lease, err := r.store.Acquire(ctx, leaseName, leaseTime)
	if err != nil {
		return record{}, err
	}
	defer r.release(ctx, lease)
	rec, err := r.read(ctx)
	now := r.now()
	if err != nil || !rec.leaves.due(now) {
		return rec, err
	}
	made, err := r.root.newLeaf(now, rec.leaves.nextFrom(now))
	if err != nil {
		return record{}, err
	}
	next := record{leaves: append(rec.leaves.keep(now), made).sorted()}
	if next.text, err = next.leaves.marshal(); err != nil {
		return record{}, err
	}
	opts := state.PutOpts{TTL: leafLife, IfRev: &rec.rev, Fence: lease.Fence()}
	if next.rev, err = r.store.Put(ctx, r.leavesKey(), next.text, opts); err != nil {
		return record{}, err
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
