package proxy

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/regate/regate/internal/oci"
	"github.com/regate/regate/proxy/upstream"
)

// Each test is an answer with a Location. GATE in want stands for the public
// origin; "" for an answer that is refused.
var locationTests = []struct {
	name     string
	call     string // method and path
	status   int
	location string
	want     string
}{
	{"as it should be", "POST " + uploads, 202, "https://GATE" + uploads + someUpload + "?_state=abc-_%3D", "https://GATE" + uploads + someUpload + "?_state=abc-_%3D"},
	{"http.host", "POST " + uploads, 202, "https://other.example" + uploads + someUpload + "?_state=x", "https://GATE" + uploads + someUpload + "?_state=x"},
	{"wrong scheme", "POST " + uploads, 202, "http://GATE" + uploads + someUpload + "?_state=x", "https://GATE" + uploads + someUpload + "?_state=x"},
	{"wrong port", "POST " + uploads, 202, "https://gate.example:5000" + uploads + someUpload, "https://GATE" + uploads + someUpload},
	{"two schemes", "POST " + uploads, 202, "https,http://GATE" + uploads + someUpload, ""},
	{"relativeurls", "POST " + uploads, 202, uploads + someUpload + "?_state=x", "https://GATE" + uploads + someUpload + "?_state=x"},
	{"no scheme", "POST " + uploads, 202, "//10.0.0.7:5000" + uploads + someUpload, "https://GATE" + uploads + someUpload},
	{"relative to the request", "POST " + uploads, 202, someUpload, "https://GATE" + uploads + someUpload},
	{"http.prefix", "POST " + uploads, 202, "http://x/some/prefix" + uploads + someUpload, "https://GATE" + uploads + someUpload},
	{"prefix like ours", "POST " + uploads, 202, "http://x/v2" + uploads + someUpload, "https://GATE" + uploads + someUpload},
	{"blob after a commit", "PUT " + uploads + someUpload + "?digest=" + someDigest, 201, "http://x" + blobs + someDigest, "https://GATE" + blobs + someDigest},
	{"manifest", "PUT /v2/team/app/manifests/one", 201, "http://x/v2/team/app/manifests/" + someDigest, "https://GATE/v2/team/app/manifests/" + someDigest},
	{"status", "GET " + uploads + someUpload, 204, uploads + someUpload + "?_state=y", "https://GATE" + uploads + someUpload + "?_state=y"},
	{"beside an error", "PATCH " + uploads + someUpload, 416, "http://x" + uploads + someUpload + "?_state=y", "https://GATE" + uploads + someUpload + "?_state=y"},
	{"unknown parameters", "POST " + uploads, 202, uploads + someUpload + "?_state=x&from=a&next=https://evil.example", "https://GATE" + uploads + someUpload + "?_state=x"},
	{"another repository", "POST " + uploads, 202, "/v2/secret/app/blobs/uploads/" + someUpload, ""},
	{"another repository in between", "POST " + uploads, 202, "/v2/secret" + uploads + someUpload, "https://GATE" + uploads + someUpload},
	{"a longer name", "POST " + uploads, 202, "/v2/x/team/app/blobs/uploads/" + someUpload, ""},
	{"dots", "POST " + uploads, 202, "/v2/secret/../team/app/blobs/uploads/" + someUpload, "https://GATE" + uploads + someUpload},
	{"escaped dots", "POST " + uploads, 202, "/v2/team/app/%2e%2e/blobs/uploads/" + someUpload, ""},
	{"something else", "POST " + uploads, 202, "https://evil.example/login", ""},
	{"no address at all", "POST " + uploads, 202, "http://[::1", ""},
	{"script", "POST " + uploads, 202, "javascript:alert(1)", ""},
	{"tags", "POST " + uploads, 202, "/v2/team/app/tags/list", ""},
	{"storage", "GET " + blobs + someDigest, 307, "https://s3.example/x?sig=%2F", "https://s3.example/x?sig=%2F"},
	{"storage in the same network", "GET " + blobs + someDigest, 307, "http://minio:9000/x?sig=a,b", "http://minio:9000/x?sig=a,b"},
	{"storage with a password", "GET " + blobs + someDigest, 307, "https://ann:hunter2@s3.example/x", ""},
	{"storage that looks like the gate", "GET " + blobs + someDigest, 307, "https://GATE@s3.example/x", ""},
	{"storage twice", "GET " + blobs + someDigest, 307, "https://s3.example/x, https://evil.example/x", ""},
	{"storage nowhere", "GET " + blobs + someDigest, 307, "", ""},
	{"storage at the registry", "GET " + blobs + someDigest, 307, "http://REGISTRY/x", ""},
	{"storage at the gate", "GET " + blobs + someDigest, 307, "https://GATE/x", ""},
	{"storage without a host", "GET " + blobs + someDigest, 307, "/x", ""},
	{"storage in a file", "GET " + blobs + someDigest, 307, "file://x/etc/passwd", ""},
}

