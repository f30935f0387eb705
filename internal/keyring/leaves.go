package keyring

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// leaves are ordered by signFrom.
type leaves []leaf

func parseLeaves(text []byte) (leaves, error) {
	var stored []storedLeaf
	if err := json.Unmarshal(text, &stored); err != nil {
		return nil, err
	}
	all := make(leaves, 0, len(stored))
	for i, s := range stored {
		l, err := s.leaf()
		if err != nil {
			return nil, fmt.Errorf("leaf %d: %w", i, err)
		}
		all = append(all, l)
	}
	return all.sorted(), nil
}

func (ls leaves) sorted() leaves {
	slices.SortFunc(ls, func(a, b leaf) int { return a.signFrom.Compare(b.signFrom) })
	return ls
}

func (ls leaves) marshal() ([]byte, error) {
	stored := make([]storedLeaf, len(ls))
	for i, l := range ls {
		var err error
		if stored[i], err = l.marshal(); err != nil {
			return nil, err
		}
	}
	return json.Marshal(stored)
}

// signing returns the leaf that signs at now, or nil: the newest whose turn
// has come.
func (ls leaves) signing(now time.Time) *leaf {
	for i := len(ls) - 1; i >= 0; i-- {
		if l := &ls[i]; l.key != nil && !now.Before(l.signFrom) && l.validAt(now) {
			return l
		}
	}
	return nil
}

// due reports whether the next leaf should be made now. Leaves from a future
// that a wrong clock believed in do not count.
func (ls leaves) due(now time.Time) bool {
	if ls.signing(now) == nil {
		return true
	}
	soon := now.Add(publishes)
	for _, l := range ls {
		if l.key != nil && !l.signFrom.After(soon) && l.signFrom.Add(signFor).After(soon) {
			return false
		}
	}
	return true
}

// nextFrom is when a leaf made now begins to sign: at once if nobody else
// can for the life of a whole token.
func (ls leaves) nextFrom(now time.Time) time.Time {
	cur := ls.signing(now)
	if cur == nil || cur.cert.NotAfter.Before(now.Add(publishes+MaxTokenLife)) {
		return now
	}
	return now.Add(publishes)
}

// keep leaves out what is gone, and the keys of those that have signed for the
// last time: whoever steals the Store later cannot use them.
func (ls leaves) keep(now time.Time) leaves {
	cur := ls.signing(now)
	kept := make(leaves, 0, len(ls)+1)
	for _, l := range ls {
		if now.After(l.cert.NotAfter) {
			continue
		}
		if cur != nil && l.signFrom.Before(cur.signFrom) {
			l.key = nil
		}
		kept = append(kept, l)
	}
	return kept
}
