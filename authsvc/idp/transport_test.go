package idp

import (
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// hurdles are what a provider may put in the way of a question.
var hurdles = []struct {
	name string
	h    http.HandlerFunc
	want string // what is wrong; "" if nothing is
}{
	{"answers", func(w http.ResponseWriter, _ *http.Request) { answerJSON(w, 1) }, ""},
	{"1 MiB", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, strings.Repeat(" ", maxBody-1), 1) }, ""},
	{"1 byte more", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, strings.Repeat(" ", maxBody), 1) }, "longer than 1 MiB"},
	{"endless", func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 1<<16)); err != nil {
				return
			}
		}
	}, "longer than 1 MiB"},
	{"compressed", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept-Encoding") != "" {
			w.WriteHeader(http.StatusNotAcceptable)
		}
		answerJSON(w, 1)
	}, ""},
	{"to another path", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" {
			http.Redirect(w, r, "/renamed", http.StatusMovedPermanently)
			return
		}
		if r.Header.Get("Authorization") == "" {
			w.WriteHeader(http.StatusUnauthorized)
		}
		answerJSON(w, 1)
	}, ""},
	{"round and round", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/round"+r.URL.Path, http.StatusFound)
	}, "answers 302"},
	{"to another host", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://localhost"+r.Host[strings.LastIndexByte(r.Host, ':'):]+"/x", http.StatusFound)
	}, "answers 302"},
	{"to https", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://"+r.Host+"/x", http.StatusFound)
	}, "answers 302"},
	{"silence", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "exceeded"},
	{"half an answer", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "10")
		fmt.Fprint(w, "1")
	}, "unexpected EOF"},
}

func TestQuestions(t *testing.T) {
	for _, tt := range hurdles {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := httptest.NewServer(tt.h)
			defer s.Close()
			timeout := 10 * time.Second
			if tt.name == "silence" {
				timeout = 50 * time.Millisecond
			}
			c := line{timeout: timeout, plain: true}.client()
			defer c.CloseIdleConnections()
			var got int
			r, err := get(t.Context(), c, s.URL+"/", "token")
			if err == nil {
				err = r.decode(&got)
			}
			if tt.want == "" && (err != nil || got != 1) || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("get() = %d, %v; want %q", got, err, tt.want)
			}
		})
	}
}

// TestNothingInTheOpen: not even to a name that is configured.
func TestNothingInTheOpen(t *testing.T) {
	for _, plain := range []bool{true, false} {
		c := line{timeout: time.Second, plain: plain}.client()
		for _, address := range []string{"http://provider.test/", "http://10.0.0.1/"} {
			if _, err := get(t.Context(), c, address, "token"); err == nil || !strings.Contains(err.Error(), errPlain.Error()) {
				t.Errorf("get(%s) = %v", address, err)
			}
		}
	}
	if _, err := get(t.Context(), line{timeout: time.Second}.client(), "http://127.0.0.1:1/", "token"); err == nil || !strings.Contains(err.Error(), errPlain.Error()) {
		t.Errorf("get() of this machine for a provider of https = %v", err)
	}
}

// TestPrivateCA: a provider whose certificate the system does not trust.
func TestPrivateCA(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { answerJSON(w, object{}) }))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	s.StartTLS()
	defer s.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(ca, text, 0o600); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{"": "certificate", ca: "calls itself"} {
		p, err := NewOIDC(OIDCConfig{Client: gate(), Issuer: s.URL, CACertificate: file})
		if _, err := must(t, p, err).AuthURL(t.Context(), Start{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("with %q: %v, want %q", file, err, want)
		}
	}
}

func TestFilesAreRead(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	g := newGitHub(t)
	cfg := GitHubConfig{Client: gate(), GitHubWebURI: g.url}
	cfg.ClientSecret, cfg.ClientSecretFile = "", file("secret", clientSecret+"\n")
	p, err := NewGitHub(cfg)
	g.in(must(t, p, err))
	cfg.ClientSecretFile, cfg.CACertificate = file("empty", "\n"), file("ca", "no PEM")
	if _, err := NewGitHub(cfg); err == nil || !strings.Contains(err.Error(), "client_secret_file: ") || !strings.Contains(err.Error(), "ca_certificate: ") {
		t.Errorf("NewGitHub() = %v", err)
	}
}

// rude answers everything with text of its own, byte for byte.
func rude(t *testing.T, answer func(request string) string) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_ = conn.SetDeadline(time.Now().Add(time.Second))
				var text strings.Builder
				buf := make([]byte, 64<<10)
				for !strings.Contains(text.String(), "grant_type") {
					n, err := conn.Read(buf)
					text.Write(buf[:n])
					if err != nil {
						break
					}
				}
				fmt.Fprint(conn, answer(text.String()))
			}()
		}
	}()
	return "http://" + l.Addr().String()
}
