package ldap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

const (
	maxGroups = 5000 // of one account
	batch     = 50   // groups whose groups are looked for at once
)

var errGroupsSlow = errors.New("the time for groups is over")

// groups finds those that somebody is in, and with nested: true those that
// these are in, and so on. Each is followed once, so that groups may be in
// each other.
func (d *Directory) groups(ctx context.Context, k *conn, who identified) (values []string, err error) {
	g := d.cfg.Groups
	limited, cancel := context.WithTimeoutCause(ctx, g.Timeout, errGroupsSlow)
	defer cancel()
	w := walk{Directory: d, conn: k, seen: map[string]bool{strings.ToLower(who.entry.dn): true}}
	err = w.up(limited, who)
	switch {
	case errors.Is(context.Cause(limited), errGroupsSlow):
		return nil, fmt.Errorf("find the groups of the account: %w (groups.timeout is %s)", errGroupsSlow, g.Timeout)
	case err != nil:
		return nil, fmt.Errorf("find the groups of the account: %w", err)
	}
	return LabelConfig{LowerCase: g.LowerCase}.read(w.values), nil
}

// A walk goes up from an account through its groups.
type walk struct {
	*Directory
	*conn
	seen   map[string]bool // DNs, in lower case
	values []string
}

func (w *walk) up(ctx context.Context, who identified) error {
	g := w.cfg.Groups
	level, err := w.containing(ctx, inFilter(g.Filter, who.account, who.entry.dn))
	for depth := 1; err == nil && len(level) > 0 && g.Nested == NestedSearch && depth < g.Depth; depth++ {
		level, err = w.above(ctx, level)
	}
	return err
}

// above finds the groups of groups, many at once.
func (w *walk) above(ctx context.Context, level []string) (next []string, err error) {
	for some := range slices.Chunk(level, batch) {
		var filter strings.Builder
		filter.WriteString("(|")
		for _, dn := range some {
			filter.WriteString(inFilter(w.cfg.Groups.Filter, "", dn))
		}
		filter.WriteString(")")
		found, err := w.containing(ctx, filter.String())
		if err != nil {
			return nil, err
		}
		next = append(next, found...)
	}
	return next, nil
}

// containing finds groups that were not seen before, keeps their values, and
// returns their DNs.
func (w *walk) containing(ctx context.Context, filter string) (level []string, err error) {
	g := w.cfg.Groups
	found, err := w.search(ctx, query{base: g.Base, filter: filter, attributes: []string{g.Attribute}, most: maxGroups})
	if err != nil {
		return nil, err
	}
	for _, e := range found {
		key := strings.ToLower(e.dn)
		if w.seen[key] {
			continue
		}
		w.seen[key] = true
		level = append(level, e.dn)
		if strings.EqualFold(g.Attribute, "dn") {
			w.values = append(w.values, e.dn)
		} else {
			w.values = append(w.values, e.values(g.Attribute)...)
		}
	}
	if len(w.seen) > maxGroups {
		return nil, errTooMany
	}
	return level, nil
}
