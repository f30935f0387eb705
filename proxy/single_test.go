package proxy

import (
	"maps"
	"net/http"
	"strings"
	"testing"
)

const (
	goodUpload = uploads + someUpload + "?_state=x"
	goodPage   = `</v2/team/app/tags/list?n=2>; rel="next"`
)

// Each test is an answer with one field, which a client must not see as it is.
var doubledTests = []struct {
	name       string
	call       string // method and path
	status     int
	field      string
	values     []string
	wantStatus int
}{
	{"two locations", "POST " + uploads, 202, "Location", []string{goodUpload, "https://evil.example/"}, 502},
	{"first location empty", "POST " + uploads, 202, "Location", []string{"", "https://evil.example/"}, 502},
	{"location twice the same", "POST " + uploads, 202, "Location", []string{goodUpload, goodUpload}, 502},
	{"empty location", "POST " + uploads, 202, "Location", []string{""}, 202},
	{"two storages", "GET " + blobs + someDigest, 307, "Location", []string{"https://s3.example/x", "https://evil.example/"}, 502},
	{"first storage empty", "GET " + blobs + someDigest, 307, "Location", []string{"", "https://evil.example/"}, 502},
	{"two pages", "GET /v2/team/app/tags/list", 200, "Link", []string{goodPage, `<https://evil.example/>; rel="next"`}, 502},
	{"first page empty", "GET /v2/team/app/tags/list", 200, "Link", []string{"", `<https://evil.example/>; rel="next"`}, 502},
	{"empty page", "GET /v2/team/app/referrers/" + someDigest, 200, "Link", []string{""}, 200},
	{"two types", "GET /v2/team/app/manifests/x", 200, "Content-Type", []string{ociManifest, "text/html"}, 502},
	{"two types of an error", "GET /v2/team/app/manifests/x", 404, "Content-Type", []string{"application/json", "text/html"}, 502},
	{"two tags of an entity", "GET " + blobs + someDigest, 200, "Etag", []string{`"x"`, `"y"`}, 502},
	{"two digests", "HEAD /v2/team/app/manifests/x", 200, "Docker-Content-Digest", []string{someDigest, "sha256:" + strings.Repeat("0", 64)}, 502},
	{"first digest empty", "GET /v2/team/app/manifests/x", 200, "Docker-Content-Digest", []string{"", someDigest}, 502},
	{"link beside a storage", "GET " + blobs + someDigest, 307, "Link", []string{`<https://evil.example/>; rel="next"`}, 307},
}

func TestDoubledFields(t *testing.T) {
	protocols(t, func(t *testing.T, http2 bool) {
		for _, tt := range doubledTests {
			t.Run(tt.name, func(t *testing.T) {
				g := newRig(t, func(w http.ResponseWriter, _ *http.Request) {
					h := http.Header{"Location": nil, "Content-Type": {"application/json"}}
					if tt.status == http.StatusTemporaryRedirect {
						h["Location"] = []string{"https://s3.example/x"}
					}
					h[tt.field] = tt.values
					maps.Copy(w.Header(), h)
					w.WriteHeader(tt.status)
				}, setup{http2: http2})
				method, path, _ := strings.Cut(tt.call, " ")
				res, body, _ := g.do(t, call{method: method, path: path, auth: bearer("ann", everything)})
				if res.StatusCode != tt.wantStatus {
					t.Errorf("status %d, want %d", res.StatusCode, tt.wantStatus)
				}
				if got := res.Header[tt.field]; tt.field != "Content-Type" && len(got) > 0 {
					t.Errorf("%s: %q reached the client", tt.field, got)
				}
				if tt.wantStatus == http.StatusBadGateway && method != http.MethodHead && body != badAnswer {
					t.Errorf("body %s, want %s", body, badAnswer)
				}
			})
		}
	})
}

var untypedTests = []struct {
	name     string
	call     call
	registry http.HandlerFunc
	wantType string
}{
	{"page", call{}, raw("HTTP/1.1 200 OK\nContent-Length: 8\n\n<script>"), "application/octet-stream"},
	{"empty type", call{}, raw("HTTP/1.1 200 OK\nContent-Type:\nContent-Length: 8\n\n<script>"), "application/octet-stream"},
	{"chunked page", call{}, raw("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n8\n<script>\n0\n\n"), "application/octet-stream"},
	{"page after a push", call{method: "PUT", path: "/v2/team/app/manifests/x"}, raw("HTTP/1.1 201 Created\nContent-Length: 8\n\n<script>"), "application/octet-stream"},
	{"no body", call{}, raw("HTTP/1.1 200 OK\nContent-Length: 0\n\n"), ""},
	{"size alone", call{method: "HEAD"}, raw("HTTP/1.1 200 OK\nContent-Length: 8\n\n"), ""},
	{"not modified", call{}, raw("HTTP/1.1 304 Not Modified\n\n"), ""},
	{"typed", call{}, status(200, "text/html", "<script>"), "text/html"},
	{"refused", call{path: "/v2/team/other/tags/list"}, status(200, "", ""), "application/json"},
	{"ping", call{path: "/v2/"}, status(200, "", ""), "application/json"},
	{"not in the API", call{path: "/v2/<script>"}, status(200, "", ""), "application/json"},
}

// TestNothingIsSniffed has registries that do not say what a body is.
func TestNothingIsSniffed(t *testing.T) {
	protocols(t, func(t *testing.T, http2 bool) {
		for _, tt := range untypedTests {
			t.Run(tt.name, func(t *testing.T) {
				g := newRig(t, tt.registry, setup{http2: http2})
				c := tt.call
				if c.path == "" {
					c.path = blobs + someDigest
				}
				c.auth = bearer("ann", everything)
				res, _, cut := g.do(t, c)
				if cut {
					t.Fatal("broken answer")
				}
				if got := res.Header.Get("Content-Type"); got != tt.wantType {
					t.Errorf("type %q, want %q", got, tt.wantType)
				}
				if got := res.Header.Get("X-Content-Type-Options"); got != "nosniff" {
					t.Errorf("X-Content-Type-Options: %q, want nosniff", got)
				}
			})
		}
	})
}
