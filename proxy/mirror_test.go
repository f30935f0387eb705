package proxy

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/regate/regate/proxy/upstream"
	"github.com/regate/regate/proxy/upstream/storage"
)

// far is a registry of somebody else that wants a token of its own server.
func far(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == "/token":
		_ = json.NewEncoder(w).Encode(map[string]string{"token": "for-" + r.URL.Query().Get("scope")})
	case r.Header.Get("Authorization") == "":
		w.Header().Set("Www-Authenticate", `Bearer realm="http://`+r.Host+`/token",service="far"`)
		w.WriteHeader(http.StatusUnauthorized)
	case strings.HasPrefix(r.URL.Path, "/v2/library/"):
		w.Header().Set("Docker-Content-Digest", someDigest)
		fmt.Fprint(w, "{}")
	default:
		w.Header().Set("Www-Authenticate", `Bearer realm="http://`+r.Host+`/token",service="far",error="insufficient_scope"`)
		w.WriteHeader(http.StatusUnauthorized)
	}
}

// ofFar makes the rig's registry a mirror, of whose names everything is known
// to the tests' rules by the same.
func ofFar(g func(http.ResponseWriter, *http.Request), t *testing.T) *rig {
	t.Helper()
	registry := httptest.NewServer(http.HandlerFunc(g))
	t.Cleanup(registry.Close)
	return newRig(t, g, setup{config: upstream.Config{
		Kind: upstream.KindMirror, NS: "far.example", Upstreams: []string{registry.URL},
		Redirects: storage.Config{Hosts: []string{registry.URL}},
	}})
}

const farScope = "repository:far.example/library/alpine:pull,push,delete repository:far.example/other/app:pull registry:catalog:*"

// TestMirrorIsReadOnly: nothing that would change the registry goes out, not even
// a question for a token.
func TestMirrorIsReadOnly(t *testing.T) {
	var asked atomic.Int32
	g := ofFar(func(w http.ResponseWriter, r *http.Request) { asked.Add(1); far(w, r) }, t)
	const repo = "/v2/far.example/library/alpine/"
	for _, tt := range []struct {
		method, path string
		status       int
	}{
		{"PUT", repo + "manifests/1", 405},
		{"DELETE", repo + "manifests/1", 405},
		{"DELETE", repo + "blobs/" + someDigest, 405},
		{"POST", repo + "blobs/uploads/", 405},
		{"POST", repo + "blobs/uploads/?mount=" + someDigest + "&from=other/app", 405},
		{"PATCH", repo + "blobs/uploads/" + someUpload, 405},
		{"PUT", repo + "blobs/uploads/" + someUpload + "?digest=" + someDigest, 405},
		{"GET", repo + "blobs/uploads/" + someUpload, 405},
		{"DELETE", repo + "blobs/uploads/" + someUpload, 405},
	} {
		res, body, _ := g.do(t, call{method: tt.method, path: tt.path, auth: bearer("dev", farScope), bare: true})
		if res.StatusCode != tt.status || !strings.Contains(body, `"UNSUPPORTED"`) {
			t.Errorf("%s %s: %d %s", tt.method, tt.path, res.StatusCode, body)
		}
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("the registry was asked %d times", n)
	}
}

var mirrorTests = []struct {
	name, path string
	status     int
	body       string // a part of it
}{
	{"manifest", "/v2/far.example/library/alpine/manifests/latest", 200, "{}"},
	{"blob", "/v2/far.example/library/alpine/blobs/" + someDigest, 200, "{}"},
	{"none of ours", "/v2/far.example/other/app/manifests/latest", 404, `"NAME_UNKNOWN","message":"far.example has no such repository, or does not let this gate see it"`},
	{"referrers of none of ours", "/v2/far.example/other/app/referrers/" + someDigest, 404, `"UNSUPPORTED"`},
}

// TestMirrorAsks: the registry sees a token for its own name of the repository,
// and nothing of the client; the client sees no challenge but the gate's.
func TestMirrorAsks(t *testing.T) {
	var seen []*http.Request
	g := ofFar(func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.Clone(r.Context())) // one after the other
		far(w, r)
	}, t)
	for _, tt := range mirrorTests {
		t.Run(tt.name, func(t *testing.T) {
			seen = nil
			header := http.Header{"Cookie": {"a=b"}, "X-Forwarded-For": {"192.0.2.1"}, "Traceparent": {"00-1"}, "Accept": {"a/b"}, "User-Agent": {"client/1"}}
			res, body, _ := g.do(t, call{path: tt.path, auth: bearer("dev", farScope), header: header})
			if res.StatusCode != tt.status || !strings.Contains(body, tt.body) || res.Header.Get("Www-Authenticate") != "" {
				t.Errorf("%d %s, %v", res.StatusCode, body, res.Header)
			}
			for _, r := range seen {
				checkStranger(t, r)
			}
		})
	}
}

