package oci

import (
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	v2 "github.com/distribution/distribution/v3/registry/api/v2"
	"github.com/gorilla/mux"
)

// words are what random targets are made of: the vocabulary of the API, names
// good and bad, and every trick of the hostile corpus (protocol.md 3.5).
var words = []string{
	"v2", "V2", "manifests", "blobs", "uploads", "tags", "list", "referrers", "_catalog",
	"a", "b", "pub", "secret", "a-b", "a__b", "a___b", "a..b", "x.y", "SECRET", "Foo.COM:5000", "h:5000", "[::1]:80",
	"latest", "v1.0", ".x", "..", ".", "", "%2e%2e", "%2e", "%2f", "%2F", "..%2f", "%5c", "%00", "%0a", "%20", "%3A", "%3a", "%25", "%76%32", "manif%65sts",
	someDigest, strings.Replace(someDigest, ":", "%3A", 1), "sha256:zz", "sha256:" + strings.Repeat("A", 64), "md5:00",
	someUUID, "U", ";", "x;y", "ｓecret", "\\", "#f", "?n=1",
}

func randomTarget(rnd *rand.Rand) string {
	var b strings.Builder
	if rnd.IntN(20) > 0 {
		b.WriteString("/v2")
	}
	for range rnd.IntN(5) {
		b.WriteString("/" + words[rnd.IntN(len(words))])
	}
	switch rnd.IntN(8) { // mostly one of the forms that exist
	case 0:
		b.WriteString("/tags/list")
	case 1:
		b.WriteString("/manifests/" + words[rnd.IntN(len(words))])
	case 2:
		b.WriteString("/blobs/" + words[rnd.IntN(len(words))])
	case 3:
		b.WriteString("/blobs/uploads/")
	case 4:
		b.WriteString("/blobs/uploads/" + words[rnd.IntN(len(words))])
	case 5:
		b.WriteString("/referrers/" + someDigest)
	}
	if rnd.IntN(30) == 0 {
		b.WriteByte('/')
	}
	return b.String()
}

// A router is distribution's own, with handlers that say how it read a request.
type router struct {
	mux  *mux.Router
	seen string
}

func newRouter() *router {
	r := &router{mux: v2.Router()}
	for _, name := range []string{v2.RouteNameBase, v2.RouteNameManifest, v2.RouteNameTags, v2.RouteNameBlob,
		v2.RouteNameBlobUpload, v2.RouteNameBlobUploadChunk, v2.RouteNameCatalog} {
		r.mux.GetRoute(name).HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
			v := mux.Vars(req)
			r.seen = name + " " + v["name"] + " " + v["reference"] + v["digest"] + v["uuid"]
		})
	}
	return r
}

// read returns how distribution understands a target; "" if it serves nothing there.
func (r *router) read(method, target string) string {
	u, err := url.ParseRequestURI(target)
	if err != nil {
		return ""
	}
	r.seen = ""
	r.mux.ServeHTTP(httptest.NewRecorder(), &http.Request{Method: method, URL: u, RequestURI: target, Host: "gate.test", Header: http.Header{}})
	return r.seen
}

// asDistribution says what its router should make of a request of ours.
func asDistribution(r Request) string {
	name := map[endpoint]string{base: v2.RouteNameBase, manifest: v2.RouteNameManifest, tags: v2.RouteNameTags, blob: v2.RouteNameBlob,
		uploads: v2.RouteNameBlobUpload, upload: v2.RouteNameBlobUploadChunk, catalog: v2.RouteNameCatalog}[operations[r.Op].at]
	return name + " " + r.Repo + " " + r.Ref + r.Digest + r.Upload
}

// TestSameAsDistribution asks distribution's own router about every target
// that Parse accepts, as it was received and as it goes upstream: both must
// mean the route and the repository that the gate authorizes.
func TestSameAsDistribution(t *testing.T) {
	router := newRouter()
	rnd := rand.New(rand.NewPCG(1, 2))
	count := 0
	for range randomTargets {
		target := randomTarget(rnd)
		method := []string{"GET", "PUT", "POST", "PATCH", "DELETE"}[rnd.IntN(5)]
		req, err := Parse(method, target)
		if err != nil || operations[req.Op].at == referrers {
			continue // distribution has no referrers (protocol.md 2.5)
		}
		count++
		want := asDistribution(req)
		if got := router.read(method, req.Path()); got != want {
			t.Fatalf("%s %q goes upstream as %q, which is %q there, %q here", method, target, req.Path(), got, want)
		}
		if target == "/v2" || target == "/v2?n=1" {
			continue // distribution redirects it to /v2/
		}
		if got := router.read(method, target); got != want {
			t.Fatalf("%s %q is %q there, %q here", method, target, got, want)
		}
	}
	t.Logf("%d of %d random targets were accepted", count, randomTargets)
	if count < randomTargets/100 {
		t.Errorf("only %d of %d random targets were accepted: the test shows little", count, randomTargets)
	}
}

// TestSameFormAsDistribution does the same for queries: what a registry reads
// with FormValue is what the gate authorized.
func TestSameFormAsDistribution(t *testing.T) {
	keys := []string{"from", "mount", "%66rom", "digest", "_state", "origin", "From", "n"}
	values := []string{"pub/a", "secret/a", "secret%2Fa", "pub/a;x", "%zz", "", someDigest, "a%3D", "..%2Fx"}
	rnd := rand.New(rand.NewPCG(3, 4))
	count := 0
	for range randomTargets / 10 {
		var pairs []string
		for range rnd.IntN(5) {
			pairs = append(pairs, keys[rnd.IntN(len(keys))]+"="+values[rnd.IntN(len(values))])
		}
		target := "/v2/a/blobs/uploads/?" + strings.Join(pairs, "&")
		req, err := Parse("POST", target)
		if err != nil {
			continue
		}
		count++
		there := httptest.NewRequest("POST", req.Path()+"?"+req.RawQuery(), nil)
		if from, mount := there.FormValue("from"), there.FormValue("mount"); from != req.From || mount != req.Mount {
			t.Fatalf("%q mounts %q from %q there, %q from %q here", target, mount, from, req.Mount, req.From)
		}
	}
	if count < randomTargets/1000 {
		t.Errorf("only %d queries were accepted: the test shows little", count)
	}
}