func TestLocation(t *testing.T) {
	location, code := "", 0
	g := newRig(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", location)
		w.WriteHeader(code)
	}, setup{})
	names := strings.NewReplacer("GATE", g.host(), "REGISTRY", strings.TrimPrefix(g.registry.URL, "http://"))
	for _, tt := range locationTests {
		t.Run(tt.name, func(t *testing.T) {
			location, code = names.Replace(tt.location), tt.status
			method, path, _ := strings.Cut(tt.call, " ")
			res, _, _ := g.do(t, call{method: method, path: path, auth: bearer("ann", everything)})
			wantStatus := tt.status
			if tt.want == "" {
				wantStatus = 502
			}
			if got := withoutTicket(res.Header.Get("Location")); res.StatusCode != wantStatus || got != names.Replace(tt.want) {
				t.Errorf("%d %q, want %d %q", res.StatusCode, got, wantStatus, tt.want)
			}
		})
	}
}

var linkTests = []struct{ path, link, want string }{
	{"/v2/team/app/tags/list", `</v2/team/app/tags/list?n=2&last=v1.0>; rel="next"`, `<https://GATE/v2/team/app/tags/list?last=v1.0&n=2>; rel="next"`},
	{"/v2/team/app/tags/list", `</v2/secret/app/tags/list?n=2>; rel="next"`, ""},
	{"/v2/team/app/tags/list", `</v2/_catalog?n=2>; rel="next"`, ""},
	{"/v2/team/app/tags/list", `nonsense`, ""},
	{"/v2/team/app/tags/list", `</v2/team/app/tags/list?n=2>; rel="next", <https://evil.example/>; rel="next"`, ""},
	{"/v2/team/app/tags/list", `</v2/team/app/tags/list?n=2>;rel=next`, `<https://GATE/v2/team/app/tags/list?n=2>; rel="next"`},
	{"/v2/team/app/referrers/" + someDigest, `</v2/team/app/referrers/` + someDigest + `?artifactType=a%2Fb&last=x>; rel="next"`, `<https://GATE/v2/team/app/referrers/` + someDigest + `?artifactType=a%2Fb&last=x>; rel="next"`},
}

