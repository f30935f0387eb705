package proxy

import (
	"net/http"
	"strings"
	"testing"

	"github.com/regate/regate/proxy/upstream"
)

// judge is a registry that checks its clients itself.
func judge(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
	switch {
	case r.Header.Get("Authorization") == "":
		w.Header().Set("Www-Authenticate", `Bearer realm="https://`+r.Host+`/token",service="its own"`)
		status(401, "application/json", errUnauthorized)(w, r)
	case r.URL.Path == "/v2/":
		status(200, "application/json", "{}")(w, r)
	case r.Method == http.MethodPost:
		status(202, "", "", "Location", "http://inside:5000"+uploads+someUpload+"?_state=x")(w, r)
	case r.URL.Path == "/v2/team/app/tags/list":
		status(403, "text/html", "<h1>no</h1>")(w, r)
	default:
		status(200, "text/plain", "it")(w, r)
	}
}

var uncheckedTests = []struct {
	name          string
	call          call
	wantStatus    int
	wantBody      string
	wantSeen      string
	wantAuth      string
	wantChallenge bool
	wantLocation  string
}{
	{"ping without credentials", call{path: "/v2/"}, 401, errUnauthorized, "GET /v2/", "", true, ""},
	{"ping", call{path: "/v2/", auth: "Basic x"}, 200, "{}", "GET /v2/", "Basic x", false, ""},
	{"no credentials", call{path: blobs + someDigest}, 401, errUnauthorized, "GET " + blobs + someDigest, "", true, ""},
	{"blob", call{path: blobs + someDigest, auth: "Bearer y"}, 200, "it", "GET " + blobs + someDigest, "Bearer y", false, ""},
	{"mount", call{method: "POST", path: uploads + "?mount=" + someDigest + "&from=a/b", auth: "Bearer y"}, 202, "", "POST " + uploads + "?from=a%2Fb&mount=sha256%3A" + someDigest[7:], "Bearer y", false, "GATE" + uploads + someUpload + "?_state=x"},
	{"page", call{path: "/v2/team/app/tags/list", auth: "Bearer y"}, 403, `{"errors":[{"code":"DENIED","message":"the registry says: Forbidden"}]}`, "GET /v2/team/app/tags/list", "Bearer y", false, ""},
	{"hostile target", call{path: "/v2/team/../app/tags/list", auth: "Bearer y"}, 400, `{"errors":[{"code":"NAME_INVALID","message":"invalid repository name"}]}`, "", "", false, ""},
	{"form", call{method: "POST", path: uploads, auth: "Bearer y", header: http.Header{"Content-Type": {"multipart/form-data; boundary=b"}}, body: strings.NewReader("--b--")}, 415, `{"errors":[{"code":"UNSUPPORTED","message":"a registry takes no forms; send application/octet-stream"}]}`, "", "", false, ""},
}

var unchecked = upstream.Config{Auth: upstream.Trust{Mode: upstream.ModeForward, Check: &no}}

func TestUnchecked(t *testing.T) {
	g := newRig(t, judge, setup{config: unchecked})
	for _, tt := range uncheckedTests {
		t.Run(tt.name, func(t *testing.T) {
			g.forget()
			tt.call.header = withUpgrade(tt.call.header)
			res, body, _ := g.do(t, tt.call)
			if res.StatusCode != tt.wantStatus || body != tt.wantBody {
				t.Errorf("answer %d %s, want %d %s", res.StatusCode, body, tt.wantStatus, tt.wantBody)
			}
			checkSeen(t, g, tt.wantSeen, tt.wantAuth)
			challenge := ""
			if tt.wantChallenge { // of the registry, for the host that the client knows
				challenge = `Bearer realm="https://` + g.host() + `/token",service="its own"`
			}
			if got := res.Header.Get("Www-Authenticate"); got != challenge {
				t.Errorf("challenge %q, want %q", got, challenge)
			}
			if got, want := withoutTicket(res.Header.Get("Location")), strings.Replace(tt.wantLocation, "GATE", g.URL, 1); got != want {
				t.Errorf("location %q, want %q", got, want)
			}
			for _, r := range g.requests() {
				if r.Header.Get("Upgrade") != "" || r.Header.Get("Http2-Settings") != "" {
					t.Errorf("the registry saw %v", r.Header)
				}
			}
		})
	}
}

func withUpgrade(h http.Header) http.Header {
	if h = h.Clone(); h == nil {
		h = http.Header{}
	}
	h.Set("Http2-Settings", "AAMAAABkAAQCAAAAAAIAAAAA")
	return h
}

// TestOpenRegistryIsClosed has a registry that nobody checks.
func TestOpenRegistryIsClosed(t *testing.T) {
	g := newRig(t, echo, setup{config: unchecked})
	g.forget() // the probe
	res, body, _ := g.do(t, call{path: blobs + someDigest})
	if want := `{"errors":[{"code":"UNAVAILABLE","message":"registry unavailable"}]}`; res.StatusCode != 503 || body != want || res.Header.Get("Retry-After") == "" {
		t.Errorf("answer %d %s", res.StatusCode, body)
	}
	if seen := g.requests(); len(seen) > 0 {
		t.Errorf("the registry saw %s", seen[0].RequestURI)
	}
	checkLine(t, g, "warn", "lets everybody in")
}
