package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/regate/regate/authsvc/acl"
)

// NewRules returns the rules that cfg, which is valid, describes. They are read
// when the Follower runs. The error is a problem.List.
func NewRules(cfg RulesConfig, all *Databases, log *zap.Logger) (*acl.Follower, error) {
	full := cfg.withDefaults()
	d, err := all.get(full)
	if err != nil {
		return nil, err
	}
	if log == nil {
		log = zap.NewNop()
	}
	r := rules{d, full.Timeout, acl.MaxRules}
	return acl.Follow(r.read, cfg.Every(), log.Named("acl_xorm")), nil
}

// rules are those of a table xorm_acl_entry.
type rules struct {
	database *database
	timeout  time.Duration
	most     int // rules
}

// read is an acl.Source.
func (r rules) read(ctx context.Context) (acl.Config, error) {
	l := list{most: r.most}
	err := r.database.ask(ctx, r.timeout, func(ctx context.Context) error {
		return r.database.each(ctx, l.add, fmt.Sprintf(selectACL, r.most+1))
	})
	if err == nil {
		var rules acl.Config
		if rules, err = acl.InOrder(l.rules); err == nil {
			return rules, nil
		}
	}
	return nil, fmt.Errorf("xorm_acl_entry: %w", err)
}

// A list is the rules so far.
type list struct {
	most  int
	rules []acl.Numbered
	bytes int
}

// add reads one more.
func (l *list) add(rows *sql.Rows) (more bool, err error) {
	var seq sql.NullInt64
	var entry []byte
	if err := rows.Scan(&seq, &entry); err != nil {
		return false, err
	}
	return true, l.take(seq, entry)
}

func (l *list) take(seq sql.NullInt64, entry []byte) error {
	l.bytes += len(entry)
	switch {
	case !seq.Valid:
		return errors.New("a rule has no seq, so its place is not known")
	case l.bytes > acl.MaxBytes:
		return fmt.Errorf("the rules are longer than %d MiB", acl.MaxBytes>>20)
	case len(l.rules) == l.most:
		return fmt.Errorf("there are more than %d rules", l.most)
	}
	rule, err := acl.ParseJSON(entry)
	if err != nil {
		return fmt.Errorf("the rule with seq %d: %w", seq.Int64, err)
	}
	l.rules = append(l.rules, acl.Numbered{Seq: seq.Int64, Rule: rule})
	return nil
}