// checkStranger looks at what a registry of somebody else has seen.
func checkStranger(t *testing.T, r *http.Request) {
	t.Helper()
	for name := range r.Header {
		switch name {
		case "Accept", "Accept-Encoding", "User-Agent":
		case "Authorization":
			if got := r.Header.Get(name); !strings.HasPrefix(got, "Bearer for-repository:") || strings.Contains(got, "far.example") {
				t.Errorf("%s shows %q", r.URL, got)
			}
		default:
			t.Errorf("%s shows %s: %q", r.URL, name, r.Header[name])
		}
	}
}

// TestMirrorOfMirrors: a registry that has another one behind it redirects for
// manifests, too, and says what they are.
func TestMirrorOfMirrors(t *testing.T) {
	g := ofFar(func(w http.ResponseWriter, r *http.Request) {
		if at, ok := strings.CutPrefix(r.URL.Path, "/v2/library/"); ok {
			http.Redirect(w, r, "/elsewhere/"+at, http.StatusTemporaryRedirect)
			return
		}
		if strings.HasSuffix(r.URL.Path, "/none") {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Type", "application/vnd.oci.image.index.v1+json")
		w.Header().Set("Docker-Content-Digest", someDigest)
		fmt.Fprintf(w, `{"accept":%q}`, r.Header.Get("Accept"))
	}, t)
	res, body, _ := g.do(t, call{path: "/v2/far.example/library/alpine/manifests/1", auth: bearer("dev", farScope), header: http.Header{"Accept": {"a/b"}}})
	if res.StatusCode != 200 || body != `{"accept":"a/b"}` || res.Header.Get("Docker-Content-Digest") != someDigest || res.Header.Get("Content-Type") != "application/vnd.oci.image.index.v1+json" {
		t.Errorf("%d %s, %v", res.StatusCode, body, res.Header)
	}
	res, body, _ = g.do(t, call{path: "/v2/far.example/library/alpine/manifests/none", auth: bearer("dev", farScope)})
	if res.StatusCode != http.StatusNotFound {
		t.Errorf("a tag that is not there: %d %s", res.StatusCode, body)
	}
}

// TestMirrorSendsAPage: people log in under the same origin, so what somebody else
// has written must not run there, where a browser can pull as nobody.
func TestMirrorSendsAPage(t *testing.T) {
	g := ofFar(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Content-Security-Policy", "script-src *")
		w.Header().Set("Set-Cookie", "a=b")
		fmt.Fprint(w, "<script>steal()</script>")
	}, t)
	for _, path := range []string{"manifests/1", "blobs/" + someDigest, "referrers/" + someDigest} {
		res, body, _ := g.do(t, call{path: "/v2/far.example/library/alpine/" + path, auth: bearer("dev", farScope)})
		if got := res.Header["Content-Security-Policy"]; len(got) != 1 || !strings.Contains(got[0], "sandbox") || !strings.Contains(got[0], "default-src 'none'") {
			t.Errorf("%s: %d %s, policy %q", path, res.StatusCode, body, got)
		}
		if res.Header["Set-Cookie"] != nil {
			t.Errorf("%s: cookie of the registry", path)
		}
	}
}

// TestMirrorIsDown: what clients read if the registry has no answer for them.
func TestMirrorIsDown(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer http.HandlerFunc
		status int
		body   string
		after  string
	}{
		{"429", answers(429, "Retry-After", "33"), 429, `"TOOMANYREQUESTS","message":"far.example lets this gate ask for nothing more for another 33 seconds`, "33"},
		{"503", answers(503), 503, `"UNAVAILABLE"`, ""},
		{"500", answers(500), 500, `"UNKNOWN"`, ""},
		{"404", answers(404), 404, `"UNSUPPORTED"`, ""},
		{"403", answers(403), 404, `"NAME_UNKNOWN"`, ""},
		{"foreign realm", answers(401, "Www-Authenticate", `Bearer realm="https://other.example/token"`), 502, `"far.example cannot be asked for tokens"`, ""},
		{"broken off", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, 504, `"UNAVAILABLE"`, ""},
		{"redirect inside", answers(307, "Location", "https://10.0.0.1/x"), 502, `"UNAVAILABLE"`, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := ofFar(tt.answer, t)
			res, body, _ := g.do(t, call{path: "/v2/far.example/library/alpine/blobs/" + someDigest, auth: bearer("dev", farScope)})
			if res.StatusCode != tt.status || !strings.Contains(body, tt.body) || res.Header.Get("Retry-After") != tt.after {
				t.Errorf("%d %s, %v", res.StatusCode, body, res.Header)
			}
		})
	}
}
