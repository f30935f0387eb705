package testbed

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const leaked = "pass word/of+somebody"

var leakTests = []struct {
	name, text string
	want       bool
}{
	{"nothing", "somebody logged in with a word that passed", false},
	{"as it is", `{"msg":"refused","password":"` + leaked + `"}`, true},
	{"in a query", "GET /auth?password=" + url.QueryEscape(leaked) + "&x=1", true},
	{"as credentials", "Basic " + base64.StdEncoding.EncodeToString([]byte("a:"+leaked)), true},
	{"of somebody with a longer name", "Basic " + base64.StdEncoding.EncodeToString([]byte("ab:"+leaked)), true},
	{"of somebody with a name of another length", "Basic " + base64.StdEncoding.EncodeToString([]byte("abc:"+leaked)), true},
	{"credentials of others", "Basic " + base64.StdEncoding.EncodeToString([]byte("a:another password")), false},
	{"a short one", "no", false},
	{"a token", "Bearer " + base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"ES256","typ":"JWT"}`)) + ".x.y", true},
	{"the claims of one", "claims " + base64.RawURLEncoding.EncodeToString([]byte(`{"aud":"registry","sub":"somebody"}`)), true},
	{"a hash", `{"password": "$2y$05$abc"}`, true},
	{"a key", "-----BEGIN PRIVATE KEY-----", true},
}

// TestWitness leaks on purpose.
func TestWitness(t *testing.T) {
	for _, tt := range leakTests {
		t.Run(tt.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "regate.log")
			if err := os.WriteFile(file, []byte("a line before\n"+tt.text+"\na line after\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			for _, s := range []statement{{where: "here", text: "a line before\n" + tt.text}, {where: "here", file: file}} {
				var w witness
				w.keep("no")
				w.hear(s)
				w.keep(leaked) // also what is known only later
				leaks := w.leaks()
				if (len(leaks) > 0) != tt.want || w.verdict(0) != min(len(leaks), 1) {
					t.Errorf("leaks() = %q, want some: %v", leaks, tt.want)
				}
				if tt.want && (!strings.HasPrefix(leaks[0], "here: ") || !strings.HasSuffix(leaks[0], ": "+tt.text)) {
					t.Errorf("leaks() = %q, want the place and the line", leaks)
				}
			}
		})
	}
	var w witness
	w.hear(statement{where: "here", file: filepath.Join(t.TempDir(), "gone")})
	if len(w.leaks()) != 1 {
		t.Error("a log that is gone says nothing")
	}
}

// TestAttentive: what a client has sent is not to come back.
func TestAttentive(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, password, _ := r.BasicAuth()
		w.WriteHeader(401)
		_, _ = w.Write([]byte("wrong password: " + password))
	}))
	defer s.Close()
	defer func() { run = witness{} }()
	req, err := http.NewRequestWithContext(t.Context(), "GET", s.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("somebody", leaked)
	res, err := attentive{new(http.Transport)}.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if len(run.leaks()) == 0 {
		t.Error("an answer with the password was not noticed")
	}
}

func TestOurs(t *testing.T) {
	for _, c := range []Command{{Program: "regate"}, {Program: "nsenter", Args: []string{"--", "/x/bin/regate", "trust"}}} {
		if !c.ours() {
			t.Errorf("%v is not ours", c)
		}
	}
	if (Command{Program: "curl", Args: []string{"https://gate.test"}}).ours() {
		t.Error("curl is ours")
	}
}
