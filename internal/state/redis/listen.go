package redis

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"
)

// hintBuffer is how many hints wait for all watchers before more are lost.
const hintBuffer = 1024

// listen passes on what other gates, and this one, say about their writes. The
// channel connects again by itself; what was said meanwhile is lost, so then
// everybody is told to look.
func (s *Store) listen(ready chan<- struct{}) {
	sub := s.db.Subscribe(s.ends, s.names.channel())
	defer sub.Close()
	hints := sub.ChannelWithSubscriptions(redis.WithChannelSize(hintBuffer))
	for {
		select {
		case <-s.ends.Done():
			return
		case hint, open := <-hints:
			if !open {
				return
			}
			switch hint := hint.(type) {
			case *redis.Message:
				s.watchers.Tell(hint.Payload)
			case *redis.Subscription:
				if ready != nil {
					close(ready)
					ready = nil
				}
				s.watchers.TellAll()
			}
		}
	}
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
