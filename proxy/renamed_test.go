package proxy

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/regate/regate/proxy/upstream"
)

// renamedRoutes push to one registry what is pulled from another, and have
// other names for most.
var renamedRoutes = []RouteConfig{
	{Repository: "hub/**", Registry: "main", Strip: "hub/", Add: "cache/hub"},
	{Repository: "old/app", Registry: "main", Rename: "apps/new"},
	{Namespace: "docker.io", Registry: "main", Add: "cache/docker.io"},
	{Repository: "team/**", Actions: []string{"pull"}, Registry: "main", Add: "prod"},
	{Repository: "team/**", Registry: "other", Add: "staging"},
}

const mount = "?mount=" + someDigest + "&from="

var renamedTests = []struct {
	name          string
	call          call
	scope         string
	wantStatus    int
	wantBody      string
	wantChallenge string // its scope and what follows
	wantSeen      string // registry, method and target; "" for nothing
	wantToken     string // what it was shown
}{
	{"pull", call{path: "/v2/team/app/manifests/x"}, puller, 200, "it", "", "main GET /v2/prod/team/app/manifests/x", "prod/team/app:pull"},
	{"look before a push", call{method: "HEAD", path: blobs + someDigest}, pusher, 200, "", "", "main HEAD " + "/v2/prod/team/app/blobs/" + someDigest, "prod/team/app:pull"},
	{"push", call{method: "POST", path: uploads}, pusher, 200, "", "", "other POST /v2/staging/team/app/blobs/uploads/", "staging/team/app:pull,push"},
	{"delete", call{method: "DELETE", path: "/v2/team/app/manifests/x"}, "repository:team/app:delete", 200, "", "", "other DELETE /v2/staging/team/app/manifests/x", "staging/team/app:delete"},
	{"strip and add", call{path: "/v2/hub/library/alpine/manifests/x"}, "repository:hub/library/alpine:pull", 200, "it", "", "main GET /v2/cache/hub/library/alpine/manifests/x", "cache/hub/library/alpine:pull"},
	{"another name", call{method: "PUT", path: "/v2/old/app/manifests/x"}, "repository:old/app:pull,push", 200, "", "", "main PUT /v2/apps/new/manifests/x", "apps/new:pull,push"},
	{"the registry's name", call{path: "/v2/apps/new/manifests/x"}, "repository:apps/new:pull", 404, "NAME_UNKNOWN", "", "", ""},
	{"the registry's name in a token", call{path: "/v2/old/app/manifests/x"}, "repository:apps/new:pull", 401, "no rule allows this", `scope="repository:old/app:pull",error="insufficient_scope"`, "", ""},
	{"namespace", call{path: "/v2/library/alpine/manifests/x?ns=docker.io"}, "repository:docker.io/library/alpine:pull", 200, "it", "", "main GET /v2/cache/docker.io/library/alpine/manifests/x", "cache/docker.io/library/alpine:pull"},
	{"namespace, without the prefix in the token", call{path: "/v2/library/alpine/manifests/x?ns=docker.io"}, "repository:library/alpine:pull", 401, "no rule allows this", `service="clients/docker.io",scope="repository:library/alpine:pull",error="insufficient_scope"`, "", ""},
	{"namespace in the path", call{path: "/v2/docker.io/library/alpine/manifests/x"}, "repository:docker.io/library/alpine:pull", 200, "it", "", "main GET /v2/cache/docker.io/library/alpine/manifests/x", "cache/docker.io/library/alpine:pull"},
	{"namespace in the path, without it in the token", call{path: "/v2/docker.io/library/alpine/manifests/x"}, "repository:library/alpine:pull", 401, "no rule allows this", `service="clients",scope="repository:docker.io/library/alpine:pull",error="insufficient_scope"`, "", ""},
	{"namespace in both", call{path: "/v2/docker.io/library/alpine/manifests/x?ns=docker.io"}, "repository:docker.io/library/alpine:pull", 200, "it", "", "main GET /v2/cache/docker.io/library/alpine/manifests/x", "cache/docker.io/library/alpine:pull"},
	{"namespace alone in the path", call{path: "/v2/docker.io/manifests/x"}, "repository:docker.io:pull", 404, "no registry has", "", "", ""},
	{"mount within a namespace", call{method: "POST", path: "/v2/a/blobs/uploads/" + mount + "b&ns=docker.io"}, "repository:docker.io/a:pull,push repository:docker.io/b:pull", 200, "", "", "main POST /v2/cache/docker.io/a/blobs/uploads/?from=cache%2Fdocker.io%2Fb&mount=sha256%3A" + someDigest[7:], "cache/docker.io/a:pull,push repository:cache/docker.io/b:pull"},
	{"mount out of a namespace", call{method: "POST", path: "/v2/old/app/blobs/uploads/" + mount + "docker.io/b"}, "repository:old/app:pull,push repository:docker.io/b:pull", 200, "", "", "main POST /v2/apps/new/blobs/uploads/?from=cache%2Fdocker.io%2Fb&mount=sha256%3A" + someDigest[7:], "apps/new:pull,push repository:cache/docker.io/b:pull"},
	{"mount within a namespace of what may not be read", call{method: "POST", path: "/v2/a/blobs/uploads/" + mount + "b&ns=docker.io"}, "repository:docker.io/a:pull,push repository:b:pull", 200, "", "", "main POST /v2/cache/docker.io/a/blobs/uploads/", "cache/docker.io/a:pull,push"},
	{"name that is too long with the namespace", call{path: "/v2/" + longName + "/manifests/x?ns=docker.io"}, puller, 400, "NAME_INVALID", "", "", ""},
	{"unknown namespace", call{path: "/v2/team/app/manifests/x?ns=evil.example"}, puller, 404, "nothing of the registry evil.example is here", "", "", ""},
	{"mount within a registry", call{method: "POST", path: "/v2/old/app/blobs/uploads/" + mount + "hub/base"}, "repository:old/app:pull,push repository:hub/base:pull", 200, "", "", "main POST /v2/apps/new/blobs/uploads/?from=cache%2Fhub%2Fbase&mount=sha256%3A" + someDigest[7:], "apps/new:pull,push repository:cache/hub/base:pull"},
	{"mount of what is read there", call{method: "POST", path: "/v2/old/app/blobs/uploads/" + mount + "team/lib"}, "repository:old/app:pull,push repository:team/lib:pull", 200, "", "", "main POST /v2/apps/new/blobs/uploads/?from=prod%2Fteam%2Flib&mount=sha256%3A" + someDigest[7:], "apps/new:pull,push repository:prod/team/lib:pull"},
	{"mount of what is read elsewhere", call{method: "POST", path: uploads + mount + "team/lib"}, pusher + " repository:team/lib:pull", 200, "", "", "other POST /v2/staging/team/app/blobs/uploads/", "staging/team/app:pull,push"},
	{"mount by the registry's name", call{method: "POST", path: "/v2/old/app/blobs/uploads/" + mount + "cache/hub/base"}, "repository:old/app:pull,push repository:cache/hub/base:pull", 200, "", "", "main POST /v2/apps/new/blobs/uploads/", "apps/new:pull,push"},
	{"mount of what may not be read", call{method: "POST", path: "/v2/old/app/blobs/uploads/" + mount + "hub/base"}, "repository:old/app:pull,push", 200, "", "", "main POST /v2/apps/new/blobs/uploads/", "apps/new:pull,push"},
	{"mount from nowhere", call{method: "POST", path: "/v2/old/app/blobs/uploads/?mount=" + someDigest}, "repository:old/app:pull,push", 200, "", "", "main POST /v2/apps/new/blobs/uploads/", "apps/new:pull,push"},
	{"name that is too long there", call{path: "/v2/" + longName + "/manifests/x"}, "repository:" + longName + ":pull", 400, `{"errors":[{"code":"NAME_INVALID","message":"the name is too long for the registry: it has 256 characters there, and may have 255"}]}`, "", "", ""},
	{"mount of a name that is too long there", call{method: "POST", path: "/v2/old/app/blobs/uploads/" + mount + longName}, "repository:old/app:pull,push repository:" + longName + ":pull", 200, "", "", "main POST /v2/apps/new/blobs/uploads/", "apps/new:pull,push"},
}

