package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/regate/regate/e2e/testbed"
)

// A fault is one of the network behind the gate.
type fault struct {
	toxic      string
	attributes map[string]any
	served     bool // clients get what they want all the same
}

var faults = []fault{
	{"reset_peer", map[string]any{"timeout": 0}, false},
	{"timeout", map[string]any{"timeout": 0}, false},
	{"timeout", map[string]any{"timeout": 100}, false},
	{"latency", map[string]any{"latency": 100}, true},
	{"slicer", map[string]any{"average_size": 10000, "size_variation": 500, "delay": 10}, true},
}

// patientUpstream has a gate wait no longer than tests do.
const patientUpstream = "connect_timeout: 1s, header_timeout: 2s"

// through has a client get something while the line has a fault, and again when
// it is mended: what it gets is right, or an error in JSON, or it breaks off.
func (f fault) through(t *testing.T, s *site, line *testbed.Line, token, path string, content []byte) {
	t.Helper()
	line.Spoil(t, f.toxic, f.attributes)
	res, text := s.get(t, token, path)
	switch {
	case f.served || res.StatusCode == http.StatusOK:
		if res.StatusCode != http.StatusOK || !bytes.Equal(text, content) {
			t.Errorf("%s with a fault: %s, %d bytes of %d", path, res.Status, len(text), len(content))
		}
	case res.StatusCode == 0 && len(text) < len(content):
	case res.StatusCode < 500 || res.StatusCode > 504 || !json.Valid(text): // 500 is a registry's that cannot ask its storage
		t.Errorf("%s with a fault: %s %s", path, res.Status, text)
	}
	line.Mend(t, f.toxic)
	eventually(t, path+" is there again", func() bool {
		res, text := s.get(t, token, path)
		return res.StatusCode == http.StatusOK && bytes.Equal(text, content)
	})
}

// get returns an answer with as much of its body as came.
func (s *site) get(t testing.TB, token, path string) (*http.Response, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.gate.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Accept", ociManifest)
	res, err := s.gate.CA.HTTP().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if err != nil {
		res.StatusCode, res.Status = 0, "broken off"
	}
	return res, text
}

// TestFaultsBehindOneName has a bad line to one of two registries under a host:
// the other one does not suffer.
func TestFaultsBehindOneName(t *testing.T) {
	t.Parallel()
	proxy := testbed.StartToxiproxy(t)
	bad := testbed.StartRegistry(t, testbed.RegistryConfig{Version: testbed.Registry3})
	good := testbed.StartRegistry(t, testbed.RegistryConfig{Version: testbed.Registry2})
	line := proxy.Line(t, bad.Addr)
	s := &site{gate: testbed.NewGate(t, testbed.NewCA(t)), registry: good}
	s.gate.Configure(t, fmt.Sprintf(`
registries: {bad: {upstreams: ["http://%s"], %s}, good: {upstreams: [%q]}}
routes: [{repository: "team/**", registry: good}, {registry: bad, add: far}]
%s`, line.Addr, patientUpstream, good.URL, rules(t)))
	s.gate.Start(t)
	content := noise(64 << 10)
	token := s.token(t, "admin", adminPassword, "repository:team/app:pull repository:bad/app:pull")
	near, far := "/v2/team/app/blobs/"+s.putBlob(t, "team/app", content), "/v2/bad/app/blobs/"+s.putBlob(t, "bad/app", content)
	for _, f := range faults {
		t.Run(fmt.Sprint(f.toxic, f.attributes), func(t *testing.T) {
			f.through(t, s, line, token, far, content)
			line.Spoil(t, f.toxic, f.attributes)
			for range 20 {
				if res, text := s.get(t, token, near); res.StatusCode != http.StatusOK || !bytes.Equal(text, content) {
					t.Errorf("beside a fault: %s, %d bytes", res.Status, len(text))
				}
			}
			line.Mend(t, f.toxic)
		})
	}
}

