package e2e

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/regate/regate/e2e/testbed"
)

// TestRegistryThatDiesInMidBlob kills a registry while it sends a blob: the
// client has to see a broken transfer, never a short blob.
func TestRegistryThatDiesInMidBlob(t *testing.T) {
	t.Parallel()
	s := startSite(t, modes[0], testbed.Registry2, engines{})
	content := noise(64 << 20) // more than all buffers on the way hold
	digest := s.putBlob(t, "team/app", content)
	res := s.getBlob(t, "team/app", digest)
	if _, err := io.ReadFull(res.Body, make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	if err := s.registry.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-s.registry.Done()
	n, err := io.Copy(io.Discard, res.Body)
	if err == nil {
		t.Errorf("a blob of %d bytes ended well after %d", len(content), n+1<<20)
	}
}

// TestRegistryThatIsDown answers 504 as JSON for it, and nothing else is touched.
func TestRegistryThatIsDown(t *testing.T) {
	t.Parallel()
	up := testbed.StartRegistry(t, testbed.RegistryConfig{Version: testbed.Registry3})
	s := &site{gate: testbed.NewGate(t, testbed.NewCA(t)), registry: up}
	s.gate.Configure(t, fmt.Sprintf(`
registries:
  up: {upstreams: [%q], auth: none}
  down: {upstreams: ["http://%s"], auth: none}
routes:
  - {repository: "down/**", registry: down}
  - {registry: up}
%s`, up.URL, testbed.LocalAddr(), rules(t)))
	s.gate.Start(t)
	s.putBlob(t, "team/app", noise(1<<10))

	token := s.token(t, "admin", adminPassword, "repository:down/app:pull")
	res := s.do(t, "GET", s.gate.URL+"/v2/down/app/tags/list", token, nil)
	body, _ := io.ReadAll(res.Body)
	if res.StatusCode != http.StatusGatewayTimeout || !strings.Contains(string(body), `"code":"UNAVAILABLE"`) {
		t.Errorf("GET of a registry that is down = %s %s, want 504 and UNAVAILABLE", res.Status, body)
	}
	if got := res.Header.Get("Content-Type"); !strings.HasPrefix(got, "application/json") {
		t.Errorf("Content-Type = %q, want JSON", got)
	}
	s.putBlob(t, "team/app", noise(2<<10))
}

// TestFullDiskUnderState fills the file system that holds the state: whoever
// has an account still logs in, pulls and pushes.
func TestFullDiskUnderState(t *testing.T) {
	t.Parallel()
	s := prepareSite(t, modes[0], testbed.Registry2, engines{})
	if err := os.MkdirAll(s.gate.StatePath(), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", s.gate.StatePath(), "tmpfs", 0, "size=4m,mode=700"); err != nil {
		t.Fatal(err)
	}
	s.gate.Start(t)
	fill(t, filepath.Join(s.gate.StatePath(), "filler"))

	crane := s.client(t, "crane")
	if err := crane.Login("dev", devPassword); err != nil {
		t.Fatal(err)
	}
	digest, err := crane.Push("team/app", version)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := crane.Pull("team/app:" + version); err != nil || got != digest {
		t.Errorf("pull = %s, %v, want %s", got, err, digest)
	}
}

// fill writes until the disk is full.
func fill(t testing.TB, path string) {
	t.Helper()
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for size := 64 << 10; size > 0; {
		if _, err := file.Write(make([]byte, size)); err != nil {
			size /= 2 // the last blocks, too
		}
	}
}
