package proxy

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/regate/regate/internal/oci"
	"github.com/regate/regate/proxy/upstream"
)

// A gossip is a registry that says its name for a repository wherever it can.
type gossip struct {
	name string

	mu   sync.Mutex // guards what follows
	rand *rand.Rand
	seen []*http.Request
}

func (g *gossip) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	req, err := oci.Parse(r.Method, r.RequestURI)
	if err != nil || req.Repo == "" {
		return // a probe
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.seen = append(g.seen, r)
	h := w.Header()
	h.Set("Warning", fmt.Sprintf(`299 - "%s and %s are old"`, req.Repo, req.From))
	h.Set("Docker-Content-Digest", someDigest)
	h.Set("Oci-Namespace", "inside.example")
	h.Set("X-Repository", req.Repo)
	switch g.rand.IntN(4) {
	case 0:
		g.fail(w, req)
	case 1:
		h.Set("Content-Type", "text/html")
		w.WriteHeader(404)
		_, _ = io.WriteString(w, "<h1>"+req.Repo+"</h1>")
	default:
		g.succeed(w, req)
	}
}

func (g *gossip) fail(w http.ResponseWriter, req oci.Request) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader([]int{400, 404, 416, 429, 500}[g.rand.IntN(5)])
	escaped := strings.ReplaceAll(req.Repo, "/", `\/`)
	_, _ = fmt.Fprintf(w, `{"errors":[{"code":"NAME_UNKNOWN","message":"no %s.","detail":{"name":"%s","/v2/%s/x":["from=%s"]}}]}`,
		req.Repo, escaped, req.Repo, strings.ReplaceAll(req.From+"&to="+req.Repo, "/", "%2F"))
}

func (g *gossip) succeed(w http.ResponseWriter, req oci.Request) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	origin := []string{"", "http://10.0.0.7:5000", "https://inside.example/prefix"}[g.rand.IntN(3)]
	switch req.Op {
	case oci.ListTags:
		h.Set("Link", "<"+origin+req.Path()+`?last=b&n=2>; rel="next"`)
		_, _ = fmt.Fprintf(w, `{"name":%q,"tags":["b","a"]}`, req.Repo)
	case oci.StartUpload, oci.AppendUpload:
		h.Set("Location", origin+"/v2/"+req.Repo+"/blobs/uploads/"+someUpload+"?_state="+url.QueryEscape(req.Repo))
		w.WriteHeader(202)
	case oci.FinishUpload, oci.PutManifest:
		h.Set("Location", origin+"/v2/"+req.Repo+"/manifests/"+someDigest)
		w.WriteHeader(201)
		_, _ = fmt.Fprintf(w, `{"repository":%q}`, req.Repo)
	case oci.DeleteBlob, oci.DeleteManifest:
		h.Set("Content-Type", "text/plain")
		w.WriteHeader(202)
		_, _ = io.WriteString(w, "deleted from "+req.Repo)
	}
}

// long makes names of the small world such that no text has them by chance.
var long = strings.NewReplacer("a", "amber", "b", "birch")

// A journey is one request of a client.
type journey struct {
	host, method, target, scope string
}

func someJourney(r *rand.Rand) journey {
	name := func() string { return long.Replace(smallWorld[r.IntN(len(smallWorld))]) }
	repo, from := name(), name()
	if r.IntN(8) == 0 {
		repo, from = "docker.io/"+repo, []string{"", "docker.io/"}[r.IntN(2)]+from
	}
	calls := []string{
		"GET /tags/list", "HEAD /manifests/x", "GET /manifests/x", "PUT /manifests/x", "DELETE /manifests/x",
		"GET /blobs/" + someDigest, "DELETE /blobs/" + someDigest, "GET /referrers/" + someDigest,
		"POST /blobs/uploads/", "POST /blobs/uploads/?mount=" + someDigest + "&from=" + from,
		"POST /blobs/uploads/?mount=" + someDigest + "&from=" + from, "GET /blobs/uploads/" + someUpload,
		"PATCH /blobs/uploads/" + someUpload, "PUT /blobs/uploads/" + someUpload, "DELETE /blobs/uploads/" + someUpload,
	}
	j := journey{host: []string{"a.example", "b.example", "other"}[r.IntN(3)]}
	j.method, j.target, _ = strings.Cut(calls[r.IntN(len(calls))], " ")
	j.target = "/v2/" + repo + j.target
	if r.IntN(8) == 0 {
		j.target += sep(j.target) + "ns=" + []string{"docker.io", "evil.example"}[r.IntN(2)]
	}
	for _, n := range []string{repo, from, name()} {
		if strings.Contains(j.target, "ns=docker.io") && !strings.HasPrefix(n, "docker.io/") && r.IntN(8) > 0 {
			n = "docker.io/" + n
		}
		j.scope += " repository:" + n + ":" + []string{"pull", "pull,push", "*", "*", "*", "*"}[r.IntN(6)]
	}
	return j
}

