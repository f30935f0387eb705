package e2e

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/regate/regate/e2e/testbed"
)

// TestObjectStorage has registries keep their blobs in a bucket, to which they
// redirect with URLs that they have signed. The gate follows them for all
// clients but those who are to reach the bucket themselves.
func TestObjectStorage(t *testing.T) {
	t.Parallel()
	e := startEngines(t)
	for _, v := range testbed.Versions {
		t.Run(string(v), func(t *testing.T) {
			t.Parallel()
			s, b := startBucketSite(t, v, "{mode: follow, except: [192.0.2.0/24], hosts: [BUCKET]}", e)
			for _, name := range []string{"docker", "ctr", "podman", "crane"} {
				t.Run(name, func(t *testing.T) { s.followed(t, b, name) })
			}
			s.ranges(t, b)
			s.quiet(t)
		})
	}
	t.Run("pass", func(t *testing.T) {
		t.Parallel()
		s, b := startBucketSite(t, testbed.Registry3, "{mode: follow, except: ["+testbed.Address+", 127.0.0.0/8], hosts: [BUCKET]}", e)
		digest := s.seed(t, "team/app")
		podman := s.client(t, "podman") // crane goes to no private address from a name
		if err := podman.Login("dev", devPassword); err != nil {
			t.Fatal(err)
		}
		if got, err := podman.Pull("team/app:x"); err != nil || got != digest {
			t.Errorf("podman pulled %s: %v, want %s", got, err, digest)
		}
		blob := s.putBlob(t, "team/app", noise(1<<10))
		res := s.passed(t, blob)
		if !strings.Contains(res.Header.Get("Location"), "X-Amz-Signature=") || !strings.Contains(fmt.Sprint(b.Visits()), "containers/") {
			t.Errorf("nobody was sent to the bucket: %v", b.Visits())
		}
	})
}

func startBucketSite(t *testing.T, v testbed.Version, redirects string, e engines) (*site, *testbed.Bucket) {
	t.Helper()
	b := testbed.StartBucket(t)
	addr := testbed.LocalAddr()
	g := testbed.NewGate(t, testbed.NewCA(t))
	g.Configure(t, fmt.Sprintf("registries: {main: {upstreams: [\"http://%s\"], redirects: %s}}%s", addr, strings.Replace(redirects, "BUCKET", fmt.Sprintf("%q", b.URL), 1), rules(t)))
	s := &site{gate: g, engines: e}
	s.registry = testbed.StartRegistry(t, testbed.RegistryConfig{Version: v, Addr: addr, Storage: b.Storage()})
	g.Start(t)
	return s, b
}

// followed pushes and pulls, and looks at what the bucket has seen.
func (s *site) followed(t *testing.T, b *testbed.Bucket, name string) {
	before := len(b.Visits())
	c := s.client(t, name)
	if err := c.Login("dev", devPassword); err != nil {
		t.Fatal(err)
	}
	digest, err := c.Push("team/"+name, version)
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.Pull("team/" + name + ":" + version)
	if err != nil || got != digest {
		t.Errorf("%s pulled %s: %v, want %s", name, got, err, digest)
	}
	visits := b.Visits()[before:]
	if len(visits) == 0 {
		t.Error("nothing came from the bucket")
	}
	for _, v := range visits {
		if v.Status != http.StatusOK {
			t.Errorf("the bucket answered %s with %d", v.Method, v.Status)
		}
		for field := range v.Header {
			switch field {
			case "Range", "If-Range", "If-None-Match", "User-Agent":
			default:
				t.Errorf("the bucket saw %s: %q", field, v.Header[field])
			}
		}
	}
}

// ranges has parts of a blob come from the bucket as they would from a registry.
func (s *site) ranges(t *testing.T, b *testbed.Bucket) {
	content := noise(1 << 20)
	digest := s.putBlob(t, "team/ranges", content)
	token := s.token(t, "admin", adminPassword, "repository:team/ranges:pull")
	for _, tt := range []struct {
		method, field, value string
		status, length       int
	}{
		{"GET", "Range", "bytes=1048570-", 206, 6},
		{"GET", "Range", "bytes=9-18", 206, 10},
		{"GET", "Range", "bytes=1048576-", 416, -1},
		{"GET", "If-None-Match", `"` + digest + `"`, 304, 0},
		{"GET", "Accept", "*/*", 200, 1 << 20},
		{"HEAD", "Accept", "*/*", 200, 0},
	} {
		req, err := http.NewRequestWithContext(t.Context(), tt.method, s.gate.URL+"/v2/team/ranges/blobs/"+digest, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		req.Header.Set(tt.field, tt.value)
		res, err := s.gate.CA.HTTP().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil || res.StatusCode != tt.status || tt.length >= 0 && len(text) != tt.length {
			t.Errorf("%s with %s %s: %s, %d bytes, %v", tt.method, tt.field, tt.value, res.Status, len(text), err)
		}
		if res.StatusCode < 400 && res.Header.Get("Docker-Content-Digest") != digest {
			t.Errorf("%s with %s %s: digest %q", tt.method, tt.field, tt.value, res.Header.Get("Docker-Content-Digest"))
		}
	}
	if n := len(b.Visits()); n == 0 {
		t.Error("nothing came from the bucket")
	}
}

// passed asks for a blob as a client whom the gate sends to the bucket.
func (s *site) passed(t *testing.T, digest string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.gate.URL+"/v2/team/app/blobs/"+digest, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.token(t, "admin", adminPassword, "repository:team/app:pull"))
	res, err := s.gate.CA.HTTP().Transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	if res.StatusCode != http.StatusTemporaryRedirect {
		t.Fatalf("got %s", res.Status)
	}
	return res
}

// quiet looks for keys to blobs in what the gate has logged.
func (s *site) quiet(t *testing.T) {
	if log := s.gate.Log(); strings.Contains(log, "X-Amz") || !strings.Contains(log, "/blobs/") && !strings.Contains(log, "get_blob") {
		t.Errorf("the log has a presigned URL, or nothing at all of blobs: %.300s", log)
	}
}
