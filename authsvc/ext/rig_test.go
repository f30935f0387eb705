package ext

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/regate/regate/authsvc/authn"
)

// sh is a program that is a script of these lines. The shell reads it from its
// arguments, since a file that was just written may be busy (execve(2), ETXTBSY).
func sh(lines ...string) Backend {
	return Backend{Command: "sh", Args: []string{"-c", strings.Join(lines, "\n")}}
}

// userScript knows alice, whose password is "open sesame".
var userScript = sh(
	`read -r user password`,
	`case "$user" in alice) ;; *) exit 2 ;; esac`,
	`[ "$password" = "open sesame" ] || exit 1`,
	`echo '{"labels": {"team": ["web", "lab/*"], "none": []}}'`)

var alice = authn.Credentials{Account: "alice", Password: "open sesame"}

func newUsers(t testing.TB, b Backend) (*Users, *observer.ObservedLogs) {
	t.Helper()
	core, logs := observer.New(zap.DebugLevel)
	u, err := NewUsers(UsersConfig{patient(b)}, zap.New(core))
	must(t, err)
	t.Cleanup(func() { _ = u.Close() })
	return u, logs
}

// patient gives a busy machine time where a test does not say how long.
func patient(b Backend) Backend {
	if b.Timeout == 0 {
		b.Timeout = mostTimeout
	}
	return b
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func write(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	must(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// A request is what a hook has seen.
type request struct {
	header http.Header
	body   map[string]any
}

// A fakeHook answers every question alike, and keeps them.
type fakeHook struct {
	*httptest.Server
	mu   sync.Mutex // guards seen
	seen []request
}

func startHook(t testing.TB, status int, answer string) *fakeHook {
	t.Helper()
	return startHookWith(t, func(w http.ResponseWriter, _ map[string]any) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, answer)
	})
}

func startHookWith(t testing.TB, answer func(http.ResponseWriter, map[string]any)) *fakeHook {
	t.Helper()
	h := &fakeHook{}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body map[string]any
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil || r.Method != http.MethodPost {
			t.Errorf("the hook got %s: %v", r.Method, err)
		}
		h.mu.Lock()
		h.seen = append(h.seen, request{r.Header, body})
		h.mu.Unlock()
		answer(w, body)
	}))
	t.Cleanup(h.Close)
	return h
}

func (h *fakeHook) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.seen)
}

// await polls until ok, for as long as a slow machine may need.
func await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}
