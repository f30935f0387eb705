package redis

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/regate/regate/internal/state"
)

const (
	mostFailures = 5               // in a row, after which the server is left alone
	pause        = 2 * time.Second // between two looks at whether it is back
	lookTime     = 5 * time.Second // for one

	doubtEvery = 200 * time.Millisecond // between two questions while it is not known to be away
)

// A link knows whether the server answers, and is one that may be used. While
// it does not, nobody waits for it: a login that could not be counted, or a
// handshake, would wait a second for each question.
type link struct {
	mu       sync.Mutex // guards what follows
	failures int
	failing  *state.Trouble // with the server away; nil if the last answer was one
	refusing *state.Trouble // with one that answers
	down     error          // why nothing is asked; nil if all is well
	doubted  bool           // a task is finding out whether the server is away
	ended    bool
}

// A finding is what a reply has changed in what is known of the server.
type finding int

const (
	nothingNew finding = iota
	doubtful           // it has not answered, for the first time
	away               // it has not, for the last
	refusal            // it answers, and what it says is that it will not
)

// do runs op, unless the server is known to be away.
func (s *Store) do(ctx context.Context, op func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.link.trouble(); err != nil {
		return err
	}
	err := discreetly(op())
	switch s.link.note(ctx, err) {
	case doubtful:
		s.task(s.doubt)
	case away:
		s.log.Warn("state does not answer, going on without it", zap.Error(err))
		s.task(s.tend)
	case refusal:
		s.tellRefusal(err)
	}
	return err
}

func (l *link) trouble() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.down
}

// note counts failures, and reports what is new.
func (l *link) note(ctx context.Context, err error) finding {
	if err != nil && errors.Is(ctx.Err(), context.Canceled) {
		return nothingNew // says nothing of the server
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !isOutage(err) {
		l.failures = 0
		if l.down == nil {
			l.failing = nil
		}
		return l.noteRefusal(err)
	}
	l.failures++
	l.failing = troubled(l.failing, err, errors.Is(err, ErrUnfit))
	switch {
	case l.down != nil:
		return nothingNew
	case l.failures >= mostFailures:
		l.down = err
		return away
	case l.doubted:
		return nothingNew
	}
	l.doubted = true
	return doubtful
}

// settle says how things stand; errClosed is the end.
func (l *link) settle(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return
	}
	l.down, l.failures, l.ended = err, 0, errors.Is(err, errClosed)
	if err == nil {
		l.failing = nil
	} else {
		l.failing = troubled(l.failing, err, errors.Is(err, ErrUnfit))
	}
}

// isDoubtful reports whether it has yet to be found out if the server is away.
// There is no doubt any more when it says no.
func (l *link) isDoubtful() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.doubted = l.failures > 0 && l.down == nil && !l.ended
	return l.doubted
}

// isOutage tells a server that cannot be asked from one that has answered,
// whatever it said.
func isOutage(err error) bool {
	var answer redis.Error
	if !errors.As(err, &answer) {
		return err != nil && !isOurs(err)
	}
	return begins(answer, "LOADING ", "MASTERDOWN ", "CLUSTERDOWN ")
}

// isRefusal reports whether a server will go on to answer so until somebody
// changes it, or our configuration.
func isRefusal(err error) bool {
	var last *hungUp
	if errors.As(err, &last) {
		return strings.HasPrefix(last.said, "DENIED ")
	}
	var answer redis.Error
	return errors.As(err, &answer) && begins(answer, "WRONGPASS ", "NOAUTH ", "NOPERM ", "ERR ")
}

func begins(answer redis.Error, any ...string) bool {
	return slices.ContainsFunc(any, func(with string) bool { return strings.HasPrefix(answer.Error(), with) })
}

// doubt asks until it is clear whether the server is away, so that a gate where
// nobody asks knows it as soon as a busy one.
func (s *Store) doubt() {
	for s.link.isDoubtful() {
		select {
		case <-s.ends.Done():
			return
		case <-time.After(doubtEvery):
		}
		_ = s.do(s.ends, func() error { return s.db.Ping(s.ends).Err() })
	}
}

// tend looks for the server until it is back, or the Store is closed. It is a
// task of the Store while the link is down, and only then.
func (s *Store) tend() {
	last := s.link.trouble()
	look := time.NewTicker(pause)
	defer look.Stop()
	for {
		select {
		case <-s.ends.Done():
			return
		case <-look.C:
		}
		err := s.inspectSoon(s.ends)
		if s.ends.Err() != nil {
			return
		}
		s.link.settle(err)
		if err == nil {
			s.log.Info("state answers again")
			s.watchers.TellAll()
			return
		}
		if errors.Is(err, ErrUnfit) && !errors.Is(last, ErrUnfit) {
			s.log.Error("state is back, and cannot be used", zap.Error(err))
		}
		last = err
	}
}

// task starts a goroutine that Close waits for.
func (s *Store) task(run func()) {
	s.link.mu.Lock()
	defer s.link.mu.Unlock()
	if !s.link.ended {
		s.tasks.Go(run)
	}
}

func (s *Store) inspectSoon(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	return s.inspect(ctx)
}
