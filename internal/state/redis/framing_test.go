package redis

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/regate/regate/internal/state"
)

// follow feeds text in pieces of size bytes.
func follow(text string, size int) error {
	var f framing
	for len(text) > 0 {
		n := min(size, len(text))
		if err := f.feed([]byte(text[:n])); err != nil {
			return err
		}
		text = text[n:]
	}
	return nil
}

// TestFraming takes what servers say, in pieces of any size, and nothing else.
func TestFraming(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, text string
		good       bool
	}{
		{"a line", "+OK\r\n", true},
		{"an error", "-ERR unknown command 'HELLO', with args beginning with: \r\n", true},
		{"a number", ":-12\r\n", true},
		{"a string", "$5\r\na\r\nbc\r\n+OK\r\n", true},
		{"no string", "$-1\r\n", true},
		{"an empty string", "$0\r\n\r\n:1\r\n", true},
		{"an array", "*3\r\n:1\r\n$2\r\n*9\r\n*2\r\n$-1\r\n*0\r\n+OK\r\n", true},
		{"no array", "*-1\r\n*0\r\n+OK\r\n", true},
		{"a map", "%2\r\n+a\r\n~1\r\n#t\r\n+b\r\n_\r\n+OK\r\n", true},
		{"an attribute", "*2\r\n|1\r\n+a\r\n,1.5\r\n+b\r\n=5\r\ntxt:\n\r\n+OK\r\n", true},
		{"many after each other", strings.Repeat("*1\r\n*1\r\n+OK\r\n", 100), true},
		{"a long line", "+" + strings.Repeat("a", longestLine-2) + "\r\n", true},
		{"nested as deep as may be", strings.Repeat("*1\r\n", mostNested) + "+OK\r\n+OK\r\n", true},

		{"nested deeper", strings.Repeat("*1\r\n", mostNested+1), false},
		{"a line that has no end", strings.Repeat("a", longestLine+1), false},
		{"nothing", "\r\n", false},
		{"half an end", "+OK\n", false},
		{"a string of more than there is memory", "$9223372036854775807\r\n", false},
		{"a string of less than nothing", "$-2\r\n", false},
		{"a string too long for a record", fmt.Sprintf("$%d\r\n", longestBulk+1), false},
		{"an array of more than there is memory", "*1000000000\r\n", false},
		{"an array of less than nothing", "*-2\r\n", false},
		{"a length that is none", "$1a\r\n", false},
		{"a map of less than nothing", "%-2\r\n", false},
		{"another protocol", "HTTP/1.1 400 Bad Request\r\n\r\n", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, size := range []int{1, 2, 3, 7, len(tt.text)} {
				if err := follow(tt.text, size); (err == nil) != tt.good {
					t.Errorf("in pieces of %d: %v, want good %v", size, err, tt.good)
				}
			}
		})
	}
}

// FuzzReplies: whatever a server says, all questions end, and the process does not.
func FuzzReplies(f *testing.F) {
	for _, say := range []string{
		"+OK\r\n", ":1\r\n", "$-1\r\n", "$4\r\nabcd\r\n", "*0\r\n", "*1\r\n$1\r\na\r\n", "*2\r\n$1\r\na\r\n$1\r\n1\r\n",
		"*2\r\n$1\r\n0\r\n*1\r\n:1\r\n", "*-1\r\n", "$9223372036854775807\r\n", "*1000000000\r\n", "-MOVED 0 :0\r\n", "-ERR \r\n", "-\r\n",
		strings.Repeat("*1\r\n", 1000), "%1\r\n*0\r\n+a\r\n", ">1\r\n+a\r\n", "|1\r\n+a\r\n+b\r\n+c\r\n", "=3\r\ntxt\r\n",
	} {
		f.Add(say)
	}
	f.Fuzz(func(t *testing.T, say string) {
		names := map[string]bool{"HMGET": true, "EVALSHA": true, "EVAL": true, "SET": true, "ZRANGEBYLEX": true, "SCAN": true}
		healthy := good("", "")
		cfg := standin{reply: func(args []string) string {
			if names[strings.ToUpper(args[0])] {
				return say
			}
			return healthy(args)
		}}.start(t)
		s, err := open(t.Context(), cfg, defaultPrefix, nil)
		if err != nil {
			return
		}
		defer s.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond) // of one that says half
		defer cancel()
		_, _ = s.Get(ctx, "a/b")
		_, _ = s.Put(ctx, "a/b", nil, state.PutOpts{})
		_ = s.Delete(ctx, "a/b", 1)
		_, _ = s.Allow(ctx, "a", state.Limit{Every: time.Second, Burst: 1}, 1)
		for _, prefix := range []string{"a", "a/b/"} {
			for range s.List(ctx, prefix) {
			}
		}
	})
}

// TestHintsOfNonsense: what comes on the subscription, and is no hint, does not end
// the process, and another subscription finds those that are.
func TestHintsOfNonsense(t *testing.T) {
	t.Parallel()
	for _, nonsense := range []string{
		"*0\r\n", "*1\r\n$4\r\npong\r\n", "*1\r\n$7\r\nmessage\r\n", "*2\r\n$7\r\nmessage\r\n$1\r\na\r\n", "*3\r\n:1\r\n:1\r\n:1\r\n",
		"*3\r\n$7\r\nmessage\r\n$1\r\na\r\n*2\r\n:1\r\n:2\r\n", "|1\r\n+a\r\n+b\r\n*1\r\n:1\r\n", "-ERR no\r\n", "$-1\r\n", "HTTP/1.1 400\r\n",
	} {
		t.Run(nonsense, func(t *testing.T) {
			t.Parallel()
			watched := make(chan struct{})
			var subscriptions atomic.Int64
			s, err := open(t.Context(), standin{reply: func(args []string) string {
				reply := good("", "")(args)
				switch {
				case !strings.EqualFold(args[0], "SUBSCRIBE"):
					return reply
				case subscriptions.Add(1) == 1:
					return reply + nonsense
				}
				<-watched
				return reply + "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$3\r\na/b\r\n"
			}}.start(t), defaultPrefix, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			hints := s.Watch(t.Context(), "a/")
			close(watched)
			late := time.After(20 * time.Second)
			for hint := (state.Event{}); hint.Key != "a/b"; { // the others say to look
				select {
				case hint = <-hints:
				case <-late:
					t.Fatal("no hint comes any more")
				}
			}
		})
	}
}
