package acme

import (
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/zap"

	"github.com/regate/regate/acme/acmestub"
	"github.com/regate/regate/internal/state"
)

// online is a Config that gets certificates from these CAs.
func online(t *testing.T, cas []*acmestub.Server, hosts ...string) Config {
	t.Helper()
	c := Config{Hosts: hosts, ACME: ACME{First: CA{Email: "ops@example.com"}}}
	for i, ca := range cas {
		one := CA{CA: ca.Directory(), TrustedRoots: tempFile(t, "roots.pem", ca.RootsPEM())}
		if i == 0 {
			one.Email = c.ACME.First.Email
			c.ACME.First = one
		} else {
			c.ACME.Fallback = append(c.ACME.Fallback, one)
		}
	}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	return c
}

func tempFile(t *testing.T, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// An entrance is a gate's listeners, which CAs look at.
type entrance struct {
	*Manager
	https, plain string
}

// enter opens the listeners of a manager that has not been started.
func enter(t *testing.T, cfg Config, store state.Store, cas ...*acmestub.Server) *entrance {
	t.Helper()
	e, err := newManager(t.Context(), cfg, Deps{Store: store, HTTP: true}, brisk())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return listen(t, e, cas...)
}

func listen(t *testing.T, m *Manager, cas ...*acmestub.Server) *entrance {
	t.Helper()
	e := &entrance{Manager: m}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) }))
	s.Config.ErrorLog = zap.NewStdLog(zap.NewNop())
	s.Listener = tls.NewListener(s.Listener, m.TLSConfig())
	s.Start()
	t.Cleanup(s.Close)
	p := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !m.ServeChallenge(w, r) {
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(p.Close)
	e.https, e.plain = s.Listener.Addr().String(), p.Listener.Addr().String()
	for _, ca := range cas {
		ca.Point(e.https, e.plain)
	}
	return e
}

// obtain starts a manager and waits until each host has a certificate.
func obtain(t *testing.T, cfg Config, store state.Store, cas ...*acmestub.Server) *entrance {
	t.Helper()
	e := enter(t, cfg, store, cas...)
	e.Start(t.Context())
	waitAll(t, e.Manager)
	return e
}
