package remote

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/regate/regate/authsvc/authn"
)

const password = "correct-horse"

// A rig is a registry with a token server, and a Remote that asks them.
type rig struct {
	*Remote
	registry, tokens *httptest.Server
	answer           http.HandlerFunc // of the registry
	give             http.HandlerFunc // of the token server
	logs             *observer.ObservedLogs

	mu      sync.Mutex // guards what follows
	seen    []*http.Request
	asked   []*http.Request
	reasons []string
	now     time.Time
}

// newRig makes a registry that wants a token from its token server, which gives
// token-1, token-2 and so on. The registry takes the newest.
func newRig(t *testing.T, user string) *rig {
	t.Helper()
	g := &rig{now: time.Unix(1_700_000_000, 0)}
	g.tokens = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.note(&g.asked, r)
		g.give(w, r)
	}))
	g.registry = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.note(&g.seen, r)
		g.answer(w, r)
	}))
	t.Cleanup(g.tokens.Close)
	t.Cleanup(g.registry.Close)
	g.give = func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{"token": g.newest()})
	}
	g.answer = func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+g.newest() {
			g.challenge(w, g.tokens.URL+"/token")
		}
	}
	origin, _ := url.Parse(g.registry.URL)
	cfg := Config{Name: "far.example", Origin: origin, TokenHosts: []string{strings.TrimPrefix(g.tokens.URL, "https://")}}
	if user != "" {
		cfg.Username, cfg.Password = user, authn.Secret(password)
	}
	core, logs := observer.New(zap.DebugLevel)
	g.logs = logs
	g.Remote = New(cfg, Deps{
		Own:     g.registry.Client().Transport.RoundTrip,
		Others:  g.tokens.Client().Transport,
		Refused: g.refusal,
		Now:     g.clock,
		Log:     zap.New(core),
	})
	return g
}

func (g *rig) challenge(w http.ResponseWriter, realm string) {
	w.Header().Set("Www-Authenticate", `Bearer realm="`+realm+`",service="far",scope="repository:team/secret:pull,push"`)
	w.WriteHeader(http.StatusUnauthorized)
}

func (g *rig) note(where *[]*http.Request, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	*where = append(*where, r)
}

func (g *rig) refusal(reason string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.reasons = append(g.reasons, reason)
}

func (g *rig) clock() time.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.now
}

func (g *rig) pass(d time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.now = g.now.Add(d)
}

// newest is the token that has been given last.
func (g *rig) newest() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return "token-" + string(rune('0'+len(g.asked)))
}

// counts are the requests to the registry and to the token server so far.
func (g *rig) counts() [2]int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return [2]int{len(g.seen), len(g.asked)}
}

// get asks for a manifest of repo, or for what path has instead.
func (g *rig) get(t *testing.T, repo string, path ...string) (*http.Response, error) {
	t.Helper()
	at := append(path, "/manifests/latest")[0]
	out, err := http.NewRequestWithContext(t.Context(), http.MethodGet, g.registry.URL+"/v2/"+repo+at, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range fields {
		out.Header.Set(name, "the client's own")
	}
	res, err := g.Send(out, repo)
	if res != nil {
		_ = res.Body.Close()
	}
	return res, err
}