// A verdict is what should become of a journey.
type verdict struct {
	status   int    // 0 if it is for the registry to say
	registry string // "" for none
	line     string // what it sees: method and target
	token    string // and is shown
}

// place is where a repository is that a client calls name, with ns or without,
// what it is called there, and what rules call it.
func (w *world) place(ns, name string) (at asked, known string) {
	own, within := strings.CutPrefix(name, "docker.io/")
	if ns == "" && !(within && w.mirrors) {
		return asked{repo: name}, name
	}
	return asked{namespace: "docker.io", repo: own}, "docker.io/" + own
}

// judge says what should become of a request, in the plainest words.
func (w *world) judge(j journey) verdict {
	req, err := oci.Parse(j.method, j.target)
	if err != nil {
		panic(err)
	}
	if req.Namespace != "" && !(w.mirrors && req.Namespace == "docker.io") {
		return verdict{status: 404}
	}
	granted, _ := oci.ParseScope([]string{j.scope})
	at, known := w.place(req.Namespace, req.Repo)
	at.actions = req.Action()
	route := w.first(j.host, at)
	if route == nil {
		return verdict{status: 404}
	}
	acts := req.WithoutMount().Needs()[0].Actions
	if req.From != "" {
		src, knownSrc := w.place(req.Namespace, req.From)
		src.actions = oci.Pull
		source := w.first(j.host, src)
		both := oci.NewScope(oci.Access{Type: oci.Repository, Name: known, Actions: acts}, oci.Access{Type: oci.Repository, Name: knownSrc, Actions: oci.Pull})
		if source == nil || source.Registry != route.Registry || !granted.Contains(both...) {
			req = req.WithoutMount()
		} else {
			req.From = source.rename.upstream(src.repo)
		}
	}
	if !granted.Contains(oci.Access{Type: oci.Repository, Name: known, Actions: acts}) {
		return verdict{status: 401}
	}
	req.Repo = route.rename.upstream(at.repo)
	line := strings.TrimSuffix(j.method+" "+req.Path()+"?"+req.RawQuery(), "?")
	return verdict{registry: route.Registry, line: line, token: "Bearer gate/registry/ann|" + oci.NewScope(req.UpstreamNeeds()...).String()}
}

// A world is a gate with two gossips.
type world struct {
	*rig
	table   *Table
	mirrors bool // some route has a namespace
	both    map[string]*gossip
}

func (w *world) first(host string, a asked) *Route {
	for _, r := range w.table.routes {
		if r.takes(host, a) {
			return r
		}
	}
	return nil
}

func newWorld(t *testing.T, r *rand.Rand, configs []RouteConfig) *world {
	w := &world{table: compileAll(configs), both: make(map[string]*gossip)}
	w.mirrors = slices.ContainsFunc(configs, func(c RouteConfig) bool { return c.Namespace != "" })
	for _, name := range []string{"main", "other"} {
		w.both[name] = &gossip{name: name, rand: rand.New(rand.NewPCG(r.Uint64(), 1))}
	}
	other := httptest.NewServer(w.both["other"])
	t.Cleanup(other.Close)
	second := modeConfig(upstream.ModeToken)
	second.Upstreams = []string{other.URL}
	w.rig = newRig(t, w.both["main"].ServeHTTP, setup{
		config: modeConfig(upstream.ModeToken), routes: configs, more: map[string]upstream.Config{"other": second},
	})
	return w
}

