package redis

import (
	"strings"
	"testing"
	"time"
)

// TestLeaseThatIsOverAtOnce, because the server took longer to give it than it
// lasts: its holder is told, and nothing is left of it.
func TestLeaseThatIsOverAtOnce(t *testing.T) {
	t.Parallel()
	fit := good("", "")
	cfg := standin{reply: func(args []string) string {
		if strings.EqualFold(args[0], "EVALSHA") {
			return "$1\r\n5\r\n"
		}
		return fit(args)
	}}.start(t)
	s, err := open(t.Context(), cfg, defaultPrefix, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for range 200 {
		l, err := s.Acquire(t.Context(), "a", time.Nanosecond)
		if err != nil {
			t.Fatal(err)
		}
		<-l.Lost()
	}
	s.leases.mu.Lock()
	defer s.leases.mu.Unlock()
	if n := len(s.leases.held); n > 1 { // the last one may be about to go
		t.Errorf("%d leases are held that were lost", n)
	}
}
