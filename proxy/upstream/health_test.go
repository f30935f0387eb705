package upstream

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

var errTest = errors.New("in the tests")

// healthTests are what happens to a server, one letter each: f is a request
// that fails, w one that is answered, x an answer that breaks off and o one that
// is complete, b a bad probe and g a good one; U and D say that it is up or down
// by then.
var healthTests = []struct {
	name   string
	health Health
	events string
}{
	{"requests take it out, and probes bring it back", Health{}, "UfUfUfDgDgU"},
	{"an answer brings it back at once", Health{}, "fffDwU"},
	{"only in a row", Health{}, "ffwffUfD"},
	{"a good probe is no answer", Health{}, "ffgUfD"},
	{"probes take it out", Health{}, "bUbUbDgDbDgDgU"},
	{"only probes in a row", Health{}, "bbgbbUbD"},
	{"requests that fail begin anew with good probes", Health{}, "fffgfDgDgU"},
	{"answers that break off take it out", Health{}, "wxwxUwxDwU"},
	{"only in a row, too", Health{}, "wxwxwowxwxUwxD"},
	{"and not together with requests that fail", Health{}, "wxwxffUxD"},
	{"other numbers", Health{MaxFailures: 1, Healthy: 1, Unhealthy: 2}, "fDgUbUbDgU"},
}

func TestHealth(t *testing.T) {
	for _, tt := range healthTests {
		t.Run(tt.name, func(t *testing.T) {
			core, logs := observer.New(zap.DebugLevel)
			p := newPool(t, Config{Upstreams: replicas(2), Health: tt.health}, Options{Log: zap.New(core)})
			e := p.endpoints[0]
			changes, up := 0, true
			for i, event := range tt.events {
				switch event {
				case 'f':
					e.Failed(errTest)
				case 'w':
					e.tell(e.vitals.worked(), nil)
				case 'x':
					e.BrokeOff(errTest)
				case 'o':
					e.Finished()
				case 'b', 'g':
					e.tell(e.vitals.probed(e.health, event == 'g'), errTest)
				case 'U', 'D':
					if got := p.States()[0].Up; got != (event == 'U') {
						t.Fatalf("after %s: up %v", tt.events[:i], got)
					}
				}
				if now := p.States()[0].Up; now != up {
					changes, up = changes+1, now
				}
			}
			if logs.Len() != changes {
				t.Errorf("%d changes, logged %v", changes, logs.All())
			}
		})
	}
}

func pickFails(t *testing.T, p *Pool, w Want, want error) {
	t.Helper()
	if e, _, err := p.Pick(w); !errors.Is(err, want) {
		t.Errorf("Pick(%+v) = %v, %v; want %v", w, e, err, want)
	}
}

func TestPickOfThoseThatAreThere(t *testing.T) {
	p := newPool(t, Config{Upstreams: replicas(2), MaxConnections: 1}, Options{})
	a, b := p.endpoints[0], p.endpoints[1]
	pickFails(t, p, Want{Backend: "0123456789abcdef"}, ErrNoBackend)
	got, done, err := p.Pick(Want{Backend: a.ID})
	if got != a || err != nil {
		t.Fatalf("Pick of an upload's = %v, %v", got, err)
	}
	pickFails(t, p, Want{Backend: a.ID}, errAllFull)
	if got, _, err := p.Pick(Want{}); got != b || err != nil {
		t.Errorf("beside a full one: %v, %v", got, err)
	}
	pickFails(t, p, Want{}, errAllFull)
	done()
	pickFails(t, p, Want{Not: []*Endpoint{a, b}}, errTried)
	pickFails(t, p, Want{Not: []*Endpoint{a}}, errAllFull)
	for range 3 {
		a.Failed(errTest)
	}
	pickFails(t, p, Want{Backend: a.ID}, ErrBackendDown)
	if busy := a.vitals.busy.Load(); busy != 0 {
		t.Errorf("%d requests are counted at one that has none", busy)
	}
}

// TestAloneIsAlwaysTried has one server, which is down for all that is known.
func TestAloneIsAlwaysTried(t *testing.T) {
	p := newPool(t, Config{Upstreams: address}, Options{})
	for range 10 {
		p.endpoints[0].Failed(errTest)
		if p.States()[0].Up {
			t.Error("it is up")
		}
		for _, w := range []Want{{}, {Backend: p.endpoints[0].ID}} {
			_, done, err := p.Pick(w)
			if err != nil {
				t.Fatal(err)
			}
			done()
		}
	}
	pickFails(t, p, Want{Not: p.endpoints}, errTried)
}

// TestAllDownAreTried counts the requests that servers get which are all down:
// one each in a second, until one answers, whatever probes find meanwhile.
func TestAllDownAreTried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, Config{Upstreams: replicas(2)}, Options{})
		for _, e := range p.endpoints {
			for range 3 {
				e.Failed(errTest)
			}
		}
		tries := 0
		for range 100 { // a tenth of a second each
			e, done, err := p.Pick(Want{})
			switch {
			case err == nil:
				tries++
				e.Failed(errTest)
				done()
			case !errors.Is(err, errAllDown):
				t.Fatal(err)
			}
			for _, e := range p.endpoints {
				e.tell(e.vitals.probed(e.health, false), errTest)
			}
			time.Sleep(100 * time.Millisecond)
		}
		if tries < 16 || tries > 20 {
			t.Errorf("%d tries in ten seconds, want two in one", tries)
		}
		p.endpoints[0].tell(p.endpoints[0].vitals.worked(), nil)
		for range 10 {
			if e, _, err := p.Pick(Want{}); e != p.endpoints[0] || err != nil {
				t.Fatalf("with one up: %v, %v", e, err)
			}
		}
	})
}

