package ext

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/regate/regate/internal/problem"
)

var validateTests = []struct {
	name string
	cfg  RulesConfig
	want string // "" for a good one
}{
	{"a program", RulesConfig{Backend: Backend{Command: "/bin/login", Args: []string{"-v"}, Timeout: time.Second, Concurrency: 1}}, ""},
	{"a hook", RulesConfig{Backend: Backend{URL: "https://hook.example.com:8443/login", TokenFile: "t", TLS: TLS{CA: "ca", Cert: "c", Key: "k"}}, OnError: "next"}, ""},
	{"a hook on this machine", RulesConfig{Backend: Backend{URL: "http://127.0.0.1:8080/login"}}, ""},
	{"a hook on this machine by name", RulesConfig{Backend: Backend{URL: "http://localhost/login"}}, ""},
	{"nothing", RulesConfig{}, "command: is missing"},
	{"half", RulesConfig{Backend: Backend{Timeout: time.Second}}, "command: is missing"},
	{"both", RulesConfig{Backend: Backend{Command: "c", URL: "https://h/"}}, "url: stands beside command"},
	{"another scheme", RulesConfig{Backend: Backend{URL: "ftp://h/"}}, "url: is no https"},
	{"no host", RulesConfig{Backend: Backend{URL: "https:///x"}}, "url: is no https"},
	{"a password in the URL", RulesConfig{Backend: Backend{URL: "https://u:hunter2@h/"}}, "url: must end with its path"},
	{"a query", RulesConfig{Backend: Backend{URL: "https://h/?key=hunter2"}}, "url: must end with its path"},
	{"not parsed", RulesConfig{Backend: Backend{URL: "https://h:hunter2/"}}, "url: is no https"},
	{"in the clear", RulesConfig{Backend: Backend{URL: "http://hook/"}}, "url: http sends what is asked"},
	{"TLS of http", RulesConfig{Backend: Backend{URL: "http://localhost/", TLS: TLS{CA: "ca"}}}, "tls: has no meaning"},
	{"a certificate alone", RulesConfig{Backend: Backend{URL: "https://h/", TLS: TLS{Cert: "c"}}}, "tls.cert: and key go together"},
	{"arguments of a hook", RulesConfig{Backend: Backend{URL: "https://h/", Args: []string{"a"}}}, "args: are for programs"},
	{"token of a program", RulesConfig{Backend: Backend{Command: "c", TokenFile: "t"}}, "token_file: is for hooks"},
	{"TLS of a program", RulesConfig{Backend: Backend{Command: "c", TLS: TLS{ServerName: "x"}}}, "tls: is for hooks"},
	{"zero byte", RulesConfig{Backend: Backend{Command: "c\x00"}}, "command: has a zero byte"},
	{"no time", RulesConfig{Backend: Backend{Command: "c", Timeout: time.Millisecond}}, "timeout: 1ms is not between"},
	{"negative time", RulesConfig{Backend: Backend{Command: "c", Timeout: -time.Second}}, "timeout: -1s is not between"},
	{"too much time", RulesConfig{Backend: Backend{Command: "c", Timeout: time.Hour}}, "timeout: 1h0m0s is not between"},
	{"nobody", RulesConfig{Backend: Backend{Command: "c", Concurrency: -1}}, "concurrency: -1 is not between"},
	{"everybody", RulesConfig{Backend: Backend{Command: "c", Concurrency: 5000}}, "concurrency: 5000 is not between"},
	{"on_error", RulesConfig{Backend: Backend{Command: "c"}, OnError: "allow"}, `on_error: "allow" is neither`},
}

func TestValidate(t *testing.T) {
	for _, tt := range validateTests {
		err := tt.cfg.Validate()
		switch {
		case err == nil && tt.want == "":
		case err == nil || tt.want == "" || !strings.HasPrefix(err.Error(), tt.want) || strings.Contains(err.Error(), "\n"):
			t.Errorf("%s: Validate() = %v, want %q", tt.name, err, tt.want)
		case strings.Contains(err.Error(), "hunter2"):
			t.Errorf("%s: the message has the password: %v", tt.name, err)
		}
	}
}

func TestNewSaysWhatCannotBeUsed(t *testing.T) {
	plain := write(t, "plain", "text")
	for _, tt := range []struct {
		name string
		cfg  Backend
		want string
	}{
		{"no program", Backend{Command: "/nowhere/login"}, "command"},
		{"no program in PATH", Backend{Command: "no-such-program-at-all"}, "command"},
		{"not executable", Backend{Command: plain}, "command"},
		{"a directory", Backend{Command: t.TempDir()}, "command"},
		{"no token", Backend{URL: "https://h/", TokenFile: "/nowhere/token"}, "token_file"},
		{"an empty token", Backend{URL: "https://h/", TokenFile: write(t, "empty", "\n")}, "token_file"},
		{"a token of two lines", Backend{URL: "https://h/", TokenFile: write(t, "two", "a\nb")}, "token_file"},
		{"no CA", Backend{URL: "https://h/", TLS: TLS{CA: "/nowhere/ca"}}, "tls.ca"},
		{"a CA that is none", Backend{URL: "https://h/", TLS: TLS{CA: plain}}, "tls.ca"},
		{"a certificate that is none", Backend{URL: "https://h/", TLS: TLS{Cert: plain, Key: plain}}, "tls.cert"},
	} {
		_, err := NewUsers(UsersConfig{tt.cfg}, nil)
		var l problem.List
		if !errors.As(err, &l) || len(l) != 1 || l[0].Path != tt.want {
			t.Errorf("%s: NewUsers() = %v, want a problem of %s", tt.name, err, tt.want)
		}
	}
}

// TestProgramIsFoundOnce: what PATH says later does not matter.
func TestProgramIsFoundOnce(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(dir+"/regate-test-login", []byte("#!/bin/sh\nexit 0\n"), 0o700))
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	u, _ := newUsers(t, Backend{Command: "regate-test-login"})
	t.Setenv("PATH", "/nowhere")
	if _, err := u.Authenticate(t.Context(), alice); err != nil {
		t.Errorf("Authenticate() = %v", err)
	}
}

// TestHookOfTLS wants the CA, and shows a certificate.
func TestHookOfTLS(t *testing.T) {
	t.Parallel()
	h := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.TLS.PeerCertificates) != 1 {
			t.Errorf("%d certificates were shown", len(r.TLS.PeerCertificates))
		}
		_, _ = io.WriteString(w, `{"result": "allow"}`)
	}))
	h.Config.ErrorLog = log.New(io.Discard, "", 0) // of the stranger
	h.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	h.StartTLS()
	t.Cleanup(h.Close)
	own := h.TLS.Certificates[0]
	der, err := x509.MarshalPKCS8PrivateKey(own.PrivateKey)
	must(t, err)
	cert := write(t, "cert.pem", block("CERTIFICATE", own.Certificate[0]))
	key := write(t, "key.pem", block("PRIVATE KEY", der))
	files := TLS{CA: cert, Cert: cert, Key: key, ServerName: "example.com"}

	u, _ := newUsers(t, Backend{URL: h.URL, TLS: files})
	if _, err := u.Authenticate(t.Context(), alice); err != nil {
		t.Errorf("Authenticate() = %v", err)
	}
	files.CA = ""
	stranger, _ := newUsers(t, Backend{URL: h.URL, TLS: files})
	if _, err := stranger.Authenticate(t.Context(), alice); err == nil || settled(err) {
		t.Errorf("without the CA: Authenticate() = %v", err)
	}
}

func block(typ string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: typ, Bytes: der}))
}
