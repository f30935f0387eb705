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
)

const (
	mostFailures = 5               // in a row, after which the server is left alone
	pause        = 2 * time.Second // between two looks at whether it is back
	lookTime     = 5 * time.Second // for one
)

// A link knows whether the server answers, and is one that may be used. While
// it does not, nobody waits for it: a login that could not be counted, or a
// handshake, would wait a second for each question.
type link struct {
	mu       sync.Mutex // guards what follows
	failures int
	down     error // why nothing is asked; nil if all is well
	ended    bool
}

// do runs op, unless the server is known to be away.
func (s *Store) do(ctx context.Context, op func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.link.trouble(); err != nil {
		return err
	}
	err := withoutArgs(op())
	if s.link.note(ctx, err) {
		s.log.Warn("state does not answer, going on without it", zap.Error(err))
		s.task(s.tend)
	}
	return err
}

func (l *link) trouble() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.down
}

// note counts failures, and reports whether this one was the last straw.
func (l *link) note(ctx context.Context, err error) bool {
	if err != nil && errors.Is(ctx.Err(), context.Canceled) {
		return false // says nothing of the server
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !isOutage(err) {
		l.failures = 0
		return false
	}
	l.failures++
	if l.failures < mostFailures || l.down != nil {
		return false
	}
	l.down = err
	return true
}

// settle says how things stand; errClosed is the end.
func (l *link) settle(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return
	}
	l.down, l.failures, l.ended = err, 0, errors.Is(err, errClosed)
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