// travel sends a request, and returns the status and all else that the client sees.
func (w *world) travel(t *testing.T, j journey) (status int, text string) {
	target := j.target
	if req, _ := oci.Parse(j.method, j.target); req.Upload != "" {
		if route, err := w.gateway.routes.Find(j.host, req); err == nil {
			s := exchange{req: req, name: route.public(req.Repo), route: route, grant: oci.Grant{Subject: "ann"}}.session(req.Upload)
			target += sep(target) + oci.TicketKey + "=" + w.gateway.uploads.seal(s, ticket{})
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), j.method, w.URL+target, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = j.host
	req.Header.Set("Authorization", bearer("ann", j.scope))
	res, err := w.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	res.Header.Del("Date")
	return res.StatusCode, fmt.Sprint(res.Status, "\n", res.Header, "\n", string(body))
}

// TestNamesStayInside has random routes and random requests: what a client sees
// never holds a name that only the registry has, and what a registry sees is
// what was authorised.
func TestNamesStayInside(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 6))
	renamed, refused, mounted := 0, 0, 0
	for worlds := 0; worlds < 200; {
		configs := someConfigs(r)
		for i := range configs {
			c := &configs[i]
			c.Repository, c.Strip, c.Add, c.Rename = long.Replace(c.Repository), long.Replace(c.Strip), long.Replace(c.Add), long.Replace(c.Rename)
		}
		if validate(configs, twoRegistries) != nil {
			continue
		}
		worlds++
		w := newWorld(t, r, configs)
		for range 60 {
			j := someJourney(r)
			want := w.judge(j)
			status, text := w.travel(t, j)
			w.check(t, j, want, status)
			switch {
			case want.registry == "":
				refused++
				continue
			case strings.Contains(want.line, "from="):
				mounted++
			}
			if told := gossiped(j, want, text); told != "" {
				t.Errorf("%+v\n%v\nthe client learns of %s from\n%s", configs, j, told, text)
				return
			}
			if !strings.Contains(want.line, " "+strings.SplitAfterN(j.target, "?", 2)[0]) {
				renamed++
			}
		}
		w.Close()
	}
	if renamed < 300 || refused < 300 || mounted < 20 {
		t.Errorf("%d requests were renamed, %d refused, %d mounted", renamed, refused, mounted)
	}
}

// check compares what the registries have seen with what they should see.
func (w *world) check(t *testing.T, j journey, want verdict, status int) {
	t.Helper()
	if want.status != 0 && status != want.status {
		t.Errorf("%+v: status %d, want %d", j, status, want.status)
	}
	for name, g := range w.both {
		g.mu.Lock()
		seen := g.seen
		g.seen = nil
		g.mu.Unlock()
		if name != want.registry {
			if len(seen) > 0 {
				t.Errorf("%+v: registry %s saw %s", j, name, seen[0].RequestURI)
			}
			continue
		}
		if len(seen) == 0 {
			t.Errorf("%+v: registry %s saw nothing", j, name)
			continue
		}
		if got := seen[0].Method + " " + seen[0].RequestURI; got != want.line {
			t.Errorf("%+v: registry %s saw %s, want %s", j, name, got, want.line)
		}
		if got := seen[0].Header.Get("Authorization"); got != want.token {
			t.Errorf("%+v: registry %s was shown %s, want %s", j, name, got, want.token)
		}
	}
}

// gossiped finds a name of the registry's in what the client sees, apart from
// the client's own.
func gossiped(j journey, v verdict, text string) string {
	asked, _ := oci.Parse(j.method, j.target)
	method, target, _ := strings.Cut(v.line, " ")
	sent, _ := oci.Parse(method, target)
	own := append(forms(asked.Repo), forms(asked.From)...)
	slices.SortFunc(own, func(a, b string) int { return len(b) - len(a) })
	for _, name := range own {
		text = strings.ReplaceAll(text, name, "-")
	}
	for _, name := range append(forms(sent.Repo), forms(sent.From)...) {
		if strings.Contains(text, name) {
			return name
		}
	}
	if strings.Contains(text, "inside.example") || strings.Contains(text, "X-Repository") {
		return "the registry's address"
	}
	return ""
}

// forms are how a name may be written.
func forms(name string) []string {
	if name == "" {
		return nil
	}
	return []string{name, strings.ReplaceAll(name, "/", "%2F"), strings.ReplaceAll(name, "/", `\/`)}
}
