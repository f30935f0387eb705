package redis

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	quiet    = 3 * time.Second        // after which the server is asked whether it is there
	relisten = 500 * time.Millisecond // between two subscriptions
)

// listen passes on what other gates, and this one, say about their writes. When
// a subscription ends there is another; what was said meanwhile is lost, so then
// everybody is told to look.
func (s *Store) listen(ready chan<- struct{}) {
	var first sync.Once
	for s.ends.Err() == nil {
		s.hear(func() {
			first.Do(func() { close(ready) })
			s.watchers.TellAll()
		})
		select {
		case <-s.ends.Done():
		case <-time.After(relisten):
		}
	}
}

// hear is one subscription. It ends with its connection, or when the server does
// not answer any more.
func (s *Store) hear(begun func()) {
	sub := s.db.Subscribe(s.ends, s.names.channel())
	defer sub.Close()
	defer context.AfterFunc(s.ends, func() { _ = sub.Close() })()
	for asked := false; ; {
		hint, err := receive(s.ends, sub)
		switch {
		case err == nil:
			asked = false
		case isQuiet(err) && !asked:
			asked = true
			err = sub.Ping(s.ends)
		}
		if err != nil {
			return
		}
		switch hint := hint.(type) {
		case *redis.Message:
			s.watchers.Tell(hint.Payload)
		case *redis.Subscription:
			begun()
		}
	}
}

// receive returns the next hint, or an error if there is none for a while. The
// client takes it for granted that a hint has the form of one, and panics.
func receive(ctx context.Context, sub *redis.PubSub) (hint any, err error) {
	defer func() {
		if wrong := recover(); wrong != nil {
			hint, err = nil, noReply(fmt.Sprint(wrong))
		}
	}()
	return sub.ReceiveTimeout(ctx, quiet)
}

func isQuiet(err error) bool {
	var wait net.Error
	return errors.As(err, &wait) && wait.Timeout()
}

// listenSoon starts to listen, and waits until that works, but not for long.
func (s *Store) listenSoon(ctx context.Context) {
	ready := make(chan struct{})
	s.task(func() { s.listen(ready) })
	if s.link.trouble() != nil {
		return // it will take longer
	}
	select {
	case <-ready:
	case <-ctx.Done():
	case <-time.After(replyTime):
	}
}