// longName is as long as names can be, but for the five bytes that are added.
var longName = "team/" + strings.Repeat("x", 246)

// seenAll has what several registries have seen.
type seenAll struct {
	mu   sync.Mutex // guards seen
	seen []string
}

func (s *seenAll) registry(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/v2/") || r.URL.Path == "/v2/" {
			return // a probe
		}
		s.mu.Lock()
		s.seen = append(s.seen, name+" "+r.Method+" "+r.RequestURI+" "+r.Header.Get("Authorization"))
		s.mu.Unlock()
		w.Header().Set("Oci-Namespace", "inside.example")
		if r.Method != http.MethodDelete {
			_, _ = io.WriteString(w, "it")
		}
	}
}

func (s *seenAll) take() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := strings.Join(s.seen, "; ")
	s.seen = nil
	return text
}

func TestRenamedRoutes(t *testing.T) {
	s := new(seenAll)
	other := httptest.NewServer(s.registry("other"))
	t.Cleanup(other.Close)
	second := modeConfig(upstream.ModeToken)
	second.Upstreams = []string{other.URL}
	g := newRig(t, s.registry("main"), setup{config: modeConfig(upstream.ModeToken), routes: renamedRoutes, more: map[string]upstream.Config{"other": second}})
	for _, tt := range renamedTests {
		t.Run(tt.name, func(t *testing.T) {
			tt.call.auth = bearer("ann", tt.scope)
			res, body, _ := g.do(t, tt.call)
			if res.StatusCode != tt.wantStatus || !strings.Contains(body, tt.wantBody) {
				t.Errorf("answer %d %s, want %d %s", res.StatusCode, body, tt.wantStatus, tt.wantBody)
			}
			if got := res.Header.Get("Www-Authenticate"); !strings.Contains(got, tt.wantChallenge) {
				t.Errorf("challenge %q, want %q", got, tt.wantChallenge)
			}
			want := tt.wantSeen
			if want != "" {
				want += " Bearer gate/registry/ann|repository:" + tt.wantToken
			}
			if got := s.take(); got != want {
				t.Errorf("the registries saw %q\nwant %q", got, want)
			}
			ns := ""
			if strings.HasSuffix(tt.call.path, "ns=docker.io") {
				ns = "docker.io"
			}
			if got := res.Header.Get("Oci-Namespace"); got != ns {
				t.Errorf("OCI-Namespace is %q, want %q", got, ns)
			}
		})
	}
}

