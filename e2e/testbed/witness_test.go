package testbed

import (
	"encoding/base64"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	leaked = "pass word/of+somebody"
	given  = "rgt_0123456789abcd_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLM"
)

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
	{"a token as a password", "Basic " + base64.StdEncoding.EncodeToString([]byte("ci:"+base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"ES256","kid":"1"}`))+".x.y")), true},
	{"a secret that a gate gives out", `{"msg":"login","password":"` + given + `"}`, true},
	{"the id of one", `{"msg":"token issued","family":"` + given[4:18] + `"}`, false},
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
				w.keep(jwts[0])
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
