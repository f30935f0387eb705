package upstream

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/regate/regate/internal/connlimit"
)

// TestReloadKeepsRegistryOpen has two pools, one after the other, of which the
// second has not probed yet.
func TestReloadKeepsRegistryOpen(t *testing.T) {
	free := Trust{Mode: ModeForward, Check: &no}
	turnsAway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }))
	defer turnsAway.Close()
	letsIn := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer letsIn.Close()
	at := func(address string, t Trust) *Config { return &Config{Upstreams: []string{address}, Auth: t} }
	for _, tt := range []struct {
		name     string
		old      *Config // nil is a registry that is new
		new      *Config
		want     uint32
		wantOpen bool
	}{
		{"unchanged", at(turnsAway.URL, free), at(turnsAway.URL, free), open, true},
		{"other time-outs", at(turnsAway.URL, free), &Config{Upstreams: []string{turnsAway.URL + "/"}, Auth: free, HeaderTimeout: 1}, open, true},
		{"open to the world", at(letsIn.URL, free), at(letsIn.URL, free), closed, false},
		{"new", nil, at(turnsAway.URL, free), unproven, false},
		{"moved", at(turnsAway.URL, free), at(letsIn.URL, free), unproven, false},
		{"other prefix", at(turnsAway.URL, free), at(turnsAway.URL+"/x", free), unproven, false},
		{"other socket", at("unix:///run/a", free), at("unix:///run/b", free), unproven, false},
		{"checked before", at(turnsAway.URL, Trust{}), at(turnsAway.URL, free), unproven, false},
		{"checked now", at(turnsAway.URL, free), at(turnsAway.URL, Trust{}), unproven, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var old *Pool
			if tt.old != nil {
				old = newPool(t, *tt.old, Options{})
				// Those that cannot be asked stand for one that was, once.
				if err := old.Probe(t.Context()); err != nil {
					old.endpoints[0].proof.Store(open)
				}
			}
			p := newPool(t, *tt.new, Options{})
			p.Inherit(old)
			if got := p.endpoints[0].proof.Load(); got != tt.want {
				t.Errorf("state %d, want %d", got, tt.want)
			}
			if _, _, err := p.Pick(Want{}); (err == nil) != tt.wantOpen {
				t.Errorf("Pick(): %v, want open %v", err, tt.wantOpen)
			}
		})
	}
}

// TestInheritedStateIsNoNews wants a probe's own finding to stay.
func TestInheritedStateIsNoNews(t *testing.T) {
	c := Config{Upstreams: address, Auth: Trust{Mode: ModeForward, Check: &no}}
	old, p := newPool(t, c, Options{}), newPool(t, c, Options{})
	old.endpoints[0].proof.Store(open)
	p.endpoints[0].proof.Store(closed)
	p.Inherit(old)
	if p.endpoints[0].proof.Load() != closed {
		t.Error("what the probe has closed is open again")
	}
}

// TestReloadCountsOn wants no registry to get more than its requests because a
// reload has come in between, unless the reload has changed how many.
func TestReloadCountsOn(t *testing.T) {
	few := Options{Requests: func(most int) *connlimit.Limiter {
		return connlimit.New(connlimit.Limits{Connections: most}, connlimit.Deps{})
	}}
	for most, want := range map[int]string{1: connlimit.Total, 2: ""} {
		old := newPool(t, Config{Upstreams: address, MaxRequests: 1}, few)
		p := newPool(t, Config{Upstreams: address, MaxRequests: most}, few)
		if _, reason := old.Enter(netip.Addr{}); reason != "" {
			t.Fatal(reason)
		}
		p.Inherit(old)
		if _, reason := p.Enter(netip.Addr{}); reason != want {
			t.Errorf("with max_requests %d, after 1: refused for %q, want %q", most, reason, want)
		}
	}
}

// TestOpenServerIsLeftOut has two servers that are to check by themselves, of
// which one does not.
func TestOpenServerIsLeftOut(t *testing.T) {
	turnsAway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }))
	defer turnsAway.Close()
	letsIn := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer letsIn.Close()
	p := newPool(t, Config{Upstreams: []string{letsIn.URL, turnsAway.URL}, Balance: RoundRobin, Auth: Trust{Mode: ModeForward, Check: &no}}, Options{})
	pickFails(t, p, Want{}, errUnproven)
	if err := p.Probe(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		if e, _, err := p.Pick(Want{}); e != p.endpoints[1] || err != nil {
			t.Errorf("Pick() = %v, %v", e, err)
		}
	}
	pickFails(t, p, Want{Backend: p.endpoints[0].ID}, errOpen)
	pickFails(t, p, Want{Not: p.endpoints[1:]}, errOpen)
}
