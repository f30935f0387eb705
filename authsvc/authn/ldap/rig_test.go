package ldap

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/authn/ldap/ldaptest"
)

const (
	serviceDN       = "cn=gate,dc=example,dc=com"
	servicePassword = "between-the-two-of-us"
	people          = "ou=people,dc=example,dc=com"
)

// person is an account with the password "secret of UID".
func person(uid string, more ...string) ldaptest.Entry {
	e := ldaptest.Entry{
		DN:         "uid=" + uid + "," + people,
		Password:   "secret of " + uid,
		Attributes: map[string][]string{"uid": {uid}, "objectClass": {"person"}},
	}
	for i := 0; i+1 < len(more); i += 2 {
		e.Attributes[more[i]] = append(e.Attributes[more[i]], more[i+1])
	}
	return e
}

func group(cn string, members ...string) ldaptest.Entry {
	return ldaptest.Entry{
		DN:         "cn=" + cn + ",ou=groups,dc=example,dc=com",
		Attributes: map[string][]string{"cn": {cn}, "member": members},
	}
}

var service = ldaptest.Entry{DN: serviceDN, Password: servicePassword}

func secretOf(uid string) authn.Secret { return authn.Secret("secret of " + uid) }

// configOf is a configuration for some servers, in clear text.
func configOf(t testing.TB, servers ...*ldaptest.Server) Config {
	t.Helper()
	c := Config{
		BindDN: serviceDN, BindPasswordFile: file(t, servicePassword+"\n"),
		Base: people, Filter: "(&(objectClass=person)(uid=${account}))",
		ConnectTimeout: 5 * time.Second, Timeout: 5 * time.Second,
	}
	for _, s := range servers {
		c.Addrs = append(c.Addrs, s.Addr)
	}
	return c
}

func file(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func open(t testing.TB, cfg Config) *Directory {
	t.Helper()
	d, _ := openLogged(t, cfg)
	return d
}

func openLogged(t testing.TB, cfg Config) (*Directory, *observer.ObservedLogs) {
	t.Helper()
	core, logged := observer.New(zapcore.DebugLevel)
	d, err := New(cfg, zap.New(core))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d, logged
}

func login(ctx context.Context, d *Directory, account string, password authn.Secret) (authn.Identity, error) {
	return d.Authenticate(ctx, authn.Credentials{Account: account, Password: password})
}

// certificate is one for 127.0.0.1, and the file of who has signed it.
func certificate(t testing.TB) (cfg *tls.Config, ca string) {
	t.Helper()
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	ca = file(t, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})))
	return &tls.Config{Certificates: s.TLS.Certificates}, ca
}

// until waits for something to become true.
func until(t testing.TB, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !is(); {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within ten seconds", what)
		}
		time.Sleep(time.Millisecond) // between two looks
	}
}
