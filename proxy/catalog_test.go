package proxy

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/regate/regate/internal/oci"
	"github.com/regate/regate/proxy/listing"
	"github.com/regate/regate/proxy/upstream"
)

// catalogOf is a registry with names, which pages as distribution does.
func catalogOf(names ...string) http.HandlerFunc {
	slices.SortFunc(names, listing.Compare)
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v2/_catalog" {
			http.NotFound(w, r)
			return
		}
		n, _ := strconv.Atoi(r.URL.Query().Get("n"))
		i, found := slices.BinarySearchFunc(names, r.URL.Query().Get("last"), listing.Compare)
		if found {
			i++
		}
		end := min(i+n, len(names))
		if end-i == n {
			w.Header().Set("Link", fmt.Sprintf(`</v2/_catalog?last=%s&n=%d>; rel="next"`, url.QueryEscape(names[end-1]), n))
		}
		_ = json.NewEncoder(w).Encode(map[string][]string{"repositories": names[i:end]})
	}
}

func serveCatalog(t testing.TB, names ...string) string {
	t.Helper()
	s := httptest.NewServer(catalogOf(names...))
	t.Cleanup(s.Close)
	return s.URL
}

// seers see what their names say: everything, nothing, or what begins with it.
type seers struct{}

func (seers) Visible(_ context.Context, shown oci.Shown, g oci.Grant, names []string) (seen []string, err error) {
	switch g.Subject {
	case "everything":
		return names, nil
	case "undecided":
		return nil, oci.Errorf(oci.Unavailable, "cannot check permissions now")
	case "outdated":
		return nil, &oci.Refusal{Reason: oci.InvalidToken, Msg: "token is not valid any more"}
	}
	for _, n := range names {
		if strings.HasPrefix(n, g.Subject) {
			seen = append(seen, n)
		}
	}
	return seen, nil
}

var nextLink = regexp.MustCompile(`^<https://[^/]+(/v2/_catalog\?[^>]+)>; rel="next"$`)

// pageThrough follows the links of the catalog from path on.
func (g *rig) pageThrough(t *testing.T, subject, path string) (names []string, pages int) {
	t.Helper()
	for path != "" {
		res, body, _ := g.do(t, call{path: path, auth: bearer(subject, "registry:catalog:*")})
		var got struct{ Repositories []string }
		if err := json.Unmarshal([]byte(body), &got); err != nil || res.StatusCode != 200 || got.Repositories == nil {
			t.Fatalf("%s: %d %s", path, res.StatusCode, body)
		}
		names = append(names, got.Repositories...)
		pages++
		path = ""
		if link := res.Header.Get("Link"); link != "" {
			m := nextLink.FindStringSubmatch(link)
			if m == nil {
				t.Fatalf("Link is %q", link)
			}
			path = m[1]
		}
	}
	return names, pages
}

func TestCatalogIsWhatOneMaySee(t *testing.T) {
	first := []string{"pub/a", "pub-b", "team/app", "team/web"}
	second := []string{"alpine", "library/busybox", "pub/a"}
	g := newRig(t, catalogOf(first...), setup{
		catalog: Catalog{Lister: seers{}},
		more: map[string]upstream.Config{
			"hub":       {Upstreams: []string{serveCatalog(t, second...)}},
			"elsewhere": {Upstreams: []string{serveCatalog(t, "other/x")}}, "third": {Upstreams: []string{serveCatalog(t, "team/web", "pushed/x")}},
		},
		routes: []RouteConfig{
			{Host: "elsewhere.test", Registry: "elsewhere"},
			{Repository: "hub/**", Strip: "hub/", Registry: "hub"},
			{Repository: "old/name", Rename: "team/app", Registry: "main"},
			{Repository: "team/app", Registry: "third"},
			{Repository: "**", Actions: []string{"pull"}, Registry: "main"},
			{Repository: "**", Registry: "third", Add: "pushed/"},
		},
	})
	for subject, want := range map[string]string{
		"everything": "hub/alpine hub/library/busybox hub/pub/a old/name pub/a pub-b team/web",
		"pub":        "pub/a pub-b",
		"hub/":       "hub/alpine hub/library/busybox hub/pub/a",
		"team/app":   "",
		"nobody":     "",
	} {
		for _, n := range []string{"", "?n=1", "?n=2", "?n=1000", "?n=100000"} {
			got, _ := g.pageThrough(t, subject, "/v2/_catalog"+n)
			if strings.Join(got, " ") != want {
				t.Errorf("%s sees %v in pages of %q, want %s", subject, got, n, want)
			}
		}
	}
	for _, r := range g.requests() {
		if r.URL.Path != "/v2/_catalog" || r.URL.Query().Get("n") != "1000" || r.Header.Get("Authorization") != "" {
			t.Errorf("the registry was asked for %s with %q", r.URL, r.Header)
		}
	}
	if n := len(g.requests()); n != 1 {
		t.Errorf("the registry was asked %d times", n)
	}
}

