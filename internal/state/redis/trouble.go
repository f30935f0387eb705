package redis

import (
	"errors"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/regate/regate/internal/state"
)

// Trouble returns what is wrong with the server as far as is known now: from the
// first question that it has not answered on, or has answered with a refusal. nil
// is nothing.
func (s *Store) Trouble() *state.Trouble {
	s.link.mu.Lock()
	defer s.link.mu.Unlock()
	if s.link.failing != nil {
		return s.link.failing
	}
	return s.link.refusing
}

// troubled is what has become of before, which may be nil.
func troubled(before *state.Trouble, err error, answers bool) *state.Trouble {
	since := time.Now()
	if before != nil {
		since = before.Since
	}
	return &state.Trouble{Since: since, Err: err, Answers: answers, Advice: whatToDo(err, answers)}
}

func whatToDo(err error, answers bool) string {
	for _, a := range refusals {
		if answers && strings.Contains(err.Error(), a.said) {
			return a.do
		}
	}
	if answers {
		return "Look at the error: the server of state.redis is there."
	}
	return "Look at the server of state.redis."
}

// refusals are what a server says that answers and does nothing, until somebody
// changes it or a fail-over is over.
var refusals = [...]struct{ said, do string }{
	{"OOM ", "The server of state.redis is there, and full: raise its maxmemory, or find out what fills it."},
	{"NOPERM ", "The user of state.redis lacks a right: give it those of the line in docs/fleet.md (ACL SETUSER)."},
	{noRight, "The user of state.redis lacks a right: give it those of the line in docs/fleet.md (ACL SETUSER)."},
	{"READONLY ", "The server of state.redis is a replica: name its master. A fail-over that goes on is over in some seconds."},
	{"MISCONF ", "The server of state.redis cannot write its disk: look at what is free there, and at its log."},
	{"NOREPLICAS ", "The server of state.redis has too few replicas to take writes (min-replicas-to-write): look at those."},
	{"NOAUTH ", "The server of state.redis wants a password: name a password_file."},
	{"WRONGPASS ", "The server of state.redis has another password: look at username, and at what password_file holds."},
}

// noRight is how Redis 7.0 says NOPERM in a script.
const noRight = "ERR The user executing the script can't"

// isRefused reports whether the server answers and will not do what it is asked,
// whatever that is.
func isRefused(err error) bool {
	var answer redis.Error
	if !errors.As(err, &answer) {
		return false
	}
	for _, a := range refusals {
		if strings.HasPrefix(answer.Error(), a.said) {
			return true
		}
	}
	return false
}

// noteRefusal takes down one, and reports whether it is the first. That some
// command is done is no sign that all are. The caller has locked l.
func (l *link) noteRefusal(err error) finding {
	if !isRefused(err) {
		return nothingNew
	}
	before := l.refusing
	l.refusing = troubled(before, err, true)
	if before != nil {
		return nothingNew
	}
	return refusal
}

// tellRefusal says once that a refusal has begun, and has it looked after.
func (s *Store) tellRefusal(err error) {
	s.log.Warn("state answers, and does not do what it is asked", zap.Error(err), zap.String("advice", whatToDo(err, true)))
	s.task(s.outlast)
}

// outlast tries everything until nothing is refused any more, or the Store is
// closed. It is a task of the Store from the first refusal on.
func (s *Store) outlast() {
	again := time.NewTicker(pause)
	defer again.Stop()
	for {
		select {
		case <-s.ends.Done():
			return
		case <-again.C:
		}
		if s.link.trouble() != nil {
			continue // what it would say now is not about this
		}
		if err := s.rehearseSoon(s.ends); isRefused(err) {
			s.link.note(s.ends, err)
		} else if !isOutage(err) {
			s.link.mu.Lock()
			s.link.refusing = nil
			s.link.mu.Unlock()
			s.log.Info("state does again what it is asked")
			return
		}
	}
}