// TestWithoutProbes wants one request in each interval to try what is down,
// while another server is up.
func TestWithoutProbes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, Config{Upstreams: replicas(2), Health: Health{Off: true, Interval: time.Second}}, Options{})
		for range 3 {
			p.endpoints[0].Failed(errTest)
		}
		tries := 0
		for range 100 {
			e, done, err := p.Pick(Want{})
			if err != nil {
				t.Fatal(err)
			}
			done()
			if e == p.endpoints[0] {
				e.Failed(errTest)
				tries++
			}
			time.Sleep(100 * time.Millisecond)
		}
		if tries < 8 || tries > 10 {
			t.Errorf("%d tries in ten seconds, want one in each", tries)
		}
	})
}

// TestProbes has servers that say how they are.
func TestProbes(t *testing.T) {
	var status [2]atomic.Int64
	var urls []string
	for i := range status {
		status[i].Store(200)
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/prefix/alive" || r.Header.Get("Authorization") != "" {
				t.Errorf("probe of %s, %v", r.URL, r.Header)
			}
			w.WriteHeader(int(status[i].Load()))
		}))
		defer srv.Close()
		urls = append(urls, srv.URL+"/prefix")
	}
	p := newPool(t, Config{Upstreams: urls, Health: Health{Path: "/alive", Interval: leastWait, Timeout: time.Minute}}, Options{})
	go p.Run(t.Context())
	for _, want := range []struct {
		status int64
		up     bool
	}{{404, true}, {503, false}, {401, true}, {500, false}} {
		status[0].Store(want.status)
		for p.States()[0].Up != want.up {
			time.Sleep(time.Millisecond) // the test's own time-out is the bound
		}
		if !p.States()[1].Up {
			t.Errorf("the other one is down, too")
		}
	}
}

func TestSickAnswersCount(t *testing.T) {
	var status atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(int(status.Load())) }))
	defer srv.Close()
	for _, tt := range []struct {
		status int64
		others []string
		wantUp bool
	}{{503, replicas(1), false}, {502, replicas(1), false}, {504, replicas(1), false}, {500, replicas(1), true}, {404, replicas(1), true}, {503, nil, true}} {
		t.Run(fmt.Sprint(tt.status, tt.others), func(t *testing.T) {
			status.Store(tt.status)
			p := newPool(t, Config{Upstreams: append([]string{srv.URL}, tt.others...)}, Options{})
			for range 3 {
				out := &http.Request{Method: http.MethodGet, URL: p.endpoints[0].Target("/v2/", ""), Header: http.Header{}}
				res, err := p.endpoints[0].RoundTrip(out.WithContext(t.Context()))
				if err != nil {
					t.Fatal(err)
				}
				_ = res.Body.Close()
			}
			if up := p.States()[0].Up; up != tt.wantUp {
				t.Errorf("up %v, want %v", up, tt.wantUp)
			}
		})
	}
}

// TestReloadKeepsHealth has a generation after another, with some of its servers.
func TestReloadKeepsHealth(t *testing.T) {
	old := newPool(t, Config{Upstreams: replicas(3)}, Options{})
	for range 3 {
		old.endpoints[1].Failed(errTest)
	}
	_, done, err := old.Pick(Want{Backend: old.endpoints[2].ID})
	if err != nil {
		t.Fatal(err)
	}
	p := newPool(t, Config{Upstreams: []string{"http://10.0.0.3:5000", "http://10.0.0.2:5000", "http://10.0.0.9:5000"}}, Options{})
	p.Inherit(old)
	if got, want := fmt.Sprint(p.States()), "[{10.0.0.3:5000 true 1} {10.0.0.2:5000 false 0} {10.0.0.9:5000 true 0}]"; got != want {
		t.Errorf("states %s, want %s", got, want)
	}
	done()
	if busy := p.States()[0].Busy; busy != 0 {
		t.Errorf("a request that is over is counted: %d", busy)
	}
}

// TestBudget has a store in which everything fails: a tenth of all requests are
// sent twice, after a first burst.
func TestBudget(t *testing.T) {
	reasons := 0
	p := newPool(t, Config{Upstreams: replicas(2), MaxRequests: 50}, Options{Observe: Observer{Retried: func(reason string) {
		if reason == NoAnswer {
			reasons++
		}
	}}})
	again := 0
	for range 10_000 {
		_, done, err := p.Pick(Want{})
		if err != nil {
			t.Fatal(err)
		}
		done()
		for p.Again(NoAnswer) {
			again++
		}
	}
	if again < 1000 || again > 1050 || reasons != again {
		t.Errorf("%d of 10000 requests were sent again, %d were counted; want 1050", again, reasons)
	}
}
