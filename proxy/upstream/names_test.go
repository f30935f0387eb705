package upstream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// twin returns servers on the same port of several addresses of this machine,
// which say their address.
func twin(t testing.TB, addresses ...string) (port string) {
	t.Helper()
	port = "0"
	for _, a := range addresses {
		l, err := net.Listen("tcp", net.JoinHostPort(a, port))
		if err != nil {
			t.Fatal(err)
		}
		_, port, _ = net.SplitHostPort(l.Addr().String())
		srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, a) }))
		_ = srv.Listener.Close()
		srv.Listener = l
		srv.Start()
		t.Cleanup(srv.Close)
	}
	return port
}

// A zone is a name server that knows one name.
type zone struct {
	mu    sync.Mutex // guards what follows
	known []string
	asked int
}

// set changes the addresses. With none, the server is gone.
func (z *zone) set(known ...string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.known = known
}

func (z *zone) lookUp(context.Context, string) (all []netip.Addr, err error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.asked++
	if len(z.known) == 0 {
		return nil, errTest
	}
	for _, a := range z.known {
		all = append(all, netip.MustParseAddr(a))
	}
	return all, nil
}

// called returns a pool of one server with a name, which has addresses.
func called(t testing.TB, port string, addresses ...string) (*Pool, *zone) {
	t.Helper()
	p, z := newPool(t, Config{Upstreams: []string{"http://registry.test:" + port}}, Options{}), new(zone)
	z.set(addresses...)
	p.endpoints[0].dial.names.lookUp = z.lookUp
	return p, z
}

// seen is who answers a number of requests, which have a connection each.
func seen(t testing.TB, p *Pool, n int) map[string]int {
	t.Helper()
	all := make(map[string]int)
	for range n {
		text, err := send(t, p, http.MethodPut, strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		all[text]++
	}
	return all
}

func TestAddressesTakeTurns(t *testing.T) {
	port := twin(t, "127.0.0.1", "127.0.0.2", "127.0.0.3")
	known := []string{"127.0.0.1", "127.0.0.2", "127.0.0.3"}
	p, _ := called(t, port, known...)
	got := seen(t, p, 9)
	for _, a := range known {
		if got[a] != 3 {
			t.Errorf("%s got %d of 9 requests", a, got[a])
		}
	}
}

// TestDeadAddressIsPassedOver has a name of which one address refuses.
func TestDeadAddressIsPassedOver(t *testing.T) {
	port := twin(t, "127.0.0.1")
	p, _ := called(t, port, "127.0.0.9", "127.0.0.1", "::1")
	if got := seen(t, p, 6); got["127.0.0.1"] != 6 {
		t.Errorf("answers %v", got)
	}
}

// TestAddressThatMoved wants connections that are idle to be left behind, and
// the name server to be needed for nothing but news.
func TestAddressThatMoved(t *testing.T) {
	port := twin(t, "127.0.0.1", "127.0.0.2")
	p, z := called(t, port, "127.0.0.1")
	refresh := func() {
		gone, err := p.endpoints[0].dial.names.refresh(t.Context())
		if err == nil && gone {
			p.endpoints[0].renew()
		}
	}
	for _, step := range []struct {
		known []string
		want  string
	}{
		{[]string{"127.0.0.1"}, "127.0.0.1"},
		{nil, "127.0.0.1"},
		{[]string{"127.0.0.2"}, "127.0.0.2"},
		{nil, "127.0.0.2"},
	} {
		z.set(step.known...)
		refresh()
		if got, err := get(t, p); got != step.want || err != nil { // on a connection that is used again
			t.Errorf("with %v: answer of %s, %v, want %s", step.known, got, err, step.want)
		}
		if got := seen(t, p, 1); got[step.want] != 1 {
			t.Errorf("with %v: new connection to %v, want %s", step.known, got, step.want)
		}
	}
}

// TestNewsAreLookedUp has a server that moved since the last look-up.
func TestNewsAreLookedUp(t *testing.T) {
	port := twin(t, "127.0.0.1")
	p, z := called(t, port, "127.0.0.8")
	if _, err := get(t, p); !errors.Is(err, ErrConnect) {
		t.Errorf("nobody is there: %v", err)
	}
	z.set("127.0.0.1")
	if got, err := get(t, p); got != "127.0.0.1" || err != nil {
		t.Errorf("answer of %s, %v", got, err)
	}
}

// TestNamesAreFollowed has a name that moves while the gate runs.
func TestNamesAreFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		known := []string{"10.0.0.1", "10.0.0.2"}
		p, z := called(t, "5000", known...)
		e := p.endpoints[0]
		ctx, stop := context.WithCancel(t.Context())
		go p.Run(ctx)
		for _, step := range []struct {
			known []string
			left  bool // connections are left behind
		}{
			{known, false},
			{[]string{"10.0.0.2", "10.0.0.1", "10.0.0.3"}, false},
			{[]string{"10.0.0.2"}, true},
			{nil, false},
			{[]string{"10.0.0.2"}, false},
		} {
			z.set(step.known...)
			old := e.reads.Load()
			time.Sleep(10 * lookUpInterval)
			if left := e.reads.Load() != old; left != step.left {
				t.Errorf("%v: connections were left behind: %v", step.known, left)
			}
		}
		stop()
		synctest.Wait()
		if z.asked < 45 || z.asked > 56 {
			t.Errorf("%d look-ups in %v", z.asked, 50*lookUpInterval)
		}
	})
}

