package acl

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/regate/regate/internal/oci"
)

// A Source reads the rules that are kept somewhere else, all of them, in the
// order in which they are to be tried. It never returns a part: a rule that it
// cannot read is an error, since one that is left out may be a refusal. It
// stops reading at MaxRules, or MaxBytes.
type Source func(context.Context) (Config, error)

// What a Source may return, and how long it may take. More would be no list of
// rules, but another table.
const (
	MaxRules = 100_000
	MaxBytes = 32 << 20 // of patterns, actions and comments
	mostTime = time.Minute
)

// retry is when a Source that failed is asked again, if that is sooner than it
// would be anyway.
const retry = 10 * time.Second

// A Follower is the Decider of rules that are kept somewhere else. It has them
// as a List, which is read again every so often, so that a decision takes what
// it takes with rules of the configuration, and asks nobody.
//
// When the Source fails, or one rule is wrong, the last list that was good
// stays as it is. While there has been none, Decide fails: nobody knows then
// what would be granted, or refused.
//
// A Follower lives as long as a generation.
type Follower struct {
	source Source
	every  time.Duration
	log    *zap.Logger
	now    atomic.Pointer[followed]
	tried  chan struct{} // closed when the Source has been asked once, or never will be
	said   string        // what went wrong when it was last logged; Run's
}

// followed is what is known: a list, or why there is none.
type followed struct {
	list *List
	err  error
}

// Follow returns a Follower, which decides as soon as Run has read the rules.
func Follow(source Source, every time.Duration, log *zap.Logger) *Follower {
	if log == nil {
		log = zap.NewNop()
	}
	return &Follower{source: source, every: every, log: log, tried: make(chan struct{})}
}

// Inherit takes over the list of a Follower of the same rules, so that a reload
// loses nothing while their Source is down. It has to be called before Run;
// from may be nil.
func (f *Follower) Inherit(from *Follower) {
	if from == nil {
		return
	}
	if was := from.now.Load(); was != nil && was.list != nil {
		f.now.Store(was)
	}
}

// Decide is Decider's. It waits for the first answer of the Source, and for
// nothing else.
func (f *Follower) Decide(ctx context.Context, a Ask) (granted oci.Actions, decided bool, err error) {
	list, err := f.List(ctx)
	if err != nil {
		return 0, false, err
	}
	return list.Decide(ctx, a)
}

// List returns the rules as they are now. Its error says that there are none
// yet.
func (f *Follower) List(ctx context.Context) (*List, error) {
	s := f.now.Load()
	if s == nil {
		select {
		case <-f.tried:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if s = f.now.Load(); s == nil {
			return nil, errors.New("rules were never read")
		}
	}
	return s.list, s.err
}

// Run reads the rules now, and again and again until ctx is done.
func (f *Follower) Run(ctx context.Context) {
	first := true
	for ctx.Err() == nil {
		wait := f.every
		if err := f.read(ctx); err != nil {
			wait = min(wait, retry)
		}
		if first {
			close(f.tried)
			first = false
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
	if first {
		close(f.tried)
	}
}

// read asks the Source once. What it says counts unless everything is over.
func (f *Follower) read(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, mostTime)
	defer cancel()
	c, err := f.source(limited)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	was := f.now.Load()
	if err == nil && was != nil && was.list != nil && reflect.DeepEqual(c, was.list.config) {
		f.fine(len(c), false)
		return nil
	}
	var list *List
	if err == nil {
		list, err = compileBounded(c)
	}
	if err != nil {
		f.trouble(was, err)
		return err
	}
	f.now.Store(&followed{list: list})
	f.fine(len(c), true)
	return nil
}

// compileBounded refuses all rules for one that is wrong: what follows it may
// grant what it was to refuse.
func compileBounded(c Config) (*List, error) {
	if len(c) > MaxRules {
		return nil, fmt.Errorf("there are more than %d rules", MaxRules)
	}
	if c.size() > MaxBytes {
		return nil, fmt.Errorf("the rules are longer than %d MiB", MaxBytes>>20)
	}
	list, err := Compile(c)
	return list, brief(err)
}

// trouble says once what is wrong, and again when that changes.
func (f *Follower) trouble(was *followed, err error) {
	again := tell(err) == f.said
	f.said = tell(err)
	if was == nil || was.list == nil {
		f.now.Store(&followed{err: fmt.Errorf("rules could not be read yet: %w", err)})
		if !again {
			f.log.Error("rules cannot be read, so nobody gets a token whom the rules before them do not decide about", zap.Error(err))
		}
		return
	}
	if !again {
		f.log.Warn("rules cannot be read; those that were read last stay", zap.Int("rules", len(was.list.rules)), zap.Error(err))
	}
}

func (f *Follower) fine(rules int, changed bool) {
	if changed || f.said != "" {
		f.log.Info("rules read", zap.Int("rules", rules), zap.Bool("changed", changed))
	}
	f.said = ""
}