func TestCatalogHidesWhatIsBehindALongRun(t *testing.T) {
	names := []string{"a/first", "z/last"}
	for i := range 18_000 {
		names = append(names, fmt.Sprintf("hidden/r%05d", i))
	}
	g := newRig(t, catalogOf(names...), setup{catalog: Catalog{Lister: allBut("hidden/")}})
	path := "/v2/_catalog?n=1"
	var links []string
	for range 10 {
		res, body, _ := g.do(t, call{path: path, auth: bearer("dev", "registry:catalog:*")})
		if strings.Contains(body+res.Header.Get("Link"), "hidden") {
			t.Fatalf("%s shows a hidden name: %s %s", path, body, res.Header.Get("Link"))
		}
		m := nextLink.FindStringSubmatch(res.Header.Get("Link"))
		if m == nil {
			if !strings.Contains(body, "z/last") {
				t.Errorf("paging ends with %s", body)
			}
			break
		}
		path = m[1]
		links = append(links, path)
	}
	if len(links) < 3 {
		t.Fatalf("links were %v", links)
	}
	res, body, _ := g.do(t, call{path: links[len(links)-1], auth: bearer("eve", "registry:catalog:*")})
	if res.StatusCode != 400 || !strings.Contains(body, "PAGINATION_NUMBER_INVALID") {
		t.Errorf("a link of somebody else: %d %s", res.StatusCode, body)
	}
}

// allBut hides what begins with it.
type allBut string

func (a allBut) Visible(_ context.Context, _ oci.Shown, _ oci.Grant, names []string) (seen []string, _ error) {
	for _, n := range names {
		if !strings.HasPrefix(n, string(a)) {
			seen = append(seen, n)
		}
	}
	return seen, nil
}

var catalogRefusals = []struct {
	name, path, auth string
	wantStatus       int
	want             string
}{
	{"no token", "/v2/_catalog", "", 401, `scope="registry:catalog:*"`},
	{"a token for less", "/v2/_catalog", bearer("dev", "repository:a:pull"), 401, "insufficient_scope"},
	{"rules that cannot be asked", "/v2/_catalog", bearer("undecided", "registry:catalog:*"), 503, "cannot check permissions now"},
	{"a token that is outdated", "/v2/_catalog", bearer("outdated", "registry:catalog:*"), 401, `error="invalid_token"`},
	{"n is no number", "/v2/_catalog?n=x", bearer("everything", "registry:catalog:*"), 400, "PAGINATION_NUMBER_INVALID"},
	{"n is negative", "/v2/_catalog?n=-1", bearer("everything", "registry:catalog:*"), 400, "PAGINATION_NUMBER_INVALID"},
	{"a forged last", "/v2/_catalog?last=~AAAA", bearer("everything", "registry:catalog:*"), 400, "PAGINATION_NUMBER_INVALID"},
	{"a last that is no name", "/v2/_catalog?last=../../x", bearer("everything", "registry:catalog:*"), 400, "UNSUPPORTED"},
	{"a giant last", "/v2/_catalog?last=~" + strings.Repeat("A", 5000), bearer("everything", "registry:catalog:*"), 400, "UNSUPPORTED"},
	{"HEAD", "/v2/_catalog", bearer("everything", "registry:catalog:*"), 405, ""},
}

func TestCatalogRefuses(t *testing.T) {
	g := newRig(t, catalogOf("a"), setup{catalog: Catalog{Lister: seers{}}})
	for _, tt := range catalogRefusals {
		t.Run(tt.name, func(t *testing.T) {
			c := call{path: tt.path, auth: tt.auth}
			if tt.name == "HEAD" {
				c.method = http.MethodHead
			}
			res, body, _ := g.do(t, c)
			if res.StatusCode != tt.wantStatus || !strings.Contains(body+res.Header.Get("Www-Authenticate"), tt.want) {
				t.Errorf("%d %s %v, want %d %s", res.StatusCode, body, res.Header, tt.wantStatus, tt.want)
			}
		})
	}
}

// A listing that lacks a registry would be taken for all there is.
func TestCatalogOfARegistryThatIsDown(t *testing.T) {
	g := newRig(t, catalogOf("a"), setup{
		catalog: Catalog{Lister: seers{}},
		more:    map[string]upstream.Config{"down": {Upstreams: []string{"http://127.0.0.1:1"}}},
		routes:  []RouteConfig{{Repository: "down/**", Registry: "down"}, {Registry: "main"}},
	})
	res, body, _ := g.do(t, call{path: "/v2/_catalog", auth: bearer("everything", "registry:catalog:*")})
	if res.StatusCode != 503 || res.Header.Get("Retry-After") == "" || !strings.Contains(body, "cannot be listed") {
		t.Errorf("%d %s %v", res.StatusCode, body, res.Header)
	}
}

