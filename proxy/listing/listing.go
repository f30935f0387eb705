package listing

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/regate/regate/internal/oci"
)

// A Source asks a registry for one page of its listing.
//
// Page returns names that follow last, "" for the first ones, in the order of
// Compare, and whether there may be more. A registry without a listing has an
// empty one.
type Source interface {
	Page(ctx context.Context, last string) (names []string, more bool, err error)
}

// ErrSlow says that the first listing is still being taken; the client may ask
// again in a few seconds.
var ErrSlow = errors.New("the registry is still listing its repositories")

// Options bound a Listing. A zero field means its default.
type Options struct {
	TTL      time.Duration // for how long a listing is current; default 60s
	Patience time.Duration // for how long the first one is waited for; default 10s
	Stale    time.Duration // for how long the last one serves if no other can be had; default 1h
	Limit    time.Duration // for how long a listing may take; default 15m
	Most     int           // names; default a million
	Log      *zap.Logger   // nil is silence
}

func (o Options) withDefaults() Options {
	set := func(d *time.Duration, value time.Duration) {
		if *d <= 0 {
			*d = value
		}
	}
	set(&o.TTL, time.Minute)
	set(&o.Patience, 10*time.Second)
	set(&o.Stale, time.Hour)
	set(&o.Limit, 15*time.Minute)
	if o.Most <= 0 {
		o.Most = 1_000_000
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	return o
}

// usualName is how long names may be, on average, of as many as there may be.
const usualName = 64

// pause is the time between two attempts that fail.
const pause = time.Second

// A Snapshot is what a registry had at one time. It is never changed.
type Snapshot struct {
	Names []string // in the order of Compare, each once
	taken time.Time
}

// A Listing has the repositories of one registry. Its methods may be called by
// several goroutines at once.
type Listing struct {
	source Source
	opts   Options
	ctx    context.Context // of the flights
	stop   context.CancelFunc
	done   sync.WaitGroup

	mu     sync.Mutex // guards what follows
	last   *Snapshot  // nil until there is one
	flight *flight    // nil if none is under way
	failed time.Time  // when the last flight ended, if that was badly
	err    error      // of that flight
}

// A flight takes a listing, once for all who wait.
type flight struct{ over chan struct{} }

// New returns a Listing that has nothing yet. It asks source when it is asked
// itself. Close ends it.
func New(source Source, o Options) *Listing {
	l := &Listing{source: source, opts: o.withDefaults()}
	l.ctx, l.stop = context.WithCancel(context.Background())
	return l
}

// Inherit takes over what old, which may be nil, knows of the same registry.
func (l *Listing) Inherit(old *Listing) {
	if old == nil {
		return
	}
	old.mu.Lock()
	last := old.last
	old.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last = last
}

// Close ends the flight and waits for it. What is known can still be asked for.
func (l *Listing) Close() {
	l.mu.Lock()
	l.stop() // so that no other begins
	l.mu.Unlock()
	l.done.Wait()
}

// Names returns the newest listing. One that is not current any more is good
// enough while the next one is taken. The error is ErrSlow, ctx's, or why there
// is no listing.
func (l *Listing) Names(ctx context.Context) (*Snapshot, error) {
	last, under, err := l.look()
	if last != nil || err != nil {
		return last, err
	}
	patience := time.NewTimer(l.opts.Patience)
	defer patience.Stop()
	select {
	case <-under.over:
	case <-patience.C:
		return nil, ErrSlow
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last, l.err
}

// look returns the listing that will do, or the flight to wait for, which it
// begins if that is due.
func (l *Listing) look() (last *Snapshot, under *flight, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if l.last != nil && now.Sub(l.last.taken) > l.opts.Stale {
		l.last = nil
	}
	current := l.last != nil && now.Sub(l.last.taken) < l.opts.TTL
	switch {
	case current || l.flight != nil:
	case l.ctx.Err() != nil:
		err = l.ctx.Err()
	case now.Sub(l.failed) < pause:
		err = l.err
	default:
		l.begin()
	}
	if l.last != nil {
		err = nil
	}
	return l.last, l.flight, err
}

// begin is called with the lock held.
func (l *Listing) begin() {
	l.flight = &flight{make(chan struct{})}
	l.done.Go(l.fly)
}

// fly takes a listing. Whatever happens, those who wait are told.
func (l *Listing) fly() {
	names, err := l.take()
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.flight.over)
	l.flight, l.err = nil, err
	if err != nil {
		l.failed = time.Now()
		l.opts.Log.Warn("listing cannot be taken", zap.Error(err), zap.Bool("served_from_the_last_one", l.last != nil))
		return
	}
	l.last = &Snapshot{names, time.Now()}
}

// take asks for all pages. A registry that repeats itself would go on for ever,
// so each page has to lead on.
func (l *Listing) take() (all []string, err error) {
	ctx, cancel := context.WithTimeout(l.ctx, l.opts.Limit)
	defer cancel()
	last, size := "", 0
	for more := true; more; {
		var names []string
		if names, more, err = l.source.Page(ctx, last); err != nil {
			return nil, err
		}
		if len(names) == 0 {
			break
		}
		next := names[len(names)-1]
		if last != "" && Compare(next, last) <= 0 {
			return nil, fmt.Errorf("the page after %q ends with %q", last, next)
		}
		last = next
		for _, name := range names {
			size += len(name)
		}
		all = append(all, slices.DeleteFunc(names, func(n string) bool { return !oci.ValidName(n) })...)
		if len(all) > l.opts.Most || size > l.opts.Most*usualName {
			return nil, fmt.Errorf("there are more than %d repositories, or their names are too long to be kept", l.opts.Most)
		}
	}
	slices.SortFunc(all, Compare) // an old registry may see its storage otherwise
	return slices.Compact(all), nil
}
