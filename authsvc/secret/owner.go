package secret

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"iter"
	"slices"
	"strings"

	"go.uber.org/zap"

	"github.com/regate/regate/internal/state"
)

// List returns the secrets of an owner, the newest first, and an error if there
// are, or may be, others that cannot be read. Of a pair that a crash has left
// half written it removes the half.
func (b *Book) List(ctx context.Context, owner string) (all []Token, err error) {
	var wrong []error
	for e, err := range b.store.List(ctx, index(owner, "")) {
		if err != nil {
			wrong = append(wrong, err)
			break
		}
		rec, _, err := b.read(ctx, idOf(e.Key))
		switch {
		case errors.Is(err, ErrUnknown):
			b.heal(ctx, e)
		case err != nil:
			wrong = append(wrong, err)
		case rec.Owner == owner:
			all = append(all, rec.token(idOf(e.Key)))
		}
	}
	slices.SortFunc(all, func(x, y Token) int {
		return cmp.Or(y.Created.Compare(x.Created), cmp.Compare(x.ID, y.ID))
	})
	return all, errors.Join(wrong...)
}

// heal removes an entry of the index that has no record, and will get none.
func (b *Book) heal(ctx context.Context, e state.Entry) {
	if _, at := readIndex(e.Data); b.now().Sub(at) < halfMade {
		return
	}
	err := b.store.Delete(ctx, e.Key, e.Rev)
	if err != nil && !errors.Is(err, state.ErrConflict) {
		b.log.Debug("half of a token was not removed", zap.String("token", idOf(e.Key)), zap.Error(err))
	}
}

// Get returns what is known of a secret, or ErrUnknown.
func (b *Book) Get(ctx context.Context, id string) (Token, error) {
	if len(id) != idDigits || strings.Trim(id, digits) != "" {
		return Token{}, ErrUnknown
	}
	rec, _, err := b.read(ctx, id)
	if err != nil {
		return Token{}, err
	}
	return rec.token(id), nil
}

// All are all the secrets of everybody, in no order that means something. One
// that cannot be read comes with its id and an error, and those after it follow.
func (b *Book) All(ctx context.Context) iter.Seq2[Token, error] {
	return func(yield func(Token, error) bool) {
		for e, err := range b.store.List(ctx, area) {
			var rec record
			id := idOf(e.Key)
			if err == nil {
				err = json.Unmarshal(e.Data, &rec)
			}
			if !yield(rec.token(id), err) {
				return
			}
		}
	}
}

// Revoke ends a secret of an owner at once, or returns ErrUnknown if the owner
// has none with that id.
func (b *Book) Revoke(ctx context.Context, owner, id string) error {
	rec, _, err := b.read(ctx, id)
	switch {
	case err != nil:
		return err
	case rec.Owner != owner:
		return ErrUnknown
	}
	return b.remove(ctx, owner, id)
}

// EndOf ends a secret at once, whoever owns it.
func (b *Book) EndOf(ctx context.Context, t Token) error { return b.remove(ctx, t.Owner, t.ID) }

// Remove removes a secret that is broken, and so nobody's.
func (b *Book) Remove(ctx context.Context, id string) error {
	b.distrust(id)
	return b.store.Delete(ctx, area+id, 0)
}

// RevokeAll ends all secrets of an owner that method vouches for; with no
// method, all. It returns how many have ended, and an error if others may not.
func (b *Book) RevokeAll(ctx context.Context, owner, method string) (n int, err error) {
	all, err := b.List(ctx, owner)
	wrong := []error{err}
	for _, t := range all {
		if method != "" && t.Method != method {
			continue
		}
		if err := b.remove(ctx, owner, t.ID); err != nil {
			wrong = append(wrong, err)
			continue
		}
		n++
	}
	return n, errors.Join(wrong...)
}

// remove deletes the record first: from then on the secret is good for nothing.
func (b *Book) remove(ctx context.Context, owner, id string) error {
	if err := b.store.Delete(ctx, area+id, 0); err != nil {
		return err
	}
	b.distrust(id)
	return b.store.Delete(ctx, index(owner, id), 0)
}
