//go:build redis

package gate

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// A lag is a line to a server on which everything takes its time.
type lag struct {
	addr  string
	delay atomic.Int64 // of what the server says
}

func newLag(t *testing.T, to string) *lag {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	line := &lag{addr: l.Addr().String()}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go line.join(c, to)
		}
	}()
	return line
}

func (l *lag) join(client net.Conn, to string) {
	defer client.Close()
	server, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer server.Close()
	go func() { _, _ = io.Copy(server, client); _ = server.Close() }()
	said := make([]byte, 32<<10)
	for {
		n, err := server.Read(said)
		if err != nil {
			return
		}
		time.Sleep(time.Duration(l.delay.Load())) // is the line, not the test
		if _, err := client.Write(said[:n]); err != nil {
			return
		}
	}
}

// TestSlowRedis: one that takes two seconds for each answer is as good as none.
// No pull waits for it, and logins no longer than until that is known.
func TestSlowRedis(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	line := newLag(t, f.redis.Addr)
	f.redis.Addr = line.addr
	g := f.start()
	tok := g.token("repository:a:pull")
	line.delay.Store(int64(2 * time.Second))

	took := func(do func() int, want int) time.Duration {
		t.Helper()
		begin := time.Now()
		if got := do(); got != want {
			t.Errorf("%d, want %d", got, want)
		}
		return time.Since(begin)
	}
	pull := func() int { return g.pull(tok) }
	wrong := 0
	guess := func() int { wrong++; return g.guess("guess " + strconv.Itoa(wrong)) }
	for i := range 3 {
		d := took(guess, http.StatusUnauthorized)
		t.Logf("wrong password %d: %v", i, d)
		if d > 6*time.Second {
			t.Errorf("wrong password %d takes %v", i, d)
		}
		if d := took(pull, http.StatusOK); d > time.Second {
			t.Errorf("a pull takes %v", d)
		}
		if text := g.readyz(); !strings.Contains(text, "state: away for ") {
			t.Errorf("after wrong password %d it says %s", i, text)
		}
	}
	g.until("the state is given up", func() bool { return g.logged("state does not answer") })
	for i := range 2 { // alone the gate lets half as many through
		if d := took(guess, http.StatusUnauthorized); d > time.Second {
			t.Errorf("wrong password %d takes %v while the state is given up", i, d)
		}
		if status, _, _ := g.get("https", "/auth?scope=repository:a:pull", "Authorization", basic); status != http.StatusOK {
			t.Errorf("login: %d", status)
		}
	}
	line.delay.Store(0)
	g.until("the state is back", func() bool { return g.logged("state answers again") })
}

// TestFleetWithStrangePeers: what others write about themselves is counted, and no more.
func TestFleetWithStrangePeers(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	for i, name := range []string{"../../keys/token", "*", "%2F%00", "a\nb", strings.Repeat("x", 1000)} {
		data := []string{`{"host":"\u0000\n{}","config":"x"}`, "", "[]", `{"config":1}`, `{"host":"` + strings.Repeat("y", 1<<16) + `"}`}[i]
		f.redis.Do(t, "HSET", "rg:{gate/seen}:"+name, "d", data, "r", "1")
		f.redis.Do(t, "ZADD", "rg:index:{gate/seen}", "0", "gate/seen/"+name)
	}
	g := f.start()
	g.until("the metric", func() bool {
		_, text, _ := g.get("admin", "/metrics")
		return strings.Contains(text, "\nregate_fleet_gates 3\n") && strings.Contains(text, fmt.Sprintf("differing{what=%q} 2", "config"))
	})
	if g.root() == "" || g.pull(g.token("repository:a:pull")) != http.StatusOK {
		t.Error("the gate does not work")
	}
}
