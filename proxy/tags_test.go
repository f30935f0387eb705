package proxy

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/regate/regate/internal/oci"
)

// tagsAt is a registry that has tags, and lists them as one of the versions of
// distribution does (protocol.md 6).
func tagsAt(version string, tags ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		req, err := oci.Parse(r.Method, r.RequestURI)
		if err != nil || req.Op != oci.ListTags {
			return
		}
		w.Header().Set("Content-Type", "application/json")
		all := slices.Clone(tags)
		if version != "2.8" { // which gives all of them, as its storage has them
			all = distribution3(w, req, all)
		}
		if len(all) == 0 && version != "3.0" {
			all = nil // null
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"name": req.Repo, "tags": all})
	}
}

func distribution3(w http.ResponseWriter, req oci.Request, all []string) []string {
	slices.Sort(all)
	if last := req.Param("last"); last != "" {
		i, found := slices.BinarySearch(all, last)
		if found {
			i++
		}
		all = all[i:]
	}
	var n int
	if _, err := fmt.Sscan(req.Param("n"), &n); err == nil && n < len(all) {
		if all = all[:n]; n > 0 {
			w.Header().Set("Link", fmt.Sprintf(`<%s?last=%s&n=%d>; rel="next"`, req.Path(), all[n-1], n))
		}
	}
	return all
}

var someTags = []string{"v2", "latest", "V1", "a.b_c", "v10", "_x", "1"}

var tagsTests = []struct {
	query string
	want  string // tags
	link  string // query of the next page
}{
	{"", "1 V1 _x a.b_c latest v10 v2", ""},
	{"?n=3", "1 V1 _x", "last=_x&n=3"},
	{"?n=3&last=_x", "a.b_c latest v10", "last=v10&n=3"},
	{"?n=3&last=v10", "v2", ""},
	{"?n=7", "1 V1 _x a.b_c latest v10 v2", ""},
	{"?n=1000", "1 V1 _x a.b_c latest v10 v2", ""},
	{"?n=999999999999", "1 V1 _x a.b_c latest v10 v2", ""},
	{"?n=0", "", ""},
	{"?n=0&last=a", "", ""},
	{"?last=v2", "", ""},
	{"?last=v1", "v10 v2", ""},
	{"?last=zz", "", ""},
	{"?n=2&last=b", "latest v10", "last=v10&n=2"},
	{"?n=", "1 V1 _x a.b_c latest v10 v2", ""},
}

// TestTagsAreAlike asks registries that list tags in different ways.
func TestTagsAreAlike(t *testing.T) {
	for _, version := range []string{"2.8", "3.0", "3.1"} {
		g := newRig(t, tagsAt(version, someTags...), setup{routes: []RouteConfig{{Repository: "team/**", Registry: "main", Add: "prod"}}})
		for _, tt := range tagsTests {
			res, body, _ := g.do(t, call{path: "/v2/team/app/tags/list" + tt.query, auth: bearer("ann", puller)})
			want := `{"name":"team/app","tags":[]}` + "\n"
			if tt.want != "" {
				want = `{"name":"team/app","tags":["` + strings.ReplaceAll(tt.want, " ", `","`) + `"]}` + "\n"
			}
			link := ""
			if tt.link != "" {
				link = "<" + g.URL + "/v2/team/app/tags/list?" + tt.link + `>; rel="next"`
			}
			if res.StatusCode != 200 || body != want || res.Header.Get("Link") != link {
				t.Errorf("%s %s: %d %s link %s, want %s link %s", version, tt.query, res.StatusCode, body, res.Header.Get("Link"), want, link)
			}
		}
		empty := newRig(t, tagsAt(version), setup{})
		if _, body, _ := empty.do(t, call{path: "/v2/team/app/tags/list", auth: bearer("ann", puller)}); body != `{"name":"team/app","tags":[]}`+"\n" {
			t.Errorf("%s without tags: %s", version, body)
		}
	}
	g := newRig(t, tagsAt("2.8", someTags...), setup{})
	for _, n := range []string{"-1", "x", "99999999999999999999"} {
		res, body, _ := g.do(t, call{path: "/v2/team/app/tags/list?n=" + n, auth: bearer("ann", puller)})
		if res.StatusCode != 400 || !strings.Contains(body, "PAGINATION_NUMBER_INVALID") {
			t.Errorf("n=%s: %d %s", n, res.StatusCode, body)
		}
	}
}

