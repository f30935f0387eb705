package e2e

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/regate/regate/e2e/testbed"
)

// TestHostileRequestsOpenNothing sends the corpus of protocol.md 3.5 and the
// bypasses of 3.4 through the gate to live registries that trust it blindly
// (mode none), with a token good for pub/a alone. Whatever the answer, it holds
// nothing of secret/a, and the registry worked on no repository but the one
// that the token is for.
func TestHostileRequestsOpenNothing(t *testing.T) {
	t.Parallel()
	for _, v := range testbed.Versions {
		t.Run(string(v), func(t *testing.T) {
			t.Parallel()
			h := newHeist(t, v)
			for _, r := range h.requests() {
				h.attempt(t, r.method+" "+r.target, func() reply { return h.send(t, r, h.token) })
			}
			for _, target := range hostileTargets() {
				if !strings.HasPrefix(target, "//") { // which no :path of our client can begin with
					h.attempt(t, "HTTP/2 "+target, func() reply { return h.sendHTTP2(t, target, h.token) })
				}
			}
			stolen := h.send(t, raw{method: "HEAD", target: "/v2/pub/a/blobs/" + h.layer}, h.token)
			if stolen.status != 404 {
				t.Errorf("the layer of secret/a is in pub/a: HEAD = %d, want 404", stolen.status)
			}
		})
	}
}

// A heist is a site with something to steal.
type heist struct {
	*site
	token   string // pull and push of pub/a
	digest  string // of the manifest of secret/a
	layer   string // of its layer
	content string // of its manifest
}

func newHeist(t *testing.T, v testbed.Version) *heist {
	s := startSite(t, modes[0], v, engines{})
	s.seed(t, "pub/a")
	h := &heist{site: s, digest: s.seed(t, "secret/a")}
	admin := s.token(t, "admin", adminPassword, "repository:secret/a:pull")
	manifest := h.send(t, raw{"GET", "/v2/secret/a/manifests/" + h.digest, []string{"Accept: application/vnd.oci.image.manifest.v1+json"}, ""}, admin)
	if manifest.status != 200 {
		t.Fatalf("admin reads secret/a: %d %s", manifest.status, manifest.body)
	}
	h.content = manifest.body
	digests := regexp.MustCompile(`sha256:[0-9a-f]{64}`).FindAllString(manifest.body, -1)
	h.layer = digests[len(digests)-1]
	h.token = s.token(t, "dev", devPassword, "repository:pub/a:pull,push")
	return h
}

// attempt sends one request and looks at the answer and at what the registry did.
func (h *heist) attempt(t *testing.T, name string, send func() reply) {
	t.Helper()
	before := len(h.registry.Log())
	got := send()
	if strings.Contains(got.body, h.content) || strings.Contains(got.body, h.layer) {
		t.Errorf("%s: answered with secret/a: %d %s", name, got.status, got.body)
	}
	if slices.Contains(got.header.Values("Docker-Content-Digest"), h.digest) {
		t.Errorf("%s: told the digest of secret/a", name)
	}
	if text := fmt.Sprint(got.header, got.body); strings.Contains(text, "evil.test") {
		t.Errorf("%s: answered with a name that is not ours: %s", name, text)
	}
	if got.status >= 300 && got.status < 400 {
		t.Errorf("%s: redirected to %q", name, got.header.Get("Location"))
	}
	for _, repo := range repositories(h.registry.Log()[before:]) {
		if repo != "pub/a" {
			t.Errorf("%s: the registry worked on %q", name, repo)
		}
	}
	if got.status == http.StatusOK && got.body != "" {
		t.Errorf("%s: served: %s", name, got.body)
	}
	if got.status == http.StatusCreated {
		t.Errorf("%s: created something", name)
	}
}

// repositories lists what the registry says it worked on, in its log.
func repositories(log string) []string {
	var repos []string
	for _, m := range regexp.MustCompile(`vars\.name="?([^"\s]+)`).FindAllStringSubmatch(log, -1) {
		repos = append(repos, m[1])
	}
	return repos
}