// TestFaultsOfAMirror has a bad line to somebody else's registry.
func TestFaultsOfAMirror(t *testing.T) {
	t.Parallel()
	proxy := testbed.StartToxiproxy(t)
	far := testbed.StartRegistry(t, testbed.RegistryConfig{Version: testbed.Registry2, Auth: testbed.Htpasswd(t, "gate", upstreamPassword)})
	(&mirrorSite{}).put(t, far, "gate", upstreamPassword)
	line := proxy.Line(t, far.Addr)
	s := &site{gate: testbed.NewGate(t, testbed.NewCA(t))}
	s.gate.Configure(t, fmt.Sprintf(`
registries: {far: {kind: mirror, ns: far.example, upstreams: ["http://%s"], username: gate, password: %s, %s}}
%s`, line.Addr, upstreamPassword, patientUpstream, rules(t)))
	s.gate.Start(t)
	const repo = "/v2/far.example/library/app"
	token := s.token(t, "admin", adminPassword, "repository:far.example/library/app:pull")
	_, manifest := s.get(t, token, repo+"/manifests/"+version)
	digests := regexp.MustCompile(`sha256:[0-9a-f]{64}`).FindAllString(string(manifest), -1)
	if len(digests) == 0 {
		t.Fatalf("no manifest: %s", manifest)
	}
	layer := repo + "/blobs/" + digests[len(digests)-1]
	_, content := s.get(t, token, layer)
	for _, f := range faults {
		t.Run(fmt.Sprint(f.toxic, f.attributes), func(t *testing.T) {
			f.through(t, s, line, token, repo+"/manifests/"+version, manifest)
			f.through(t, s, line, token, layer, content)
		})
	}
}

// TestFaultsOfAListing has a bad line to a registry: those who have listed it
// once go on to see it, and those who have not are told to come again.
func TestFaultsOfAListing(t *testing.T) {
	t.Parallel()
	proxy := testbed.StartToxiproxy(t)
	r := testbed.StartRegistry(t, testbed.RegistryConfig{Version: testbed.Registry2})
	line := proxy.Line(t, r.Addr)
	start := func() *site {
		s := &site{gate: testbed.NewGate(t, testbed.NewCA(t)), registry: r}
		s.gate.Configure(t, fmt.Sprintf("registries: {main: {upstreams: [\"http://%s\"]}}\ncatalog: {ttl: 1ms}%s", line.Addr, rules(t)))
		s.gate.Start(t)
		return s
	}
	warm, cold := start(), start()
	warm.seed(t, "team/app")
	list := func(s *site) (*http.Response, string) {
		res, text := s.get(t, s.token(t, "admin", adminPassword, "registry:catalog:*"), "/v2/_catalog")
		return res, strings.TrimSpace(string(text))
	}
	const all = `{"repositories":["team/app"]}`
	if res, text := list(warm); text != all {
		t.Fatalf("%s %s", res.Status, text)
	}
	for _, f := range faults {
		line.Spoil(t, f.toxic, f.attributes)
		for range 3 {
			if res, text := list(warm); text != all {
				t.Errorf("%v: %s %s", f, res.Status, text)
			}
		}
		line.Mend(t, f.toxic)
	}
	line.Spoil(t, "latency", map[string]any{"latency": 30_000})
	begun := time.Now()
	res, text := list(cold)
	if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" || !strings.Contains(text, "UNAVAILABLE") || time.Since(begun) > 25*time.Second {
		t.Errorf("a cold listing by a slow line: %s after %v, %s", res.Status, time.Since(begun), text)
	}
	line.Mend(t, "latency")
	eventually(t, "the listing is there", func() bool { _, text := list(cold); return text == all })
}

// TestFaultsOfAStorage has a bad line to the bucket that a registry has its blobs
// in, and redirects to.
func TestFaultsOfAStorage(t *testing.T) {
	t.Parallel()
	proxy := testbed.StartToxiproxy(t)
	b := testbed.StartBucket(t)
	line := proxy.Line(t, b.Host)
	s := &site{gate: testbed.NewGate(t, testbed.NewCA(t))}
	addr := testbed.LocalAddr()
	s.gate.Configure(t, fmt.Sprintf(`
registries: {main: {upstreams: ["http://%s"], redirects: {mode: follow, hosts: ["http://%s"]}, %s}}
%s`, addr, line.Addr, patientUpstream, rules(t)))
	s.registry = testbed.StartRegistry(t, testbed.RegistryConfig{Version: testbed.Registry3, Addr: addr, Storage: strings.Replace(b.Storage(), b.URL, "http://"+line.Addr, 1)})
	s.gate.Start(t)
	content := noise(2 << 20)
	path := "/v2/team/app/blobs/" + s.putBlob(t, "team/app", content)
	token := s.token(t, "admin", adminPassword, "repository:team/app:pull")
	for _, f := range append(faults, fault{"limit_data", map[string]any{"bytes": 1 << 20}, false}) {
		t.Run(fmt.Sprint(f.toxic, f.attributes), func(t *testing.T) { f.through(t, s, line, token, path, content) })
	}
}
