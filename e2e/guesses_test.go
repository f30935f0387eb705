package e2e

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/regate/regate/e2e/testbed"
)

const (
	burst      = 10              // wrong passwords for an account from a network, by default
	guessCount = 1000            // that are all different
	noDelay    = 5 * time.Second // for a pull, which takes less than one
)

// A guesser tries passwords from one address of the machine.
type guesser struct {
	t    testing.TB
	site *site
	http *http.Client
}

func (s *site) guesser(t testing.TB, from string) *guesser {
	t.Helper()
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	tr := &http.Transport{
		TLSClientConfig: s.gate.CA.TLS(), ForceAttemptHTTP2: true,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, addr)
		},
	}
	t.Cleanup(tr.CloseIdleConnections)
	return &guesser{t, s, &http.Client{Transport: tr, Timeout: testbed.Patience}}
}

// get is how docker logs in, and post is how containerd does.
func (g *guesser) get(password string) int {
	req, err := http.NewRequestWithContext(g.t.Context(), http.MethodGet, g.site.gate.URL+"/auth?service=registry", nil)
	if err != nil {
		g.t.Error(err)
		return 0
	}
	req.SetBasicAuth("dev", password)
	return g.status(req)
}

func (g *guesser) post(password string) int {
	form := url.Values{"grant_type": {"password"}, "service": {"registry"}, "username": {"dev"}, "password": {password}}
	req, err := http.NewRequestWithContext(g.t.Context(), http.MethodPost, g.site.gate.URL+"/auth", strings.NewReader(form.Encode()))
	if err != nil {
		g.t.Error(err)
		return 0
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return g.status(req)
}

// status is that of an answer, which has a Retry-After if it is 429.
func (g *guesser) status(req *http.Request) int {
	res, err := g.http.Do(req)
	if err != nil {
		g.t.Error(err)
		return 0
	}
	_ = res.Body.Close()
	if after := res.Header.Get("Retry-After"); (after != "") != (res.StatusCode == http.StatusTooManyRequests) {
		g.t.Errorf("%s with Retry-After %q", res.Status, after)
	}
	return res.StatusCode
}

// TestGuesses: from the network of somebody who is logged in come a thousand
// guesses in a second. Few of them are looked at; who is logged in works on
// meanwhile, and others log in from elsewhere.
func TestGuesses(t *testing.T) {
	t.Parallel()
	s := startSite(t, modes[0], testbed.Registry2, startEngines(t))
	s.seed(t, "team/app")
	podman := s.client(t, "podman")
	if err := podman.Login("dev", devPassword); err != nil {
		t.Fatal(err)
	}
	here, elsewhere := s.guesser(t, testbed.Address), s.guesser(t, "127.0.0.1")
	begun := make(chan struct{})
	var guessed sync.WaitGroup
	guessed.Go(func() { here.flood(begun) })
	<-begun
	for range 3 {
		began := time.Now()
		if _, err := podman.Pull("team/app:x"); err != nil || time.Since(began) > noDelay {
			t.Errorf("whoever is logged in pulls in %v: %v", time.Since(began), err)
		}
	}
	if got := elsewhere.get(devPassword); got != http.StatusOK {
		t.Errorf("a login from another network: %d", got)
	}
	guessed.Wait()
	for name, want := range map[string]string{
		"docker": "toomanyrequests",
		"podman": "too many",
		"ctr":    "429 Too Many Requests",
		"crane":  "TOOMANYREQUESTS",
	} {
		c := s.client(t, name)
		err := c.Login("dev", "yet-another-guess")
		if err == nil {
			_, err = c.Pull("team/app:x")
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s says %v of one more, want %q in it", name, err, want)
		}
	}
}

// flood sends all guesses within a second, and closes begun when the first has
// been answered.
func (g *guesser) flood(begun chan<- struct{}) {
	var looked atomic.Int64
	var first sync.Once
	var all sync.WaitGroup
	pace := time.NewTicker(time.Second / guessCount)
	defer pace.Stop()
	for i := range guessCount {
		<-pace.C
		all.Go(func() {
			if g.get(fmt.Sprint("guess-number-", i)) != http.StatusTooManyRequests {
				looked.Add(1)
			}
			first.Do(func() { close(begun) })
		})
	}
	all.Wait()
	if n := looked.Load(); n > burst {
		g.t.Errorf("%d of %d guesses were not answered with 429, want %d at most", n, guessCount, burst)
	}
}

// TestSamePasswordTwiceIsOneGuess: containerd tries POST and then GET, which is
// one guess, as long as it is the same password.
func TestSamePasswordTwiceIsOneGuess(t *testing.T) {
	t.Parallel()
	s := startSite(t, modes[0], testbed.Registry2, startEngines(t))
	s.seed(t, "team/app")
	ctr := s.client(t, "ctr")
	if err := ctr.Login("dev", "mistyped-by-dev"); err != nil {
		t.Fatal(err)
	}
	for range 3 { // within ten seconds
		if _, err := ctr.Pull("team/app:x"); err == nil || !strings.Contains(err.Error(), "401") {
			t.Errorf("ctr with a wrong password: %v, want a 401", err)
		}
	}
	g := s.guesser(t, testbed.Address)
	for i := range burst - 1 {
		word := fmt.Sprint("guess-of-both-kinds-", i)
		if post, get := g.post(word), g.get(word); post != http.StatusUnauthorized || get != http.StatusUnauthorized {
			t.Errorf("guess %d: %d, then %d", i, post, get)
		}
	}
	if got := g.get("one-guess-too-many"); got != http.StatusTooManyRequests {
		t.Errorf("after %d guesses: %d", burst, got)
	}
}
