package secret

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/regate/regate/internal/state"
)

// A lying store has written, and says that it has not: a Redis whose answer is
// lost does so. Values that it is stuck at it does not delete.
type lying struct {
	state.Store
	about string // keys with this prefix
	stuck string // a key
}

func (l *lying) Put(ctx context.Context, key string, val []byte, o state.PutOpts) (uint64, error) {
	rev, err := l.Store.Put(ctx, key, val, o)
	if strings.HasPrefix(key, l.about) {
		return 0, errDown
	}
	return rev, err
}

func (l *lying) Delete(ctx context.Context, key string, rev uint64) error {
	if key == l.stuck {
		return errDown
	}
	return l.Store.Delete(ctx, key, rev)
}

// TestTokenOfNobodyIsRemoved: nobody has its text, and it would take the place
// of another in the list.
func TestTokenOfNobodyIsRemoved(t *testing.T) {
	for _, about := range []string{area, owners} {
		r := newRig(t)
		book := New(&lying{Store: r.Store(), about: about, stuck: "none"}, r.Now, nil)
		if text, _, err := book.Create(t.Context(), Token{Kind: Personal, Owner: "alice"}); err == nil || text != "" {
			t.Fatalf("Create() = %v, %v", text, err)
		}
		if keys := append(r.left(t, area), r.left(t, owners)...); keys != nil {
			t.Errorf("%q is left", keys)
		}
	}
}

// TestRevokeAllEndsWhatItCan: one that cannot be ended keeps none of the others.
func TestRevokeAllEndsWhatItCan(t *testing.T) {
	r := newRig(t)
	for range 5 {
		r.make(t, "alice", "m")
	}
	kept := r.ids(t, "alice")[0]
	book := New(&lying{Store: r.Store(), about: "none", stuck: area + kept}, r.Now, nil)
	if n, err := book.RevokeAll(t.Context(), "alice", ""); n != 4 || !errors.Is(err, errDown) {
		t.Errorf("RevokeAll() = %d, %v", n, err)
	}
	if left := r.ids(t, "alice"); !slices.Equal(left, []string{kept}) {
		t.Errorf("%q are left", left)
	}
}

// TestRevokeAllEndsWhatItCanRead: one that somebody has spoilt keeps none of the
// others, and is said.
func TestRevokeAllEndsWhatItCanRead(t *testing.T) {
	r := newRig(t)
	for range 3 {
		r.make(t, "alice", "m")
	}
	spoilt := r.ids(t, "alice")[1]
	if _, err := r.store.Put(t.Context(), area+spoilt, []byte("{"), state.PutOpts{}); err != nil {
		t.Fatal(err)
	}
	all, err := r.List(t.Context(), "alice")
	if len(all) != 2 || err == nil || !strings.Contains(err.Error(), spoilt) {
		t.Errorf("List() = %v, %v", all, err)
	}
	if n, err := r.RevokeAll(t.Context(), "alice", ""); n != 2 || err == nil || !strings.Contains(err.Error(), spoilt) {
		t.Errorf("RevokeAll() = %d, %v", n, err)
	}
	if left, _ := r.List(t.Context(), "alice"); left != nil {
		t.Errorf("%v are left", left)
	}
}

// TestListIsOfOneOwner: an entry of the index says what to look at, and not
// whose that is.
func TestListIsOfOneOwner(t *testing.T) {
	r := newRig(t)
	_, tok := r.make(t, "alice", "m")
	if _, err := r.store.Put(t.Context(), index("mallory", tok.ID), []byte("1"), state.PutOpts{}); err != nil {
		t.Fatal(err)
	}
	if n, err := r.RevokeAll(t.Context(), "mallory", ""); n != 0 || err != nil || len(r.ids(t, "alice")) != 1 {
		t.Errorf("RevokeAll() = %d, %v", n, err)
	}
}