func (h *heist) requests() []raw {
	var all []raw
	for _, target := range hostileTargets() {
		all = append(all, raw{method: "GET", target: target})
	}
	for _, method := range []string{"get", "OPTIONS", "TRACE", "PROPFIND", "POST", "PUT", "DELETE"} {
		all = append(all, raw{method: method, target: "/v2/secret/a/manifests/x"})
	}
	all = append(all,
		raw{method: "OPTIONS", target: "*"},
		raw{method: "CONNECT", target: h.gate.Host},
		raw{method: "GET", target: "http://evil.test/v2/secret/a/manifests/x"},
		raw{method: "GET", target: h.gate.URL + "/v2/secret/a/manifests/x"},
		raw{method: "DELETE", target: "/v2/secret/a/manifests/" + h.digest},
		raw{method: "GET", target: "/v2/secret/a/blobs/" + h.layer},
		raw{method: "GET", target: "/v2/pub/a/manifests/x?from=secret/a"},
	)
	all = append(all, h.mounts()...)
	return append(all, h.headers()...)
}

// mounts try to copy the layer of secret/a to pub/a (protocol.md 3.4).
func (h *heist) mounts() []raw {
	const uploads = "/v2/pub/a/blobs/uploads/"
	const form = "Content-Type: application/x-www-form-urlencoded"
	const multipart = "Content-Type: multipart/form-data; boundary=b"
	mount := "mount=" + h.layer
	var all []raw
	for _, query := range []string{
		"from=secret/a",
		"from=secret%2Fa",
		"%66rom=secret/a",
		"from=pub/a;x&from=secret/a",
		"from=%zz&from=secret/a",
		"from=pub/a&from=secret/a",
		"from=secret/a&from=pub/a",
		"from=pub/a%00&from=secret/a",
		"from=pub/../secret/a",
		"from=pub/a&mount=" + h.layer + "&from=secret/a",
		"from=",
		"From=secret/a",
		"",
		strings.Repeat("x=1&", 10001) + "from=secret/a",
	} {
		all = append(all, raw{method: "POST", target: uploads + "?" + mount + "&" + query})
	}
	part := func(name, value string) string {
		return "--b\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" + value + "\r\n"
	}
	parts := part("mount", h.layer) + part("from", "secret/a") + "--b--\r\n"
	return append(all,
		raw{"POST", uploads + "?" + mount + "&from=pub/a", []string{form}, "from=secret/a"},
		raw{"POST", uploads, []string{form}, mount + "&from=secret/a"},
		raw{"POST", uploads, []string{"content-type:APPLICATION/X-WWW-FORM-URLENCODED;charset=utf-8"}, mount + "&from=secret/a"},
		raw{"POST", uploads, []string{multipart}, parts},
		raw{"POST", uploads, []string{"Content-Type: text/plain", form}, mount + "&from=secret/a"},
		raw{"PUT", "/v2/pub/a/manifests/x", []string{form}, "from=secret/a"},
	)
}

