package testbed

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestAttentive: what a client has shown, or was given, is not to come back.
func TestAttentive(t *testing.T) {
	form := func(name string) *http.Request {
		req, _ := http.NewRequest("POST", "/", strings.NewReader("grant_type=x&"+name+"="+strings.ReplaceAll(leaked, "+", "%2B")))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		return req
	}
	basic, _ := http.NewRequest("GET", "/", nil)
	basic.SetBasicAuth("somebody", leaked)
	given, _ := http.NewRequest("GET", "/auth", nil)
	nothing, _ := http.NewRequest("GET", "/", nil)
	for name, tt := range map[string]struct {
		first *http.Request
		want  int
	}{"basic": {basic, 1}, "password": {form("password"), 1}, "refresh": {form("refresh_token"), 1}, "given": {given, 1}, "nothing": {nothing, 0}} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch r.URL.Path {
				case "/auth":
					_, _ = fmt.Fprintf(w, `{"expires_in": 60, "refresh_token": %q}`, leaked)
				case "/leak":
					http.Error(w, "this was shown: "+leaked, http.StatusUnauthorized)
				}
			}))
			defer s.Close()
			defer func() { run = witness{} }()
			leak, _ := http.NewRequest("GET", "/leak", nil)
			for _, req := range []*http.Request{tt.first, leak} {
				ask(t, s.URL, req)
			}
			if got := len(run.leaks()); got != tt.want {
				t.Errorf("%d leaks are noticed, want %d: %q", got, tt.want, run.leaks())
			}
		})
	}
}

func ask(t *testing.T, base string, req *http.Request) {
	t.Helper()
	u, err := req.URL.Parse(base + req.URL.Path)
	if err != nil {
		t.Fatal(err)
	}
	req.URL = u
	res, err := attentive{new(http.Transport)}.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
}

// TestSearch: what a client has kept of its login, another has printed.
func TestSearch(t *testing.T) {
	dir := t.TempDir()
	for path, text := range map[string]string{
		"one/docker/config.json": `{"auths": {"gate.test": {"auth": "YWxpY2U6", "identitytoken": "` + leaked + `"}}}`,
		"two/printed.log":        "refused: " + leaked + "\n",
		"three/printed.log":      "refused: something else\n",
	} {
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var w witness
	w.search(dir)
	if leaks := w.leaks(); len(leaks) != 1 || !strings.Contains(leaks[0], "two/printed.log") {
		t.Errorf("leaks() = %q, want that of two", leaks)
	}
}

// TestHearCommand: a command that gives a secret out prints it once, and nobody
// prints it afterwards.
func TestHearCommand(t *testing.T) {
	create := Command{Program: "regate", Args: []string{"token", "create", "--owner", "ci"}}
	list := Command{Program: "regate", Args: []string{"token", "list"}}
	for name, tt := range map[string]struct {
		command Command
		out     string
		want    int
	}{
		"created":          {create, given + "\n", 0},
		"printed twice":    {create, given + "\n" + given + "\n", 1},
		"listed":           {list, given + "\n", 1},
		"listed by its id": {list, given[4:18] + "\n", 0},
	} {
		var w witness
		w.hearCommand(tt.command, tt.out)
		if leaks := w.leaks(); min(len(leaks), 1) != tt.want {
			t.Errorf("%s: leaks() = %q, want %d", name, leaks, tt.want)
		}
	}
}
