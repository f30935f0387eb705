package redis

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/regate/regate/internal/state"
)

// clusterOf is a Cluster of one node, which says what reply does.
func clusterOf(t *testing.T, reply func(args []string) string) Config {
	t.Helper()
	var slots atomic.Pointer[string]
	cfg := standin{reply: func(args []string) string {
		if strings.EqualFold(args[0], "CLUSTER") {
			return *slots.Load()
		}
		return reply(args)
	}}.start(t)
	host, port, _ := net.SplitHostPort(cfg.Addrs[0])
	text := fmt.Sprintf("*1\r\n*3\r\n:0\r\n:16383\r\n*3\r\n$%d\r\n%s\r\n:%s\r\n$1\r\n1\r\n", len(host), host, port)
	slots.Store(&text)
	cfg.Cluster = true
	return cfg
}

// TestNothingIsSentTwice to a Cluster that hangs up, or is silent, when it is
// told to write: it may have done so, and would refuse the same for a second time.
func TestNothingIsSentTwice(t *testing.T) {
	t.Parallel()
	for name, then := range map[string]func() string{
		"hangs up":  func() string { return "" },
		"is silent": func() string { time.Sleep(2 * replyTime); return "" }, // is the server, not the test
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var times atomic.Int64
			fit := good("", "")
			cfg := clusterOf(t, func(args []string) string {
				if slices.Contains([]string{"EVALSHA", "EVAL"}, strings.ToUpper(args[0])) {
					times.Add(1)
					return then()
				}
				return fit(args)
			})
			s, err := open(t.Context(), cfg, defaultPrefix, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			times.Store(0) // it has tried out what it may do
			if _, err := s.Put(t.Context(), "a/b", nil, state.PutOpts{}); !isOutage(err) {
				t.Errorf("Put() = %v, want that nobody knows", err)
			}
			if n := times.Load(); n != 1 {
				t.Errorf("it was sent %d times", n)
			}
		})
	}
}