func TestNameThatIsUnknown(t *testing.T) {
	p, _ := called(t, "1")
	if _, err := get(t, p); !errors.Is(err, ErrConnect) {
		t.Errorf("error %v, want ErrConnect", err)
	}
}

// TestSlowAddressHasAHeadStart connects to addresses of which the first ones
// take a while: the others are not kept waiting, and nothing is left open.
func TestSlowAddressHasAHeadStart(t *testing.T) {
	for _, tt := range []struct {
		name string
		take []time.Duration // negative: refuses after that time
		want int             // who wins; -1 is nobody
		took time.Duration
	}{
		{"first", []time.Duration{headStart - 1, 0}, 0, headStart - 1},
		{"second", []time.Duration{time.Hour, time.Millisecond}, 1, headStart + time.Millisecond},
		{"third, at once", []time.Duration{-1, -1, time.Millisecond}, 2, 2 + time.Millisecond},
		{"first, after all", []time.Duration{3 * headStart, -1, -1}, 0, 3 * headStart},
		{"nobody", []time.Duration{-time.Second, -1}, -1, time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start, open := time.Now(), 0
				addresses := make([]netip.Addr, len(tt.take))
				for i := range addresses {
					addresses[i] = netip.AddrFrom4([4]byte{byte(i)})
				}
				c, err := race(t.Context(), addresses, func(ctx context.Context, a netip.Addr) (net.Conn, error) {
					take := tt.take[a.As4()[0]]
					select {
					case <-ctx.Done():
						return nil, ctx.Err()
					case <-time.After(take.Abs()):
					}
					if take < 0 {
						return nil, errTest
					}
					open++
					return &numbered{open: &open, number: int(a.As4()[0])}, nil
				})
				if took := time.Since(start); took != tt.took {
					t.Errorf("took %v, want %v", took, tt.took)
				}
				won := -1
				if err == nil {
					won = c.(*numbered).number
					_ = c.Close()
				}
				synctest.Wait()
				if won != tt.want || open != 0 {
					t.Errorf("%d has won (%v), %d connections are open; want %d and none", won, err, open, tt.want)
				}
			})
		})
	}
}

// numbered is a connection that says whose it is.
type numbered struct {
	net.Conn
	open   *int
	number int
}

func (n *numbered) Close() error {
	*n.open--
	return nil
}

var orderTests = []struct {
	known string
	want  []string // in the first turns
}{
	{"1.1.1.1", []string{"1.1.1.1", "1.1.1.1"}},
	{"1.1.1.1 2.2.2.2 3.3.3.3", []string{"1.1.1.1 2.2.2.2 3.3.3.3", "2.2.2.2 3.3.3.3 1.1.1.1", "3.3.3.3 1.1.1.1 2.2.2.2"}},
	{"::1 ::2 1.1.1.1", []string{"::1 1.1.1.1 ::2", "::2 1.1.1.1 ::1"}},
	{"1.1.1.1 ::ffff:2.2.2.2 ::3", []string{"1.1.1.1 ::3 ::ffff:2.2.2.2"}},
}

func TestOrder(t *testing.T) {
	for _, tt := range orderTests {
		n := new(names)
		var known []netip.Addr
		for text := range strings.FieldsSeq(tt.known) {
			known = append(known, netip.MustParseAddr(text))
		}
		for i, want := range tt.want {
			if got := strings.Trim(fmt.Sprint(n.order(known)), "[]"); got != want {
				t.Errorf("%s, turn %d: %s, want %s", tt.known, i, got, want)
			}
		}
	}
}
