package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/regate/regate/internal/connlimit"
	"github.com/regate/regate/internal/edge"
	"github.com/regate/regate/internal/oci"
	"github.com/regate/regate/proxy/upstream"
)

const (
	someDigest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	someUpload = "8b2b5f5e-7f6a-4c53-9d3c-0d9a3f6a6f0a"
	uploads    = "/v2/team/app/blobs/uploads/"
)

// bearer is a token of the tests: an account and what it may do, in clear.
func bearer(subject, scope string) string { return "Bearer " + subject + "|" + scope }

// testAuth knows those tokens.
type testAuth struct{}

func (testAuth) Authorize(_ context.Context, shown oci.Shown, needs []oci.Access) (oci.Grant, error) {
	if shown.Authorization.Reveal() == "" {
		return oci.Grant{}, &oci.Refusal{Reason: oci.NoToken, Msg: "authentication required"}
	}
	text, _ := strings.CutPrefix(shown.Authorization.Reveal(), "Bearer ")
	subject, scopes, ok := strings.Cut(text, "|")
	if subject == "panic" {
		panic("in the tests")
	}
	if subject == "broken" {
		return oci.Grant{}, oci.Errorf(oci.Unavailable, "cannot check credentials now")
	}
	scope, err := oci.ParseScope([]string{scopes})
	if err != nil || !ok {
		return oci.Grant{}, &oci.Refusal{Reason: oci.InvalidToken, Msg: "invalid token", Err: errors.New("garbled")}
	}
	g := oci.Grant{Subject: subject, Scope: scope, ID: "id-of-" + subject, Bearer: oci.NewSecret(text)}
	if !g.Covers(needs) {
		return oci.Grant{}, &oci.Refusal{Reason: oci.InsufficientScope, Msg: "no rule allows this"}
	}
	return g, nil
}

// mint makes tokens that show who asked for which.
var mint = upstream.MinterFunc(func(issuer, service, subject string, access []oci.Access) (string, error) {
	if subject == "keyless" {
		return "", errors.New("there is no key")
	}
	return issuer + "/" + service + "/" + subject + "|" + oci.NewScope(access...).String(), nil
})

// A setup is what a test wants to be in front of a registry. The zero setup
// will do.
type setup struct {
	config upstream.Config // its Upstreams are filled in
	limits Limits
	http2  bool
	routes []RouteConfig
	more   map[string]upstream.Config // other registries

	requests *connlimit.Limiter // of the gate
	auth     Authorizer         // testAuth{} unless something else is there
	uploads  Uploads
	catalog  Catalog
}

// A rig is a client, a gate, and a registry that is watched.
type rig struct {
	*httptest.Server
	registry *httptest.Server
	gateway  *Gateway
	logs     *observer.ObservedLogs

	mu   sync.Mutex // guards seen
	seen []*http.Request
}

// newRig puts a gate in front of registry.
func newRig(t testing.TB, registry http.HandlerFunc, s setup) *rig {
	t.Helper()
	g := &rig{}
	g.registry = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.mu.Lock()
		g.seen = append(g.seen, r)
		g.mu.Unlock()
		registry(w, r)
	}))
	t.Cleanup(g.registry.Close)
	if s.config.Upstreams == nil {
		s.config.Upstreams = []string{g.registry.URL}
	}
	configs := map[string]upstream.Config{"main": s.config}
	maps.Copy(configs, s.more)

	core, logs := observer.New(zapcore.InfoLevel)
	g.logs = logs
	g.gateway = newGateway(t, configs, s)
	g.Server = httptest.NewUnstartedServer(edge.Stack(
		edge.Handler(g.gateway.Serve), edge.Log(zap.New(core), nil), edge.Recover, edge.Clients(nil)))
	g.Config.DisableGeneralOptionsHandler = true
	g.EnableHTTP2 = s.http2
	g.StartTLS()
	t.Cleanup(g.Close)
	g.Client().CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return g
}