// walk follows the links of a listing to its end.
func (g *rig) walk(t testing.TB, path string) (tags []string, pages int) {
	t.Helper()
	for path != "" {
		res, body, cut := g.do(t, call{path: path, auth: bearer("ann", puller)})
		var list struct{ Tags []string }
		if err := json.Unmarshal([]byte(body), &list); err != nil || cut || res.StatusCode != 200 {
			t.Fatalf("%s: %d %.200s %v", path, res.StatusCode, body, err)
		}
		tags = append(tags, list.Tags...)
		link, _, _ := strings.Cut(strings.TrimPrefix(res.Header.Get("Link"), "<"), ">")
		path = strings.TrimPrefix(link, g.URL)
		if pages++; pages > 1000 {
			t.Fatal("the pages do not end")
		}
	}
	return tags, pages
}

// TestPagesAreWhole walks through random lists in pages of random sizes.
func TestPagesAreWhole(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 7))
	for range 20 {
		tags := make([]string, r.IntN(200))
		for i := range tags {
			tags[i] = fmt.Sprintf("%c%d", "aBz_"[r.IntN(4)], r.IntN(1000))
		}
		want := slices.Compact(slices.Sorted(slices.Values(tags)))
		for _, version := range []string{"2.8", "3.1"} {
			g := newRig(t, tagsAt(version, want...), setup{})
			if version == "2.8" {
				g = newRig(t, tagsAt(version, tags...), setup{}) // some twice, too
			}
			n := 1 + r.IntN(20)
			got, pages := g.walk(t, fmt.Sprintf("/v2/team/app/tags/list?n=%d", n))
			if !slices.Equal(got, want) || pages > len(want)/n+1 {
				t.Errorf("%s in pages of %d: %d tags on %d pages, want %d", version, n, len(got), pages, len(want))
			}
			g.Close()
		}
	}
}

// TestManyTags has more of them than fit into one answer.
func TestManyTags(t *testing.T) {
	var want []string
	for i := range 150_000 {
		want = append(want, fmt.Sprintf("%s-%06d", strings.Repeat("x", 40), i))
	}
	shuffled := slices.Clone(want)
	rand.New(rand.NewPCG(1, 8)).Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	g := newRig(t, tagsAt("2.8", shuffled...), setup{})
	got, pages := g.walk(t, "/v2/team/app/tags/list")
	if !slices.Equal(got, want) || pages != 2 {
		t.Errorf("%d tags on %d pages, want %d on 2", len(got), pages, len(want))
	}
	if got, pages := g.walk(t, "/v2/team/app/tags/list?n=9223372036854775807"); !slices.Equal(got, want) || pages != 2 {
		t.Errorf("%d tags on %d pages, want %d on 2", len(got), pages, len(want))
	}
	got, pages = g.walk(t, "/v2/team/app/tags/list?n=60000")
	if !slices.Equal(got, want) || pages != 3 {
		t.Errorf("%d tags on %d pages, want %d on 3", len(got), pages, len(want))
	}
}