// TestForwardedTokenHasTheRegistrysName is for the registry that checks the
// tokens of clients: the client's own is for a name that it does not have.
func TestForwardedTokenHasTheRegistrysName(t *testing.T) {
	g := newRig(t, echo, setup{config: modeConfig(upstream.ModeForward), routes: renamedRoutes[:1]})
	g.do(t, call{path: "/v2/hub/app/manifests/x", auth: bearer("ann", "repository:hub/app:pull")})
	checkSeen(t, g, "GET /v2/cache/hub/app/manifests/x", "Bearer regate/clients/ann|repository:cache/hub/app:pull")
}

// TestLinksKeepTheNamespace has a client that names a registry follow a link.
func TestLinksKeepTheNamespace(t *testing.T) {
	g := newRig(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", r.URL.Path+someUpload+"?_state=x")
		w.WriteHeader(202)
	}, setup{routes: []RouteConfig{{Namespace: "docker.io", Registry: "main", Add: "hub"}}})
	const mirrored = "repository:docker.io/team/app:pull,push"
	res, _, _ := g.do(t, call{method: "POST", path: uploads + "?ns=docker.io", auth: bearer("ann", mirrored)})
	location := strings.TrimPrefix(res.Header.Get("Location"), g.URL)
	query, err := url.ParseQuery(location[strings.IndexByte(location, '?')+1:])
	if err != nil || !strings.HasPrefix(location, uploads+someUpload+"?_state=") || query.Get("_state") == "x" || query.Get("ns") != "docker.io" || query.Get("rg") == "" {
		t.Fatalf("location %s", location)
	}
	for _, path := range []string{location, location + "&ns=docker.io"} { // containerd adds its own
		g.forget()
		g.do(t, call{method: "PATCH", path: path, auth: bearer("ann", mirrored)})
		checkSeen(t, g, "PATCH /v2/hub"+strings.TrimPrefix(uploads, "/v2")+someUpload+"?_state=x", "")
	}
}
