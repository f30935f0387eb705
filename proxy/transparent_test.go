package proxy

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/inmemory"
	"github.com/sirupsen/logrus"
)

// newRegistry is distribution's own, without a network.
func newRegistry(t testing.TB, adjust func(*configuration.Configuration)) http.HandlerFunc {
	t.Helper()
	logrus.SetOutput(io.Discard)
	c := &configuration.Configuration{Storage: configuration.Storage{
		"inmemory": nil,
		"delete":   configuration.Parameters{"enabled": true},
	}}
	c.HTTP.Secret = "of the tests"
	c.Log.Level = "error"
	if adjust != nil {
		adjust(c)
	}
	return handlers.NewApp(t.Context(), c).ServeHTTP
}

func digestOf(content []byte) string {
	sum := sha256.Sum256(content)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// An origin is where a client finds a registry: the gate, or the registry itself.
type origin struct {
	t      *testing.T
	client *http.Client
	url    string
	auth   string
}

// send does what any client does, and returns the answer and where it points,
// without the origin and without what differs between two uploads.
func (o origin) send(method, target string, body io.Reader, header ...string) (*http.Response, []byte) {
	o.t.Helper()
	if !strings.HasPrefix(target, "http") {
		target = o.url + target
	}
	req, err := http.NewRequestWithContext(o.t.Context(), method, target, body)
	if err != nil {
		o.t.Fatal(err)
	}
	req.Header.Set("User-Agent", "session")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	if o.auth != "" {
		req.Header.Set("Authorization", o.auth)
	}
	res, err := o.client.Do(req)
	if err != nil {
		o.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		o.t.Fatal(err)
	}
	return res, text
}

// withDigest adds the digest to the Location of an upload.
func withDigest(t *testing.T, location, digest string) string {
	t.Helper()
	u, err := url.Parse(location)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("digest", digest)
	u.RawQuery = q.Encode()
	return u.String()
}

// visit is a push, a pull and some mistakes, as clients make them. It
// returns what a client sees.
func visit(o origin) []string {
	var log []string
	note := func(res *http.Response, body []byte) *http.Response {
		log = append(log, transcript(o, res, body))
		return res
	}
	layer := bytes.Repeat([]byte("layer "), 100_000)
	config := []byte(`{"architecture":"amd64","os":"linux"}`)
	const stream = "application/octet-stream"

	// As docker's graph driver: one chunked PATCH, and a commit without a body.
	note(o.send("HEAD", "/v2/team/app/blobs/"+digestOf(layer), nil))
	res := note(o.send("POST", uploads, nil))
	res = note(o.send("PATCH", res.Header.Get("Location"), io.MultiReader(bytes.NewReader(layer)), "Content-Type", stream))
	note(o.send("GET", res.Header.Get("Location"), nil))
	note(o.send("PUT", withDigest(o.t, res.Header.Get("Location"), digestOf(layer)), nil))

	// As containerd: one PUT.
	res = note(o.send("POST", uploads, nil))
	note(o.send("PUT", withDigest(o.t, res.Header.Get("Location"), digestOf(config)), bytes.NewReader(config), "Content-Type", stream))
	note(o.send("POST", "/v2/team/lib/blobs/uploads/?mount="+digestOf(config)+"&from=team/app", nil))

	manifest := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":%q,"size":%d},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":%q,"size":%d}]}`,
		ociManifest, digestOf(config), len(config), digestOf(layer), len(layer))
	for _, tag := range []string{"one", "three", "two"} {
		note(o.send("PUT", "/v2/team/app/manifests/"+tag, bytes.NewReader(manifest), "Content-Type", ociManifest))
	}
	for _, method := range []string{"HEAD", "GET"} {
		note(o.send(method, "/v2/team/app/manifests/one", nil, "Accept", ociManifest))
		note(o.send(method, "/v2/team/app/manifests/"+digestOf(manifest), nil, "Accept", ociManifest))
		note(o.send(method, "/v2/team/app/blobs/"+digestOf(layer), nil))
	}
	note(o.send("GET", "/v2/team/app/manifests/one", nil, "Accept", ociManifest, "If-None-Match", `"`+digestOf(manifest)+`"`))
	note(o.send("GET", "/v2/team/app/blobs/"+digestOf(layer), nil, "Range", "bytes=599000-"))
	note(o.send("GET", "/v2/team/app/blobs/"+digestOf(layer), nil, "Range", "bytes=900000-"))
	note(o.send("GET", "/v2/team/app/tags/list?n=2", nil))

	// Mistakes.
	note(o.send("GET", "/v2/team/app/manifests/absent", nil))
	note(o.send("GET", "/v2/team/app/referrers/"+digestOf(manifest), nil))
	note(o.send("PUT", "/v2/team/app/manifests/bad", strings.NewReader("{}"), "Content-Type", ociManifest))
	res = note(o.send("POST", uploads, nil))
	note(o.send("PUT", withDigest(o.t, res.Header.Get("Location"), digestOf(layer)), bytes.NewReader(config), "Content-Type", stream))
	res = note(o.send("POST", uploads, nil))
	note(o.send("DELETE", res.Header.Get("Location"), nil))
	note(o.send("GET", res.Header.Get("Location"), nil))
	note(o.send("DELETE", "/v2/team/app/manifests/"+digestOf(manifest), nil))
	note(o.send("DELETE", "/v2/team/app/blobs/"+digestOf(layer), nil))
	return log
}

var uploadID = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)

const ociManifest = "application/vnd.oci.image.manifest.v1+json"

// transcript is an answer as the client sees it, without its origin, the ids
// of uploads, and what the gate answers for.
func transcript(o origin, res *http.Response, body []byte) string {
	var b strings.Builder
	fmt.Fprintln(&b, res.Request.Method, res.Request.URL.Path, res.StatusCode, digestOf(body))
	if res.StatusCode >= 400 { // the gate knows how long an error is before it sends it
		res.Header.Del("Content-Length")
	}
	for _, name := range []string{"Accept-Ranges", "Content-Length", "Content-Range", "Content-Type", "Docker-Content-Digest", "Etag", "Link", "Location", "Range"} {
		for _, v := range res.Header.Values(name) {
			if name == "Location" || name == "Link" {
				v, _, _ = strings.Cut(strings.Replace(v, o.url, "", 1), "_state=")
			}
			fmt.Fprintln(&b, name+":", v)
		}
	}
	return uploadID.ReplaceAllString(b.String(), "UPLOAD")
}

// TestTransparent compares a visit through the gate with one without it: what
// the client gets and what the registry sees.
func TestTransparent(t *testing.T) {
	everything := bearer("ann", "registry:catalog:* repository:team/app:* repository:team/lib:*")
	protocols(t, func(t *testing.T, http2 bool) {
		through := newRig(t, newRegistry(t, nil), setup{http2: http2})
		direct := newRig(t, newRegistry(t, nil), setup{})

		got := visit(origin{t, through.Client(), through.URL, everything})
		want := visit(origin{t, direct.registry.Client(), direct.registry.URL, ""})
		for i := range want {
			if got[i] != want[i] && !knownDifference(got[i], want[i]) {
				t.Errorf("answer %d through the gate\n%s\nwithout it\n%s", i, got[i], want[i])
			}
		}
		compareSeen(t, through.requests(), direct.requests())
	})
}

// TestTransparentUnderOtherNames is the same for a registry that has all
// repositories in another place: no client could tell.
func TestTransparentUnderOtherNames(t *testing.T) {
	everything := bearer("ann", "repository:team/app:* repository:team/lib:*")
	for _, route := range []RouteConfig{
		{Registry: "main", Add: "prod/eu"},
		{Registry: "main", Repository: "team/**", Strip: "team/"},
		{Registry: "main", Repository: "team/**", Strip: "team/", Add: "x"},
	} {
		through := newRig(t, newRegistry(t, nil), setup{routes: []RouteConfig{route}})
		direct := newRig(t, newRegistry(t, nil), setup{})
		got := visit(origin{t, through.Client(), through.URL, everything})
		want := visit(origin{t, direct.registry.Client(), direct.registry.URL, ""})
		for i := range want {
			if got[i] != want[i] && !knownDifference(got[i], want[i]) {
				t.Errorf("%+v: answer %d through the gate\n%s\nwithout it\n%s", route, i, got[i], want[i])
			}
		}
		for _, r := range through.requests() { // with a name that is ours
			for _, name := range []string{"team/app", "team/lib"} {
				inside := route.rename().upstream(name)
				r.URL.Path = strings.Replace(r.URL.Path, "/v2/"+inside+"/", "/v2/"+name+"/", 1)
				r.URL.RawQuery = strings.Replace(r.URL.RawQuery, "from="+url.QueryEscape(inside)+"&", "from="+url.QueryEscape(name)+"&", 1)
			}
		}
		compareSeen(t, through.requests(), direct.requests())
	}
}

// knownDifference reports whether the gate put JSON in the place of text.
func knownDifference(got, want string) bool {
	return strings.Contains(want, "text/plain") && strings.Contains(got, "Content-Type: application/json")
}

func compareSeen(t *testing.T, got, want []*http.Request) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("the registry saw %d requests through the gate, %d without it", len(got), len(want))
	}
	for i := range want {
		g, w := seenText(got[i]), seenText(want[i])
		if g != w {
			t.Errorf("request %d through the gate\n%s\nwithout it\n%s", i, g, w)
		}
	}
}

// seenText is a request as the registry sees it, without the hop's own.
func seenText(r *http.Request) string {
	var b strings.Builder
	query := r.URL.Query()
	if query.Has("_state") {
		query.Set("_state", "STATE")
	}
	fmt.Fprintln(&b, r.Method, uploadID.ReplaceAllString(r.URL.Path, "UPLOAD"), query, r.ContentLength, r.TransferEncoding)
	for _, name := range []string{"Accept", "Accept-Encoding", "Content-Type", "If-None-Match", "Range", "User-Agent"} {
		fmt.Fprintln(&b, name, r.Header[name])
	}
	return b.String()
}
