package upstream

import (
	"fmt"
	"testing"
)

// replicas are addresses of n servers that nobody connects to.
func replicas(n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprintf("http://10.0.0.%d:5000", i+1))
	}
	return all
}

// owners says which endpoint has each of many repositories.
func owners(t testing.TB, p *Pool) map[string]string {
	t.Helper()
	all := make(map[string]string)
	for i := range 10_000 {
		repo := fmt.Sprintf("team-%d/app-%d", i%97, i)
		e, done, err := p.Pick(Want{Repository: repo})
		if err != nil {
			t.Fatal(err)
		}
		done()
		all[repo] = e.ID
	}
	return all
}

// TestRepositoriesStay removes one server of several: no repository moves but
// its own, which are about as many as those of any other.
func TestRepositoriesStay(t *testing.T) {
	for n := 2; n <= 16; n *= 2 {
		before := owners(t, newPool(t, Config{Upstreams: replicas(n)}, Options{}))
		after := owners(t, newPool(t, Config{Upstreams: replicas(n)[1:]}, Options{}))
		gone, _ := identify(newPool(t, Config{Upstreams: replicas(1)}, Options{}).endpoints[0].URL)
		moved := 0
		for repo, id := range before {
			switch {
			case id == gone:
				moved++
			case after[repo] != id:
				t.Fatalf("%d servers: %s moved from one that is still there", n, repo)
			}
		}
		if share := len(before) / n; moved < share*3/4 || moved > share*5/4 {
			t.Errorf("%d servers: one had %d of %d repositories", n, moved, len(before))
		}
	}
}

// TestGatesAgree has gates that list the same servers in another way.
func TestGatesAgree(t *testing.T) {
	a := owners(t, newPool(t, Config{Upstreams: []string{"http://a:5000", "https://b/x", "unix:///c"}}, Options{}))
	b := owners(t, newPool(t, Config{Upstreams: []string{"unix:///c", "http://A:5000/", "https://b/x/"}}, Options{}))
	for repo, id := range a {
		if b[repo] != id {
			t.Fatalf("%s is at %s and at %s", repo, id, b[repo])
		}
	}
}

// TestIDsStay has the IDs of an earlier build, which are in the URLs of uploads.
func TestIDsStay(t *testing.T) {
	for address, want := range map[string]string{
		"http://10.0.0.11:5000":     "8a69d82b64207021",
		"unix:///run/registry.sock": "b7f5081b3ec30e65",
	} {
		u, _ := parseAddress(address)
		if id, _ := identify(u); id != want {
			t.Errorf("%s has ID %s, want %s", address, id, want)
		}
	}
}

func TestBalance(t *testing.T) {
	for _, tt := range []struct {
		name    string
		balance string
		hold    bool  // requests go on
		down    []int // endpoints
		want    [4]int
	}{
		{"turns", RoundRobin, false, nil, [4]int{3, 3, 3, 3}},
		{"turns of three", RoundRobin, false, []int{1}, [4]int{4, 0, 4, 4}},
		{"turns of one", RoundRobin, false, []int{0, 1, 3}, [4]int{0, 0, 12, 0}},
		{"fewest requests", LeastConn, true, nil, [4]int{3, 3, 3, 3}},
		{"fewest requests of two", LeastConn, true, []int{0, 3}, [4]int{0, 6, 6, 0}},
		{"nothing to do", LeastConn, false, nil, [4]int{3, 3, 3, 3}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPool(t, Config{Upstreams: replicas(4), Balance: tt.balance}, Options{})
			for _, i := range tt.down {
				p.endpoints[i].vitals.down.Store(true)
			}
			var got [4]int
			for range 12 {
				e, done, err := p.Pick(Want{Repository: "a"})
				if err != nil {
					t.Fatal(err)
				}
				if !tt.hold {
					done()
				}
				for i := range p.endpoints {
					if p.endpoints[i] == e {
						got[i]++
					}
				}
			}
			if got != tt.want {
				t.Errorf("requests went to %v, want %v", got, tt.want)
			}
		})
	}
}

func BenchmarkPick(b *testing.B) {
	for _, balance := range []string{ByRepository, LeastConn, RoundRobin} {
		b.Run(balance, func(b *testing.B) {
			p := newPool(b, Config{Upstreams: replicas(16), Balance: balance}, Options{})
			b.ReportAllocs()
			for b.Loop() {
				_, done, err := p.Pick(Want{Repository: "team/service/app"})
				if err != nil {
					b.Fatal(err)
				}
				done()
			}
		})
	}
}
