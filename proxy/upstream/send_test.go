package upstream

import (
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/regate/regate/internal/oci"
	"github.com/regate/regate/proxy/upstream/storage"
)

// A stranger is a registry of somebody else, and its token server, with TLS of
// an authority that the system does not know.
type stranger struct {
	registry, tokens *httptest.Server
	config           Config
	asked            atomic.Int32
	answer           atomic.Int32 // status, once a token is shown
}

func newStranger(t *testing.T) *stranger {
	t.Helper()
	s := new(stranger)
	s.answer.Store(http.StatusOK)
	s.tokens = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, password, _ := r.BasicAuth(); password == "hunter2" {
			fmt.Fprint(w, `{"token":"t"}`)
			return
		}
		w.WriteHeader(http.StatusUnauthorized)
	}))
	s.registry = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked.Add(1)
		if r.Header.Get("Authorization") != "Bearer t" {
			w.Header().Set("Www-Authenticate", `Bearer realm="`+s.tokens.URL+`"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Header().Set("Ratelimit-Remaining", "9;w=60")
		w.WriteHeader(int(s.answer.Load()))
	}))
	t.Cleanup(s.tokens.Close)
	t.Cleanup(s.registry.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.registry.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	s.config = Config{
		Kind: KindMirror, NS: "far.example", Upstreams: []string{s.registry.URL}, TLS: TLS{CA: ca},
		Username: "gate", Password: "hunter2", TokenHosts: []string{strings.TrimPrefix(s.tokens.URL, "https://")},
	}
	return s
}

func openMirror(t *testing.T, c Config, o Observer) *Pool {
	t.Helper()
	p, err := New(c, Options{Observe: o})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// sendTo asks for a manifest, and returns the status or the kind of the error.
func sendTo(t *testing.T, p *Pool) string {
	t.Helper()
	e, done, err := p.Pick(Want{})
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	out := (&http.Request{Method: http.MethodGet, URL: e.Target("/v2/a/b/manifests/1", ""), Header: http.Header{}}).WithContext(t.Context())
	res, err := e.Send(out, oci.Grant{Bearer: oci.NewSecret("the client's")}, []oci.Access{{Type: oci.Repository, Name: "a/b", Actions: oci.Pull}})
	if err == nil {
		_ = res.Body.Close()
		return fmt.Sprint(res.StatusCode)
	}
	var said *oci.Error
	if !errors.As(err, &said) || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("error %v", err)
	}
	return oci.AsError(err).Kind.String()
}

func TestSendToAStranger(t *testing.T) {
	s := newStranger(t)
	var reasons []string
	p := openMirror(t, s.config, Observer{Refused: func(reason string) { reasons = append(reasons, reason) }})
	if !p.Mirror() || len(p.Left()) != 0 {
		t.Errorf("a mirror: %v, with %v left before it was asked", p.Mirror(), p.Left())
	}
	if got := sendTo(t, p); got != "200" {
		t.Errorf("Send() = %s", got)
	}
	if left := p.Left(); len(left) != 1 || left[0].Requests != 9 {
		t.Errorf("Left() = %v", left)
	}
	for status, want := range map[int32]string{403: "unknown_name", 404: "404", 503: "503"} {
		s.answer.Store(status)
		if got := sendTo(t, p); got != want {
			t.Errorf("after %d, Send() = %s, want %s", status, got, want)
		}
	}
	if !slices.Equal(reasons, []string{"no_access"}) {
		t.Errorf("counted %q", reasons)
	}
}

// TestStrangerHasNoCatalog: nobody is asked for what concerns no repository, or
// more than one.
func TestStrangerHasNoCatalog(t *testing.T) {
	s := newStranger(t)
	p := openMirror(t, s.config, Observer{})
	for _, needs := range [][]oci.Access{nil, {oci.CatalogAccess()}, {{Type: oci.Repository, Name: "a"}, {Type: oci.Repository, Name: "b"}}} {
		out := (&http.Request{Method: http.MethodGet, URL: p.endpoints[0].Target("/v2/_catalog", ""), Header: http.Header{}}).WithContext(t.Context())
		if _, err := p.endpoints[0].Send(out, oci.Grant{}, needs); !errors.Is(err, errNoRepository) {
			t.Errorf("Send() for %v: %v", needs, err)
		}
	}
	if n := s.asked.Load(); n != 0 {
		t.Errorf("it was asked %d times", n)
	}
}

// TestReloadKeepsWhatStrangersSaid, unless another account may hear something
// else.
func TestReloadKeepsWhatStrangersSaid(t *testing.T) {
	s := newStranger(t)
	s.answer.Store(http.StatusTooManyRequests)
	first := openMirror(t, s.config, Observer{})
	if got := sendTo(t, first); got != "too_many" {
		t.Fatalf("Send() = %s", got)
	}
	before := s.asked.Load()
	again := openMirror(t, s.config, Observer{})
	again.Inherit(first)
	if got := sendTo(t, again); got != "too_many" || s.asked.Load() != before {
		t.Errorf("after a reload, Send() = %s, asked %d times more", got, s.asked.Load()-before)
	}
	s.config.Password = "another"
	other := openMirror(t, s.config, Observer{})
	other.Inherit(again)
	if got := sendTo(t, other); got != "bad_gateway" || s.asked.Load() == before {
		t.Errorf("with another password, Send() = %s, asked %d times more", got, s.asked.Load()-before)
	}
}

func TestMirrorNeedsItsFiles(t *testing.T) {
	for want, c := range map[string]Config{
		"password_file: open /nonexistent/password: no such file": {Kind: KindMirror, NS: "a", Username: "u", PasswordFile: "/nonexistent/password"},
		"tls.ca: open /nonexistent/ca: no such file":              {Kind: KindMirror, NS: "a", TLS: TLS{CA: "/nonexistent/ca"}},
		"redirects.tls.ca: open /nonexistent/ca: no such file":    {Kind: KindMirror, NS: "a", Redirects: storage.Config{TLS: storage.TLS{CA: "/nonexistent/ca"}}},
	} {
		if _, err := New(c, Options{}); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("New(%+v): %v, want %s", c, err, want)
		}
	}
}
