package token

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"time"

	"github.com/regate/regate/internal/oci"
	"github.com/regate/regate/internal/state"
)

const (
	identityArea = "identity/"
	familyArea   = identityArea + "family/"

	// maxLabels is how much of labels a token carries itself: it is sent with
	// every request, and balancers cap headers.
	maxLabels = 4 << 10
)

// Labels are what a token says about its subject beside its name, for whoever
// has to ask the rules again: of all tokens only those that list repositories.
// In the token is either a JSON object, which only the gate reads, or the name
// under which the Store keeps it, if it is long.
type Labels struct{ store state.Store }

// ErrNotKept says that nothing is kept for a family any more.
var ErrNotKept = errors.New("labels are not kept any more")

// NewLabels returns Labels that are kept in s.
func NewLabels(s state.Store) *Labels { return &Labels{s} }

// Pack returns object as a token that lives as long carries it. The error is
// the Store's.
func (l *Labels) Pack(ctx context.Context, object []byte, life time.Duration) (json.RawMessage, error) {
	if len(object) <= maxLabels {
		return object, nil
	}
	sum := sha256.Sum256(object)
	name := hex.EncodeToString(sum[:])
	if _, err := l.store.Put(ctx, identityArea+name, object, state.PutOpts{TTL: life + 2*leeway}); err != nil {
		return nil, err
	}
	return json.Marshal(name)
}

// Unpack returns what Pack was given; nil of nil. If the Store has lost it, the
// token is worth nothing any more, and the error is an *oci.Refusal.
func (l *Labels) Unpack(ctx context.Context, packed json.RawMessage) ([]byte, error) {
	if len(packed) == 0 || packed[0] == '{' {
		return packed, nil
	}
	name, err := object{"rgl": packed}.text("rgl")
	if err != nil {
		return nil, refuse("token is not valid", err)
	}
	v, err := l.store.Get(ctx, identityArea+name)
	if errors.Is(err, state.ErrNotFound) {
		return nil, &oci.Refusal{Reason: oci.InvalidToken, Msg: "token is not valid any more", Err: err}
	}
	return v.Data, err
}

// Keep keeps object for the tokens of a family, for as long. It is for accounts
// that nobody can look up, and that have labels nonetheless.
func (l *Labels) Keep(ctx context.Context, family string, object []byte, life time.Duration) error {
	_, err := l.store.Put(ctx, familyArea+family, object, state.PutOpts{TTL: life})
	return err
}

// Kept returns what Keep was given, or ErrNotKept. Any other error is the Store's.
func (l *Labels) Kept(ctx context.Context, family string) ([]byte, error) {
	v, err := l.store.Get(ctx, familyArea+family)
	if errors.Is(err, state.ErrNotFound) {
		return nil, ErrNotKept
	}
	return v.Data, err
}