func TestCatalogSourceAnswers(t *testing.T) {
	for _, tt := range []struct {
		name       string
		registry   http.HandlerFunc
		wantStatus int
		wantBody   string
	}{
		{"no catalog", http.NotFound, 200, `{"repositories":[]}`},
		{"no page of a thousand", func(w http.ResponseWriter, r *http.Request) {
			switch q := r.URL.Query(); {
			case q.Has("n"):
				w.WriteHeader(http.StatusBadRequest)
			case q.Get("last") == "":
				w.Header().Set("Link", `</v2/_catalog?last=a&n=1>; rel="next"`)
				_, _ = w.Write([]byte(`{"repositories":["a"]}`))
			default:
				_, _ = w.Write([]byte(`{"repositories":["b"]}`))
			}
		}, 200, `{"repositories":["a","b"]}`},
		{"bad request", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadRequest) }, 503, ""},
		{"null", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"repositories":null}`)) }, 200, `{"repositories":[]}`},
		{"refusal", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) }, 503, ""},
		{"no JSON", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }, 503, ""},
		{"cut", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write([]byte(`{"repositories":["a"]}`))
		}, 503, ""},
		{"giant", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`{"repositories":["` + strings.Repeat("a", maxWhole) + `"]}`))
		}, 503, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := newRig(t, tt.registry, setup{catalog: Catalog{Lister: seers{}}})
			res, body, _ := g.do(t, call{path: "/v2/_catalog", auth: bearer("everything", "registry:catalog:*")})
			if res.StatusCode != tt.wantStatus || tt.wantBody != "" && body != tt.wantBody {
				t.Errorf("%d %s, want %d %s", res.StatusCode, body, tt.wantStatus, tt.wantBody)
			}
		})
	}
}

// randomRoutes makes routes to two registries that a configuration may have.
func randomRoutes() (routes []RouteConfig) {
	pick := func(all ...string) string { return all[rand.IntN(len(all))] }
	for range 1 + rand.IntN(4) {
		c := RouteConfig{Registry: pick("one", "two")}
		switch rand.IntN(4) {
		case 0:
			c.Repository = pick("a/**", "a/b/**", "b/**", "*/a", "a/*", "**")
		case 1:
			c.Strip = pick("a/", "b/", "a/b/")
			c.Repository = c.Strip + "**"
			c.Add = pick("", "c/", "a/c/")
		case 2:
			c.Add = pick("c/", "a/")
			c.Repository = pick("a/**", "**", "b/**")
		case 3:
			c.Repository, c.Rename = pick("a", "a/b", "c"), pick("b", "a/b/c", "c/a")
		}
		if rand.IntN(4) == 0 {
			c.Actions = []string{pick("pull", "push")}
		}
		routes = append(routes, c)
	}
	return routes
}

// TestCatalogIsWhatCanBePulled: for any routes, a name is in the catalog if and
// only if a pull by it would get to a repository that there is.
func TestCatalogIsWhatCanBePulled(t *testing.T) {
	var universe []string
	for _, a := range []string{"a", "b", "c"} {
		universe = append(universe, a)
		for _, b := range []string{"a", "b", "c"} {
			universe = append(universe, a+"/"+b)
			for _, c := range []string{"a", "b", "c"} {
				universe = append(universe, a+"/"+b+"/"+c, a+"/"+b+"/"+c+"/a")
			}
		}
	}
	pools := make(map[string]*upstream.Pool)
	has := make(map[string]map[string]bool)
	tried := 0
	for range 3000 {
		var err error
		sources := make(map[string][]string)
		for _, name := range []string{"one", "two"} {
			if pools[name] == nil {
				if pools[name], err = upstream.New(upstream.Config{Upstreams: []string{"http://" + name + ".test"}}, upstream.Options{}); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(pools[name].Close)
			}
			has[name] = make(map[string]bool)
			for _, repo := range universe {
				if rand.IntN(3) == 0 {
					has[name][repo] = true
					sources[name] = append(sources[name], repo)
				}
			}
		}
		routes := randomRoutes()
		table, err := NewTable(routes, pools)
		if err != nil {
			continue // two names of one repository, or a route that is never taken
		}
		tried++
		want := pullable(table, universe, has)
		got, err := listed(t.Context(), table, sources)
		if err != nil || !slices.Equal(got, want) {
			t.Fatalf("routes %+v\nlist %v (%v)\nwant %v", routes, got, err, want)
		}
	}
	if tried < 300 {
		t.Errorf("only %d tables were good", tried)
	}
}

func pullable(t *Table, universe []string, has map[string]map[string]bool) (names []string) {
	for _, public := range universe {
		r, err := t.Find("gate.test", oci.Request{Op: oci.GetManifest, Repo: public})
		if err == nil && has[r.Registry][r.rename.upstream(public)] {
			names = append(names, public)
		}
	}
	// A rename may make longer names than there are in the universe.
	slices.SortFunc(names, listing.Compare)
	return names
}

func listed(ctx context.Context, t *Table, sources map[string][]string) ([]string, error) {
	c := newCatalog(t, Catalog{})
	for name := range c.listings {
		c.listings[name] = listing.New(fixed(sources[name]), listing.Options{})
	}
	defer c.close()
	names, err := c.names(ctx, Match{host: "gate.test"})
	return slices.DeleteFunc(slices.Clone(names), func(n string) bool {
		return strings.Count(n, "/") > 3 || strings.Count(n, "/") == 3 && !strings.HasSuffix(n, "/a")
	}), err
}

// fixed is a listing of one page.
type fixed []string

func (f fixed) Page(context.Context, string) ([]string, bool, error) {
	return slices.Clone(f), false, nil
}
