package gate

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"slices"
	"strconv"
	"testing"

	"github.com/regate/regate/authsvc/acl"
	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/internal/edge"
	"github.com/regate/regate/internal/oci"
	"github.com/regate/regate/proxy"
	"github.com/regate/regate/proxy/upstream"
)

const (
	manyRepositories = 100_000
	manyRules        = 1_000
)

// BenchmarkCatalog is the first page of a catalog of 100,000 repositories for
// somebody who may see some of them by one of 1,000 rules: the last ones, for
// the worst. The listing is warm; what it takes in memory is reported too.
func BenchmarkCatalog(b *testing.B) {
	for _, bm := range []struct {
		name   string
		routes []proxy.RouteConfig
		mine   string
	}{
		{"first", nil, "team-00/*"},
		{"middle", nil, "team-50/*"},
		{"renamed", []proxy.RouteConfig{{Repository: "hub/**", Strip: "hub/", Registry: "main"}}, "hub/team-00/*"},
	} {
		b.Run(bm.name, func(b *testing.B) {
			g := bigCatalog(b, bm.routes, bm.mine)
			before := heap()
			g.page(b) // so that the listing is warm
			grown := float64(heap()-before) / (1 << 20)
			for b.Loop() {
				g.page(b)
			}
			b.ReportMetric(grown, "MiB/catalog")
		})
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// A bigGate answers for the catalog alone.
type bigGate struct {
	http.Handler
	rules *acl.List
}

func bigCatalog(b *testing.B, routes []proxy.RouteConfig, mine string) *bigGate {
	b.Helper()
	registry := httptest.NewServer(http.HandlerFunc(serveNames(manyNames())))
	b.Cleanup(registry.Close)
	pool, err := upstream.New(upstream.Config{Upstreams: []string{registry.URL}}, upstream.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(pool.Close)
	table, err := proxy.NewTable(routes, map[string]*upstream.Pool{"main": pool})
	if err != nil {
		b.Fatal(err)
	}
	g := &bigGate{rules: manyRulesAnd(b, mine)}
	gateway := proxy.New(table, g, proxy.Options{Catalog: proxy.Catalog{Lister: g}})
	b.Cleanup(gateway.Close)
	g.Handler = edge.Handler(gateway.Serve)
	return g
}

func manyNames() []string {
	names := make([]string, manyRepositories)
	for i := range names {
		names[i] = fmt.Sprintf("team-%02d/service-%04d", i%100, i/100)
	}
	slices.Sort(names) // which is distribution's order for names like these
	return names
}

func serveNames(names []string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.URL.Query().Get("n"))
		i, found := slices.BinarySearch(names, r.URL.Query().Get("last"))
		if found {
			i++
		}
		end := min(i+n, len(names))
		if end < len(names) {
			w.Header().Set("Link", fmt.Sprintf(`</v2/_catalog?last=%s&n=%d>; rel="next"`, url.QueryEscape(names[end-1]), n))
		}
		_ = json.NewEncoder(w).Encode(map[string][]string{"repositories": names[i:end]})
	}
}

// manyRulesAnd has the rule for mine last.
func manyRulesAnd(b *testing.B, mine string) *acl.List {
	b.Helper()
	me := "me"
	var rules acl.Config
	for i := range manyRules - 1 {
		other := fmt.Sprintf("*-%d/service-*", 1000+i)
		rules = append(rules, acl.Rule{Match: &acl.Match{Account: &me, Name: &other}, Actions: []string{"pull"}})
	}
	rules = append(rules, acl.Rule{Match: &acl.Match{Account: &me, Name: &mine}, Actions: []string{"pull"}})
	list, err := acl.Compile(rules)
	if err != nil {
		b.Fatal(err)
	}
	return list
}

// Authorize lets everybody in.
func (g *bigGate) Authorize(_ context.Context, _ oci.Shown, needs []oci.Access) (oci.Grant, error) {
	return oci.Grant{Subject: "me", Scope: oci.NewScope(needs...)}, nil
}

// Visible asks the rules, as the door does.
func (g *bigGate) Visible(ctx context.Context, _ oci.Shown, _ oci.Grant, names []string) (seen []string, err error) {
	who := acl.Ask{Identity: authn.Identity{Account: "me"}}
	for _, n := range names {
		who.Want = oci.Access{Type: oci.Repository, Name: n, Actions: oci.Pull}
		if granted, _, _ := g.rules.Decide(ctx, who); granted != 0 {
			seen = append(seen, n)
		}
	}
	return seen, nil
}

func (g *bigGate) page(b *testing.B) {
	w := httptest.NewRecorder()
	g.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/v2/_catalog", nil))
	if w.Code != 200 {
		b.Fatalf("%d %s", w.Code, w.Body)
	}
}