// headers try to be somebody else, or to be read in two ways.
func (h *heist) headers() []raw {
	const secret = "/v2/secret/a/manifests/x"
	bearer := "Authorization: Bearer " + h.token
	var all []raw
	for _, header := range [][]string{
		{bearer, bearer},
		{"Authorization: Bearer  " + h.token},
		{"Authorization: bearer " + h.token},
		{"Authorization: Basic YWRtaW46eA=="},
		{"Authorization: Bearer eyJhbGciOiJub25lIn0.e30."},
		{"Authorization:"},
		{"Connection: Authorization"},
		{"Connection: X-Forwarded-Proto, Host"},
		{"Upgrade: h2c", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA", "Connection: Upgrade, HTTP2-Settings"},
		{"Host: evil.test"},
		{"Host: " + h.gate.Host, "Host: evil.test"},
		{"X-Forwarded-Host: evil.test"},
		{"Forwarded: host=evil.test;proto=http"},
		{"X-Forwarded-Proto: javascript"},
		{"X-Original-URL: /v2/pub/a/manifests/x", "X-Rewrite-URL: /v2/pub/a/manifests/x"},
		{"X-HTTP-Method-Override: DELETE"},
	} {
		all = append(all, raw{method: "GET", target: secret, header: header})
	}
	smuggled := "0\r\n\r\nGET " + secret + " HTTP/1.1\r\nHost: " + h.gate.Host + "\r\n\r\n"
	return append(all,
		raw{"POST", "/v2/pub/a/blobs/uploads/", []string{"Content-Length: 4", "Transfer-Encoding: chunked"}, smuggled},
		raw{"POST", "/v2/pub/a/blobs/uploads/", []string{"Transfer-Encoding: xchunked"}, smuggled},
		raw{"GET", "/v2/secret/a/manifests/x?access_token=" + h.token, []string{"Authorization: Bearer x"}, ""},
	)
}

// hostileTargets is the corpus of request targets.
func hostileTargets() []string {
	long := strings.Repeat("a", 256)
	return append(strings.Fields(`
/v2/secret/a/manifests/x
/v2/pub/a/../../secret/a/manifests/x
/v2/pub/a/%2e%2e/%2e%2e/secret/a/manifests/x
/v2/pub/a/.%2e/.%2e/secret/a/manifests/x
/v2/pub/a/manifests/..%2f..%2f..%2fsecret%2fa%2fmanifests%2fx
/v2/pub/a/manifests/..%5c..%5csecret
/v2/pub%2f..%2fsecret/a/manifests/x
/v2/secret%2Fa/manifests/x
/v2/secret%2fa/manifests/x
/v2%2Fsecret%2Fa%2Fmanifests%2Fx
/%76%32/secret/a/manifests/x
/v2/%73ecret/a/manifests/x
/v2/%73ecret/a/manif%65sts/x
/v2/secret/a/manif%65sts/x
/v2/secret%252fa/manifests/x
//v2/secret/a/manifests/x
/v2//secret/a/manifests/x
/v2/secret//a/manifests/x
/./v2/secret/a/manifests/x
/x/../v2/secret/a/manifests/x
/v2/./secret/a/manifests/x
/V2/secret/a/manifests/x
/v2/pub/a/manifests/secret/manifests/x
/v2/pub/a/blobs/uploads/manifests/x
/v2/pub/a/tags/list/tags/list
/v2/pub/a/manifests/blobs/uploads/
/v2/manifests/blobs/uploads/
/v2/blobs/uploads/
/v2/tags/list
/v2/pub/a/blobs/uploads
/v2/pub/a/blobs/uploads/..
/v2/pub/a/blobs/uploads/%2e%2e/%2e%2e
/v2/pub/a/blobs/uploads/U/
/v2/pub/a/blobs/uploads/U/manifests/x
/v2/pub/a/manifests/x/
/v2/_catalog
/v2/_catalog/
/v2/_catalog/manifests/x
/v2/pub/_catalog
/v2/SECRET/a/manifests/x
/v2/Secret.io/a/tags/list
/v2/h:5000/a/tags/list
/v2/[::1]:5000/a/tags/list
/v2/pub/a/manifests/x%00
/v2/pub/a/manifests/x%0a
/v2/pub/a/manifests/x%0d%0aX:y
/v2/pub/a/manifests/x%20
/v2/pub/a/manifests/x;y
/v2/pub/a/manifests/x%3Fy
/v2/pub/a/manifests/x%23f
/v2/pub/a/manifests/x#f
/v2/pub\..\secret/a/manifests/x
/v2/pub/a;/../secret/a/manifests/x
/v2/pub/a/manifests/x%E2%80%8B
/v2/ｓecret/a/manifests/x
/v2/pub/a/manifests/sha256:zz
/v2/pub/a/blobs/md5:00
/v2/secret/a/tags/list
/v2/pub/a/tags/list?last=../../secret
/v2/pub/../secret/a/tags/list
/v2/secret/a/referrers/sha256:0000000000000000000000000000000000000000000000000000000000000000
`),
		"/v2/"+long+"/manifests/x",
		"/v2/pub/"+long[:251]+"/manifests/x",
		"/v2/pub/a/manifests/"+long[:129],
		"/v2/"+strings.Repeat("a/", 300)+"manifests/x",
		"/v2/pub/a/manifests/"+strings.Repeat(long, 33),
		"/v2/pub/a/blobs/sha256:"+strings.Repeat("A", 64),
	)
}
