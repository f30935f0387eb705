package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/regate/regate/authsvc/authn"
)

// queuePerConnection is how many questions wait for each connection.
const queuePerConnection = 16

// A database is the connections to one, and how it is spoken to.
type database struct {
	dialect
	db    *sql.DB
	most  atomic.Int64 // connections
	asked atomic.Int64 // questions that are not answered, or wait
}

// Connections are not kept for ever, so that one that a firewall has forgotten,
// or that leads to a server which is none any more, does not stay.
const (
	mostIdle = 2 * time.Minute
	mostAge  = 30 * time.Minute
)

// grow sets how many connections there may be, unless there may be more.
func (d *database) grow(connections int, kind string) {
	n := max(int64(connections), d.most.Load())
	d.most.Store(n)
	d.db.SetMaxOpenConns(int(n))
	d.db.SetMaxIdleConns(int(n))
	d.db.SetConnMaxIdleTime(mostIdle)
	d.db.SetConnMaxLifetime(mostAge)
	if kind == SQLite { // one that is kept would not see that the file is another now
		d.db.SetMaxIdleConns(-1)
	}
}

var errSlow = errors.New("timeout")

// ask does what one question needs. It returns authn.ErrBusy at once if too many
// are asked already; any other error says that there is no answer.
func (d *database) ask(ctx context.Context, timeout time.Duration, do func(context.Context) error) error {
	defer d.asked.Add(-1)
	if d.asked.Add(1) > d.most.Load()*(queuePerConnection+1) {
		return authn.ErrBusy
	}
	limited, cancel := context.WithTimeoutCause(ctx, timeout, errSlow)
	defer cancel()
	err := do(limited)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil: // whoever asked has left
		return ctx.Err()
	case errors.Is(context.Cause(limited), errSlow):
		return fmt.Errorf("no answer within %s: %w", timeout, err)
	}
	return err
}

// each calls with for each row of a query, until it returns false, or an error.
func (d *database) each(ctx context.Context, with func(*sql.Rows) (more bool, err error), query string, args ...any) error {
	rows, err := d.db.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if more, err := with(rows); err != nil || !more {
			return err
		}
	}
	return rows.Err()
}
