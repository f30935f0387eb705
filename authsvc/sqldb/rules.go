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
	r := rules{d, full.Timeout}
	return acl.Follow(r.read, cfg.Every(), log.Named("acl_xorm")), nil
}

// rules are those of a table xorm_acl_entry.
type rules struct {
	database *database
	timeout  time.Duration
}

// read is an acl.Source.
func (r rules) read(ctx context.Context) (acl.Config, error) {
	l := list{rules: acl.Config{}}
	err := r.database.ask(ctx, r.timeout, func(ctx context.Context) error {
		return r.database.each(ctx, l.add, selectACL)
	})
	if err != nil {
		return nil, fmt.Errorf("xorm_acl_entry: %w", err)
	}
	return l.rules, nil
}

// A list is the rules so far.
type list struct {
	rules acl.Config
	bytes int
	last  int64 // seq
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

// take refuses two with the same seq: nobody could say which one comes first,
// and a database may say now this, now that.
func (l *list) take(seq sql.NullInt64, entry []byte) error {
	l.bytes += len(entry)
	switch {
	case !seq.Valid:
		return errors.New("a rule has no seq, so its place is not known")
	case len(l.rules) > 0 && seq.Int64 == l.last:
		return fmt.Errorf("there are two rules with seq %d, so it is not known which comes first: give each its own", l.last)
	case l.bytes > acl.MaxBytes:
		return fmt.Errorf("the rules are longer than %d MiB", acl.MaxBytes>>20)
	case len(l.rules) == acl.MaxRules:
		return fmt.Errorf("there are more than %d rules", acl.MaxRules)
	}
	rule, err := acl.ParseJSON(entry)
	if err != nil {
		return fmt.Errorf("the rule with seq %d: %w", seq.Int64, err)
	}
	l.last = seq.Int64
	l.rules = append(l.rules, rule)
	return nil
}