var strangeTags = []struct {
	name, media, body string
	renamed           bool
	status            int
	want              string
}{
	{"other keys", "application/json; charset=utf-8", `{"child":[{"tags":["no"]}],"tags":["b","a"],"name":"x","n":{}}`, false, 200, `{"name":"team/app","tags":["a","b"]}` + "\n"},
	{"no tags", "application/json", `{}`, false, 200, `{"name":"team/app","tags":[]}` + "\n"},
	{"tags that are none", "application/json", `{"tags":["ok","../x","a b","","` + strings.Repeat("x", 129) + `"]}`, false, 200, `{"name":"team/app","tags":["ok"]}` + "\n"},
	{"no list", "application/json", `{"tags":"a"}`, false, 502, ""},
	{"numbers", "application/json", `{"tags":[1]}`, false, 502, ""},
	{"no object", "application/json", `["a"]`, false, 502, ""},
	{"no JSON", "application/json", `hello`, false, 502, ""},
	{"half of it", "application/json", `{"tags":["a"`, false, 504, ""},
	{"endless", "application/json", `{"tags":["` + strings.Repeat(strings.Repeat("x", 100)+`","`, 400_000) + `"]}`, false, 502, ""},
	{"text", "text/plain", `prod/team/app`, false, 200, "prod/team/app"},
	{"text with another name", "text/plain", `prod/team/app`, true, 502, ""},
	{"compressed", "gzip", `{"name":"prod/team/app","tags":["b","a"]}`, true, 200, `{"name":"team/app","tags":["a","b"]}` + "\n"},
	{"compressed text", "text gzip", `prod/team/app`, false, 200, "prod/team/app"},
	{"not compressed", "no gzip", `{"tags":["b","a"]}`, true, 502, ""},
	{"not compressed, under its own name", "no gzip", `{"tags":["b","a"]}`, false, 502, ""},
	{"half of it, compressed", "half gzip", `{"tags":["b","a"]}`, false, 504, ""},
	{"another success", "203", `{"name":"prod/team/app","tags":["b","a"]}`, true, 203, `{"name":"team/app","tags":["a","b"]}` + "\n"},
}

func TestStrangeTags(t *testing.T) {
	for _, tt := range strangeTags {
		t.Run(tt.name, func(t *testing.T) {
			s := setup{}
			if tt.renamed {
				s.routes = []RouteConfig{{Registry: "main", Add: "prod"}}
			}
			g := newRig(t, func(w http.ResponseWriter, _ *http.Request) {
				body := []byte(tt.body)
				w.Header().Set("Content-Type", tt.media)
				if strings.HasSuffix(tt.media, "gzip") {
					w.Header().Set("Content-Type", "application/json")
					w.Header().Set("Content-Encoding", "gzip")
				}
				if tt.media == "text gzip" {
					w.Header().Set("Content-Type", "text/plain")
				}
				if tt.media == "203" {
					w.Header().Set("Content-Type", "application/json")
					w.WriteHeader(203)
				}
				if strings.HasSuffix(tt.media, "gzip") && tt.media != "no gzip" {
					var b bytes.Buffer
					z := gzip.NewWriter(&b)
					_, _ = io.WriteString(z, tt.body)
					_ = z.Close()
					body = b.Bytes()
					if tt.media == "half gzip" {
						body = body[:len(body)/2]
					}
				}
				_, _ = w.Write(body)
			}, s)
			res, body, _ := g.do(t, call{path: "/v2/team/app/tags/list", auth: bearer("ann", puller)})
			if res.StatusCode != tt.status || tt.status < 300 && body != tt.want {
				t.Errorf("%d %q, want %d %q", res.StatusCode, body, tt.status, tt.want)
			}
		})
	}
}

// BenchmarkTags lists a hundred thousand for a client that wants a thousand.
func BenchmarkTags(b *testing.B) {
	var text bytes.Buffer
	text.WriteString(`{"name":"team/app","tags":["x"`)
	for i := range 100_000 {
		fmt.Fprintf(&text, `,"v%d.%d.%d"`, i%7, i%101, i)
	}
	text.WriteString("]}")
	req, _ := oci.Parse("GET", "/v2/team/app/tags/list?n=1000")
	b.ReportAllocs()
	for b.Loop() {
		p := newPage(req, false)
		if err := p.read(bytes.NewReader(text.Bytes())); err != nil || !p.finish() || len(p.tags) != 1000 {
			b.Fatal(err, len(p.tags))
		}
	}
}
