package e2e

import (
	"bytes"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// A caller asks a registry, or a gate in front of it, what the conformance suite
// of the distribution-spec asks, and keeps the answers.
type caller struct {
	t      testing.TB
	client *http.Client
	origin string // without a slash at the end
	token  string // "" shows none

	step    string // what is being done
	answers []answer
}

// An answer is what a client sees of one.
type answer struct {
	step, call string
	status     int
	header     http.Header
	body       string
}

const (
	octets       = "application/octet-stream"
	ociIndex     = "application/vnd.oci.image.index.v1+json"
	ociConfig    = "application/vnd.oci.image.config.v1+json"
	ociLayer     = "application/vnd.oci.image.layer.v1.tar"
	ociEmpty     = "application/vnd.oci.empty.v1+json"
	absentDigest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
)

// ask sends a request; fields are names and values of its header. The answer is
// for what follows from it.
func (c *caller) ask(method, target string, body []byte, fields ...string) *http.Response {
	c.t.Helper()
	if strings.HasPrefix(target, "/") {
		target = c.origin + target
	}
	var from io.Reader
	if body != nil {
		from = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(c.t.Context(), method, target, from)
	if err != nil {
		c.t.Fatal(err)
	}
	for i := 0; i < len(fields); i += 2 {
		req.Header.Add(fields[i], fields[i+1])
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	res, err := c.client.Do(req)
	if err != nil {
		c.t.Fatalf("%s: %s %s: %v", c.step, method, target, err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		text = append(text, " (broken off)"...)
	}
	c.answers = append(c.answers, answer{c.step, method + " " + c.plain(target), res.StatusCode, res.Header.Clone(), c.plain(string(text))})
	return res
}

// begin begins an upload and returns its URL.
func (c *caller) begin(repo string) string {
	return c.ask("POST", "/v2/"+repo+"/blobs/uploads/", nil).Header.Get("Location")
}

// blob uploads content in one piece after the POST.
func (c *caller) blob(repo string, content []byte) (digest string) {
	digest = digestOf(content)
	c.ask("PUT", adding(c.begin(repo), "digest", digest), content, "Content-Type", octets)
	return digest
}

// manifest pushes one under a tag or its digest.
func (c *caller) manifest(repo, ref, media string, manifest map[string]any) (digest string, size int) {
	manifest["schemaVersion"], manifest["mediaType"] = 2, media
	text, err := json.Marshal(manifest)
	if err != nil {
		c.t.Fatal(err)
	}
	if ref == "" {
		ref = digestOf(text)
	}
	c.ask("PUT", "/v2/"+repo+"/manifests/"+ref, text, "Content-Type", media)
	return digestOf(text), len(text)
}

// adding adds a parameter to a URL.
func adding(location, key, value string) string {
	sep := "?"
	if strings.Contains(location, "?") {
		sep = "&"
	}
	return location + sep + url.Values{key: {value}}.Encode()
}

func descriptor(media, digest string, size int) map[string]any {
	return map[string]any{"mediaType": media, "digest": digest, "size": size}
}

// suite does all that the conformance suite does, in its order. Each step has
// repositories of its own.
func (c *caller) suite() {
	for _, s := range []struct {
		name string
		do   func()
	}{
		{"ping", c.ping}, {"monolithic", c.monolithic}, {"streamed", c.streamed}, {"chunked", c.chunked}, {"out of order", c.outOfOrder},
		{"cancelled", c.cancelled}, {"bad uploads", c.badUploads}, {"mounts", c.mounts}, {"blobs", c.blobs}, {"ranges", c.ranges},
		{"manifests", c.manifests}, {"bad manifests", c.badManifests}, {"indexes", c.indexes}, {"artifacts", c.artifacts},
		{"other algorithms", c.algorithms}, {"tags", c.tags}, {"deletes", c.deletes}, {"bad names", c.badNames},
	} {
		c.step = s.name
		s.do()
	}
}

func (c *caller) ping() {
	for _, method := range []string{"GET", "HEAD"} {
		c.ask(method, "/v2/", nil)
	}
}

func (c *caller) monolithic() {
	content := []byte("monolithic")
	c.ask("HEAD", "/v2/suite/mono/blobs/"+digestOf(content), nil)
	c.ask("GET", "/v2/suite/mono/blobs/"+digestOf(content), nil)
	digest := c.blob("suite/mono", content)
	c.ask("HEAD", "/v2/suite/mono/blobs/"+digest, nil)
	c.ask("GET", "/v2/suite/mono/blobs/"+digest, nil)
	c.blob("suite/mono", content) // again
	c.blob("suite/mono", []byte{})
	// In one POST, which a registry may answer with 202.
	c.ask("POST", "/v2/suite/mono/blobs/uploads/?digest="+digestOf([]byte("post")), []byte("post"), "Content-Type", octets)
}

func (c *caller) streamed() {
	content := noise(300 << 10)
	at := c.begin("suite/stream")
	res := c.ask("PATCH", at, content, "Content-Type", octets)
	res = c.ask("GET", res.Header.Get("Location"), nil)
	c.ask("PUT", adding(res.Header.Get("Location"), "digest", digestOf(content)), nil)
	c.ask("HEAD", "/v2/suite/stream/blobs/"+digestOf(content), nil)
	// The rest comes with the PUT.
	res = c.ask("PATCH", c.begin("suite/stream"), content[:1000], "Content-Type", octets)
	c.ask("PUT", adding(res.Header.Get("Location"), "digest", digestOf(content[:2000])), content[1000:2000], "Content-Type", octets)
}

func (c *caller) chunked() {
	content := noise(3000)
	at := c.begin("suite/chunk")
	for from := 0; from < len(content); from += 1000 {
		res := c.ask("PATCH", at, content[from:from+1000], "Content-Type", octets, "Content-Range", fmt.Sprintf("%d-%d", from, from+999))
		at = res.Header.Get("Location")
		c.ask("GET", at, nil)
	}
	c.ask("PUT", adding(at, "digest", digestOf(content)), nil)
	c.ask("GET", "/v2/suite/chunk/blobs/"+digestOf(content), nil)
}

func (c *caller) outOfOrder() {
	content := noise(2000)
	at := c.begin("suite/order")
	c.ask("PATCH", at, content[1000:], "Content-Type", octets, "Content-Range", "1000-1999")
	c.ask("GET", at, nil)
	at = c.begin("suite/order")
	res := c.ask("PATCH", at, content[:1000], "Content-Type", octets, "Content-Range", "0-999")
	c.ask("PATCH", at, content[:1000], "Content-Type", octets, "Content-Range", "0-999") // by the old URL
	c.ask("GET", res.Header.Get("Location"), nil)
}

func (c *caller) cancelled() {
	at := c.begin("suite/cancel")
	c.ask("DELETE", at, nil)
	c.ask("GET", at, nil)
	c.ask("DELETE", at, nil)
	c.ask("PUT", adding(at, "digest", digestOf([]byte("x"))), []byte("x"), "Content-Type", octets)
}

func (c *caller) badUploads() {
	content := []byte("bad uploads")
	c.ask("PUT", adding(c.begin("suite/bad"), "digest", absentDigest), content, "Content-Type", octets)
	c.ask("PUT", c.begin("suite/bad"), content, "Content-Type", octets) // without a digest
	for _, digest := range []string{"sha256:abc", "sha256:" + strings.Repeat("g", 64), "md5:d41d8cd98f00b204e9800998ecf8427e", "nothing", ""} {
		c.ask("PUT", adding(c.begin("suite/bad"), "digest", digest), content, "Content-Type", octets)
	}
	c.ask("PATCH", c.begin("suite/bad"), content, "Content-Type", "text/plain")
	c.ask("HEAD", "/v2/suite/bad/blobs/"+digestOf(content), nil)
}

func (c *caller) mounts() {
	digest := c.blob("suite/source", []byte("to be mounted"))
	c.ask("POST", "/v2/suite/target/blobs/uploads/?mount="+digest+"&from=suite/source", nil)
	c.ask("GET", "/v2/suite/target/blobs/"+digest, nil)
	c.ask("POST", "/v2/suite/target/blobs/uploads/?mount="+absentDigest+"&from=suite/source", nil)
	c.ask("POST", "/v2/suite/target/blobs/uploads/?mount="+digest+"&from=suite/nowhere", nil)
	c.ask("POST", "/v2/suite/other/blobs/uploads/?mount="+digest, nil)
	c.ask("HEAD", "/v2/suite/other/blobs/"+digest, nil)
	c.ask("POST", "/v2/suite/other/blobs/uploads/?mount=sha256:abc&from=suite/source", nil)
}

func (c *caller) blobs() {
	digest := c.blob("suite/blob", []byte("a blob"))
	c.ask("GET", "/v2/suite/blob/blobs/"+digest, nil, "If-None-Match", `"`+digest+`"`)
	c.ask("GET", "/v2/suite/blob/blobs/"+digest, nil, "If-None-Match", `"`+absentDigest+`"`)
	c.ask("GET", "/v2/suite/blob/blobs/"+absentDigest, nil)
	c.ask("HEAD", "/v2/suite/blob/blobs/"+absentDigest, nil)
	c.ask("GET", "/v2/suite/nowhere/blobs/"+digest, nil)
	c.ask("GET", "/v2/suite/blob/blobs/sha256:abc", nil)
	c.ask("GET", "/v2/suite/blob/blobs/"+strings.Replace(digest, ":", "%3A", 1), nil)
	c.ask("POST", "/v2/suite/blob/blobs/"+digest, nil)
}

func (c *caller) ranges() {
	digest := c.blob("suite/range", noise(10_000))
	for _, r := range []string{"bytes=0-499", "bytes=500-", "bytes=-500", "bytes=9999-", "bytes=10000-", "bytes=5000-20000", "bytes=500-0", "bytes=0-0", "bytes=0-9,100-109", "lines=1-2", "bytes="} {
		c.ask("GET", "/v2/suite/range/blobs/"+digest, nil, "Range", r)
	}
	c.ask("HEAD", "/v2/suite/range/blobs/"+digest, nil, "Range", "bytes=0-499")
	c.ask("GET", "/v2/suite/range/blobs/"+digest, nil, "Range", "bytes=0-499", "If-Range", `"`+digest+`"`)
	c.ask("GET", "/v2/suite/range/blobs/"+digest, nil, "Range", "bytes=0-499", "If-Range", `"another"`)
}

// image pushes one, and returns its manifest's digest and size.
func (c *caller) image(repo, ref, mark string) (digest string, size int) {
	config, layer := []byte(`{"architecture":"amd64","os":"linux","mark":"`+mark+`"}`), []byte("layer of "+mark)
	return c.manifest(repo, ref, ociManifest, map[string]any{
		"config": descriptor(ociConfig, c.blob(repo, config), len(config)),
		"layers": []any{descriptor(ociLayer, c.blob(repo, layer), len(layer))},
	})
}

func (c *caller) manifests() {
	digest, _ := c.image("suite/app", "v1", "one")
	c.image("suite/app", "", "one") // by its digest
	c.image("suite/app", "v1", "two")
	for _, ref := range []string{"v1", digest, "absent", absentDigest} {
		for _, method := range []string{"HEAD", "GET"} {
			c.ask(method, "/v2/suite/app/manifests/"+ref, nil, "Accept", ociManifest, "Accept", ociIndex)
			c.ask(method, "/v2/suite/app/manifests/"+ref, nil)
			c.ask(method, "/v2/suite/app/manifests/"+ref, nil, "Accept", "application/vnd.docker.distribution.manifest.v2+json")
		}
	}
	c.ask("GET", "/v2/suite/app/manifests/"+digest, nil, "Accept", ociManifest, "If-None-Match", `"`+digest+`"`)
	c.ask("GET", "/v2/suite/nowhere/manifests/v1", nil, "Accept", ociManifest)
	c.ask("POST", "/v2/suite/app/manifests/v1", []byte("{}"), "Content-Type", ociManifest)
}

func (c *caller) badManifests() {
	for _, tt := range []struct{ ref, media, text string }{
		{"bad", ociManifest, "{}"}, {"bad", ociManifest, "no JSON"}, {"bad", "", "{}"}, {"bad", "text/plain", "{}"}, {"bad", ociIndex, `{"schemaVersion":2,"manifests":[]}`},
		{absentDigest, ociManifest, `{"schemaVersion":2,"mediaType":"` + ociManifest + `","config":{},"layers":[]}`},
		{"sha256:abc", ociManifest, "{}"}, {strings.Repeat("t", 129), ociManifest, "{}"}, {".tag", ociManifest, "{}"},
		{"missing", ociManifest, `{"schemaVersion":2,"mediaType":"` + ociManifest + `","config":{"mediaType":"` + ociConfig + `","digest":"` + absentDigest + `","size":3},"layers":[]}`},
		{"large", ociManifest, strings.Repeat(" ", 4<<20+1)},
	} {
		fields := []string{"Content-Type", tt.media}
		if tt.media == "" {
			fields = nil
		}
		c.ask("PUT", "/v2/suite/app/manifests/"+tt.ref, []byte(tt.text), fields...)
	}
}

func (c *caller) indexes() {
	one, n := c.image("suite/index", "", "amd64")
	two, m := c.image("suite/index", "", "arm64")
	digest, size := c.manifest("suite/index", "all", ociIndex, map[string]any{"manifests": []any{descriptor(ociManifest, one, n), descriptor(ociManifest, two, m)}})
	c.manifest("suite/index", "nested", ociIndex, map[string]any{"manifests": []any{descriptor(ociIndex, digest, size)}, "annotations": map[string]string{"a": "b"}})
	c.manifest("suite/index", "sparse", ociIndex, map[string]any{"manifests": []any{descriptor(ociManifest, absentDigest, 7)}})
	for _, ref := range []string{"all", "nested", "sparse", digest, one} {
		c.ask("GET", "/v2/suite/index/manifests/"+ref, nil, "Accept", ociManifest, "Accept", ociIndex)
		c.ask("HEAD", "/v2/suite/index/manifests/"+ref, nil, "Accept", ociIndex)
		c.ask("GET", "/v2/suite/index/manifests/"+ref, nil, "Accept", ociManifest)
	}
}

// artifacts have subjects, which registries with referrers list.
func (c *caller) artifacts() {
	subject, size := c.image("suite/art", "signed", "signed")
	empty := c.blob("suite/art", []byte("{}"))
	for _, kind := range []string{"application/vnd.example.sbom", "application/vnd.example.signature"} {
		digest, _ := c.manifest("suite/art", "", ociManifest, map[string]any{
			"artifactType": kind, "config": descriptor(ociEmpty, empty, 2), "layers": []any{descriptor(ociEmpty, empty, 2)},
			"subject": descriptor(ociManifest, subject, size), "annotations": map[string]string{"kind": kind},
		})
		c.ask("GET", "/v2/suite/art/manifests/"+digest, nil, "Accept", ociManifest)
		c.manifest("suite/art", "", ociIndex, map[string]any{"artifactType": kind, "manifests": []any{}, "subject": descriptor(ociManifest, subject, size)})
		c.ask("GET", "/v2/suite/art/referrers/"+subject+"?artifactType="+url.QueryEscape(kind), nil)
	}
	c.manifest("suite/art", "", ociManifest, map[string]any{
		"artifactType": "application/vnd.example.lost", "config": descriptor(ociEmpty, empty, 2), "layers": []any{},
		"subject": descriptor(ociManifest, absentDigest, 7),
	})
	// The tag schema of those that have none (distribution-spec, "Referrers Tag Schema").
	c.manifest("suite/art", strings.Replace(subject, ":", "-", 1), ociIndex, map[string]any{"manifests": []any{}})
	c.ask("GET", "/v2/suite/art/manifests/"+strings.Replace(subject, ":", "-", 1), nil, "Accept", ociIndex)
	for _, digest := range []string{subject, absentDigest, "sha256:abc"} {
		c.ask("GET", "/v2/suite/art/referrers/"+digest, nil)
	}
}

// algorithms are those beside SHA-256.
func (c *caller) algorithms() {
	content := []byte("sha512")
	sum := sha512.Sum512(content)
	digest := "sha512:" + hex.EncodeToString(sum[:])
	c.ask("PUT", adding(c.begin("suite/sha"), "digest", digest), content, "Content-Type", octets)
	c.ask("POST", "/v2/suite/sha/blobs/uploads/?digest-algorithm=sha512", nil)
	for _, method := range []string{"HEAD", "GET"} {
		c.ask(method, "/v2/suite/sha/blobs/"+digest, nil)
		c.ask(method, "/v2/suite/sha/manifests/"+digest, nil, "Accept", ociManifest)
	}
	c.ask("PUT", "/v2/suite/sha/manifests/"+digest, content, "Content-Type", ociManifest)
	c.ask("GET", "/v2/suite/sha/blobs/blake3:"+strings.Repeat("a", 64), nil)
}

func (c *caller) tags() {
	c.ask("GET", "/v2/suite/nowhere/tags/list", nil)
	for _, tag := range []string{"b", "a", "c", "A", "1.0", "v_1-2.3"} {
		c.image("suite/tags", tag, "tagged")
	}
	for _, query := range []string{"", "?n=2", "?n=2&last=a", "?last=b", "?n=0", "?n=100", "?last=zzz", "?n=-1", "?n=x", "?n=2&last=not-there"} {
		c.ask("GET", "/v2/suite/tags/tags/list"+query, nil)
	}
	c.ask("HEAD", "/v2/suite/tags/tags/list", nil)
}

func (c *caller) deletes() {
	digest, _ := c.image("suite/del", "x", "deleted")
	c.image("suite/del", "y", "deleted as well")
	layer := digestOf([]byte("layer of deleted"))
	c.ask("DELETE", "/v2/suite/del/manifests/y", nil)
	for range 2 {
		c.ask("DELETE", "/v2/suite/del/manifests/"+digest, nil)
		c.ask("DELETE", "/v2/suite/del/blobs/"+layer, nil)
	}
	c.ask("GET", "/v2/suite/del/manifests/"+digest, nil, "Accept", ociManifest)
	c.ask("GET", "/v2/suite/del/blobs/"+layer, nil)
	c.ask("DELETE", "/v2/suite/del/manifests/"+absentDigest, nil)
	c.ask("DELETE", "/v2/suite/del/blobs/"+absentDigest, nil)
	c.ask("DELETE", "/v2/suite/del/manifests/absent", nil)
	c.ask("DELETE", "/v2/suite/nowhere/manifests/"+digest, nil)
	c.ask("GET", "/v2/suite/del/tags/list", nil)
}

func (c *caller) badNames() {
	for _, target := range []string{
		"/v2/Suite/App/manifests/x", "/v2/suite/app/manifests/", "/v2/suite//app/manifests/x", "/v2/suite/app", "/v2/suite/app/unknown/x",
		"/v2/suite/app/blobs/", "/v2/-suite/tags/list", "/v2/" + strings.Repeat("a/", 128) + "a/tags/list", "/v2", "/v2/suite/app/manifests/bad*tag",
	} {
		c.ask("GET", target, nil)
	}
}