func newGateway(t testing.TB, configs map[string]upstream.Config, s setup) *Gateway {
	t.Helper()
	pools := make(map[string]*upstream.Pool, len(configs))
	for name, c := range configs {
		p, err := upstream.New(c, upstream.Options{Minter: mint, Issuer: "regate", Service: "clients", Requests: atMost})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.Close)
		pools[name] = p
		if err := p.Probe(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	routes, err := NewTable(s.routes, pools)
	if err != nil {
		t.Fatal(err)
	}
	if s.auth == nil {
		s.auth = testAuth{}
	}
	return New(routes, s.auth, Options{Service: "clients", Limits: s.limits, Uploads: s.uploads, Catalog: s.catalog, Requests: s.requests})
}

// forget makes the registry and the log forget what they have seen.
func (g *rig) forget() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.seen = nil
	g.logs.TakeAll()
}

// requests is what the registry has seen.
func (g *rig) requests() []*http.Request {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.seen
}

// last is the newest request that the registry has seen.
func (g *rig) last(t testing.TB) *http.Request {
	t.Helper()
	seen := g.requests()
	if len(seen) == 0 {
		t.Fatal("nothing reached the registry")
	}
	return seen[len(seen)-1]
}

// line waits for the log line of the newest request, which is written after
// the client has its answer.
func (g *rig) line(t testing.TB) map[string]any {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if all := g.logs.All(); len(all) > 0 {
			last := all[len(all)-1]
			fields := last.ContextMap()
			fields["level"] = last.Level.String()
			return fields
		}
	}
	t.Fatal("no line was logged")
	return nil
}

// A call is a request of a client.
type call struct {
	method, path, auth string
	header             http.Header
	body               io.Reader
	bare               bool // an upload's URL is as it stands, without a ticket
}

// do sends c and returns the answer and its body; cut says that it broke off.
func (g *rig) do(t testing.TB, c call) (res *http.Response, body string, cut bool) {
	t.Helper()
	if c.method == "" {
		c.method = http.MethodGet
	}
	if !c.bare {
		subject, _, _ := strings.Cut(strings.TrimPrefix(c.auth, "Bearer "), "|")
		c.path = g.ticketed(subject, c.path)
	}
	req, err := http.NewRequestWithContext(t.Context(), c.method, g.URL+c.path, c.body)
	if err != nil {
		t.Fatal(err)
	}
	maps.Copy(req.Header, c.header)
	if c.auth != "" {
		req.Header.Set("Authorization", c.auth)
	}
	res, err = g.Client().Do(req)
	if err != nil {
		return nil, err.Error(), true
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return res, string(text), err != nil
}

// ticketed is a path as a client has it from the gate: with a ticket, if it is
// that of an upload, which subject has begun.
func (g *rig) ticketed(subject, path string) string {
	req, err := oci.Parse(http.MethodPatch, path)
	if err != nil || req.Ticket != "" {
		return path
	}
	route, err := g.gateway.routes.Find(g.host(), req)
	if err != nil {
		return path
	}
	x := exchange{req: req, sent: req, name: route.public(req.Repo), route: route, grant: oci.Grant{Subject: subject}}
	return path + sep(path) + oci.TicketKey + "=" + g.gateway.uploads.seal(x.session(req.Upload), ticket{})
}

func sep(path string) string {
	if strings.Contains(path, "?") {
		return "&"
	}
	return "?"
}

// withoutTicket is a Location without what the gate has added to it.
func withoutTicket(location string) string {
	at := strings.Index(location, oci.TicketKey+"=")
	if at < 1 {
		return location
	}
	return location[:at-1]
}

// protocols runs f with clients of HTTP/1.1 and HTTP/2.
func protocols(t *testing.T, f func(t *testing.T, http2 bool)) {
	t.Run("HTTP1", func(t *testing.T) { f(t, false) })
	t.Run("HTTP2", func(t *testing.T) { f(t, true) })
}

// host is the gate's as its clients call it.
func (g *rig) host() string { return strings.TrimPrefix(g.URL, "https://") }

// dial opens a connection to the gate for requests that no client would send.
func (g *rig) dial(t testing.TB) *tls.Conn {
	t.Helper()
	c, err := tls.Dial("tcp", g.Listener.Addr().String(), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}
