package e2e

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/regate/regate/e2e/client"
	"github.com/regate/regate/e2e/testbed"
)

// longer is how long a layer is on its way: more than a token of a minute is
// good for, a minute of leeway included.
const longer = 125 * time.Second

// slowly has layers take that long. What is small passes as it is.
func (w *way) slowly() {
	w.watch(func(r *http.Request) {
		if strings.Contains(r.URL.Path, "/uploads/") && (r.ContentLength < 0 || r.ContentLength > 4<<10) {
			r.Body = &slow{ReadCloser: r.Body, until: time.Now().Add(longer)}
		}
	})
}

// slow lets a little through each second, and the rest when the time has come.
type slow struct {
	io.ReadCloser
	until time.Time
}

func (s *slow) Read(p []byte) (int, error) {
	if time.Now().Before(s.until) {
		time.Sleep(time.Second) // it is a slow line
		p = p[:min(len(p), 1<<10)]
	}
	return s.ReadCloser.Read(p)
}

// lateTests are pushes that begin at the same time, of a layer that takes longer
// than a token lives. Clients that have a password ask for another token, by the
// clock or after a 401; one that has the token alone cannot, and lives by the
// grace.
var lateTests = []struct {
	name, token string
	clients     []string
	want        string // what the one with the token alone is told
}{
	{"grace", "expiration: 60", []string{"docker", "podman", "ctr", "crane"}, ""},
	{"no grace", "expiration: 60, grace: 0s, grace_manifest: 0s", nil, "UNAUTHORIZED: token has expired"},
	{"grace for uploads alone", "expiration: 60, grace_manifest: 0s", nil, "UNAUTHORIZED: token has expired"},
}

// TestPushOutlivesItsToken pushes to a registry that checks tokens itself.
func TestPushOutlivesItsToken(t *testing.T) {
	t.Parallel()
	e := startEngines(t)
	var all sync.WaitGroup
	for _, tt := range lateTests {
		s, both := replicas{version: testbed.Registry3, auth: "forward", token: tt.token}.start(t, e)
		for _, r := range both {
			r.way.slowly()
		}
		for _, name := range tt.clients {
			c := s.client(t, name)
			if err := c.Login("admin", adminPassword); err != nil {
				t.Fatal(err)
			}
			all.Go(func() {
				if _, err := c.Push("team/"+name, "x"); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				if late := s.late("team/" + name); late != "" {
					t.Errorf("%s: an upload was refused: %s", name, late)
				}
			})
		}
		c := s.withToken(t, s.token(t, "admin", adminPassword, "repository:team/token:pull,push"))
		all.Go(func() {
			_, err := c.Push("team/token", "x")
			if err != nil && tt.want == "" || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("%s, with a token alone: %v, want %q", tt.name, err, tt.want)
			}
		})
	}
	all.Wait()
}

// late is the line about a request of an upload that came too late for its
// token; "" if there is none.
func (s *site) late(repo string) string {
	for line := range strings.Lines(s.gate.Log()) {
		if strings.Contains(line, "token has expired") && strings.Contains(line, "/v2/"+repo+"/blobs/uploads/") && !strings.Contains(line, `"op":"start_upload"`) {
			return line
		}
	}
	return ""
}

// withToken returns a crane that has a token and nothing to get another with.
func (s *site) withToken(t testing.TB, token string) client.Client {
	t.Helper()
	home := testbed.Dir(t)
	if err := os.Mkdir(filepath.Join(home, "docker"), 0o700); err != nil {
		t.Fatal(err)
	}
	config := fmt.Sprintf(`{"auths": {%q: {"registrytoken": %q}}}`, s.gate.Host, token)
	if err := os.WriteFile(filepath.Join(home, "docker", "config.json"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := client.New("crane", client.Env{Home: home, Host: s.gate.Host, CA: s.gate.CA.File})
	if err != nil {
		t.Fatal(err)
	}
	return c
}