func TestLink(t *testing.T) {
	link := ""
	g := newRig(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Link", link) }, setup{})
	for _, tt := range linkTests {
		link = tt.link
		res, _, _ := g.do(t, call{path: tt.path, auth: bearer("ann", everything+" registry:catalog:*")})
		want := strings.Replace(tt.want, "GATE", g.host(), 1)
		if got := res.Header.Get("Link"); got != want || res.StatusCode == 200 != (want != "") {
			t.Errorf("%s: %d %q, want %q", tt.link, res.StatusCode, got, want)
		}
	}
}

// TestQueryIsNotLogged has links that are refused. What the query of one lets
// its bearer do is not for readers of a log.
func TestQueryIsNotLogged(t *testing.T) {
	var answer http.HandlerFunc
	g := newRig(t, func(w http.ResponseWriter, r *http.Request) { answer(w, r) }, setup{})
	const query = "?sig=hunter2"
	for _, tt := range []struct {
		name       string
		call       string
		answer     http.HandlerFunc
		wantLogged string
	}{
		{"moved", "GET " + blobs + someDigest, status(302, "", "", "Location", "https://s3.example/b"+query), "https://s3.example/b?…"},
		{"manifest elsewhere", "GET /v2/team/app/manifests/x", status(307, "", "", "Location", "https://s3.example/b"+query), "https://s3.example/b?…"},
		{"storage at the gate", "GET " + blobs + someDigest, status(307, "", "", "Location", g.URL+"/x"+query), "leads back"},
		{"storage at no URL", "GET " + blobs + someDigest, status(307, "", "", "Location", "https://[::1/b"+query), errNoURL.Error()},
		{"upload elsewhere", "POST " + uploads, status(202, "", "", "Location", "/v2/x/blobs/uploads/y"+query), "/v2/x/blobs/uploads/y?…"},
		{"upload at no URL", "POST " + uploads, status(202, "", "", "Location", "http://[::1/b"+query), errNoURL.Error()},
		{"page elsewhere", "GET /v2/team/app/tags/list", status(200, "", "", "Link", "</v2/x/tags/list"+query+`>; rel="next"`), "/v2/x/tags/list?…"},
		{"page at no URL", "GET /v2/team/app/tags/list", status(200, "", "", "Link", "<http://[::1/b"+query+`>; rel="next"`), errNoURL.Error()},
		{"fragment", "POST " + uploads, status(202, "", "", "Location", "/x#hunter2"), "/x?…"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g.forget()
			answer = tt.answer
			method, path, _ := strings.Cut(tt.call, " ")
			res, _, _ := g.do(t, call{method: method, path: path, auth: bearer("ann", everything)})
			if res.StatusCode != 502 {
				t.Errorf("status %d, want 502", res.StatusCode)
			}
			checkLine(t, g, "error", tt.wantLogged)
			if line := fmt.Sprint(g.line(t)); strings.Contains(line, "hunter2") {
				t.Errorf("logged %s", line)
			}
		})
	}
}

// FuzzPublic has a hostile registry: whatever it says, a client is led to the
// same repository behind the gate, or nowhere.
func FuzzPublic(f *testing.F) {
	for _, tt := range locationTests {
		f.Add(tt.location)
	}
	for _, tt := range linkTests {
		f.Add(tt.link)
	}
	for _, tt := range linkTests {
		f.Add(strings.ReplaceAll(tt.link, "team/app", "prod/team/app"))
	}
	answers := []*answer{listingOf(f, "team/app"), listingOf(f, "prod/team/app"), listingOf(f, "app")}
	f.Fuzz(func(t *testing.T, text string) {
		for _, a := range answers {
			if got, err := a.publicLocation(text); err == nil {
				checkPublic(t, text, got)
			}
			if got, err := a.publicLink(text); err == nil {
				got, _, _ = strings.Cut(strings.TrimPrefix(got, "<"), ">")
				checkPublic(t, text, got)
			}
		}
	})
}

// listingOf is the answer to a request for the tags of team/app, which the
// registry knows by the name inside.
func listingOf(t testing.TB, inside string) *answer {
	req, err := oci.Parse("GET", "/v2/team/app/tags/list")
	if err != nil {
		t.Fatal(err)
	}
	sent, err := req.Renamed(inside, "")
	if err != nil {
		t.Fatal(err)
	}
	return &answer{
		relay: &relay{
			exchange: exchange{req: req, sent: sent, route: Match{Route: new(Route)}, ep: new(upstream.Endpoint)},
			r:        &http.Request{Host: "gate.example"},
		},
		uploads: new(Uploads),
		res:     &http.Response{Request: &http.Request{URL: &url.URL{Scheme: "http", Host: "10.0.0.7:5000", Path: sent.Path()}}},
	}
}

func checkPublic(t *testing.T, text, got string) {
	t.Helper()
	path, ok := strings.CutPrefix(got, "https://gate.example")
	req, err := oci.Parse("GET", path)
	if !ok || err != nil || req.Repo != "team/app" {
		t.Errorf("%q became %q (%v)", text, got, err)
	}
	for i := range len(got) {
		if got[i] <= ' ' || got[i] >= 0x7f || strings.IndexByte(`"<>\`, got[i]) >= 0 {
			t.Errorf("%q became %q", text, got)
		}
	}
}
