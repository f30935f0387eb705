package ldap

import (
	"crypto/tls"
	"strings"
	"testing"

	"github.com/regate/regate/authsvc/authn/ldap/ldaptest"
)

func TestTLS(t *testing.T) {
	good, ca := certificate(t)
	for _, mode := range []string{tlsStart, tlsAlways} {
		t.Run(mode, func(t *testing.T) {
			s := ldaptest.Start(t, ldaptest.Options{TLS: good, LDAPS: mode == tlsAlways}, service, person("alice"))
			cfg := configOf(t, s)
			cfg.TLS, cfg.CACertificate = mode, ca
			if _, err := login(t.Context(), open(t, cfg), "alice", "secret of alice"); err != nil {
				t.Fatal(err)
			}
			for _, r := range s.Requests("") {
				if !r.Secure && r.Op != ldaptest.StartTLS {
					t.Errorf("a %s in clear text", r.Op)
				}
			}
			before := len(s.Requests(ldaptest.Bind))
			cfg.CACertificate = ""
			_, err := login(t.Context(), open(t, cfg), "alice", "secret of alice")
			if err == nil || refused(err) || !strings.Contains(err.Error(), "certificate") {
				t.Errorf("with a CA that is not trusted: %v", err)
			}
			if len(s.Requests(ldaptest.Bind)) > before {
				t.Error("a password was sent to a server that is not trusted")
			}
			cfg.InsecureTLSSkipVerify = true
			if _, err := login(t.Context(), open(t, cfg), "alice", "secret of alice"); err != nil {
				t.Errorf("without a look at the certificate: %v", err)
			}
		})
	}
}

// TestOtherNameIsNotTrusted: a certificate by the right CA, for somebody else.
func TestOtherNameIsNotTrusted(t *testing.T) {
	good, ca := certificate(t)
	s := ldaptest.Start(t, ldaptest.Options{TLS: good, LDAPS: true}, service, person("alice"))
	cfg := configOf(t, s)
	cfg.Addrs[0] = strings.Replace(s.Addr, "127.0.0.1", "localhost", 1)
	cfg.TLS, cfg.CACertificate = tlsAlways, ca
	_, err := login(t.Context(), open(t, cfg), "alice", "secret of alice")
	if err == nil || !strings.Contains(err.Error(), "localhost") || len(s.Requests("")) > 0 {
		t.Errorf("Authenticate() = %v, after %v", err, s.Requests(""))
	}
}

// TestStartTLSIsNotLeftOut where a server has none, or somebody on the way says
// so: the password is not sent.
func TestStartTLSIsNotLeftOut(t *testing.T) {
	good, ca := certificate(t)
	for name, s := range map[string]*ldaptest.Server{
		"has none":  ldaptest.Start(t, ldaptest.Options{}, service, person("alice")),
		"is TLS":    ldaptest.Start(t, ldaptest.Options{TLS: good, LDAPS: true}, service, person("alice")),
		"old TLS":   ldaptest.Start(t, ldaptest.Options{TLS: &tls.Config{Certificates: good.Certificates, MaxVersion: tls.VersionTLS11}}, service, person("alice")),
		"refuses":   refusing(ldaptest.Start(t, ldaptest.Options{TLS: good}, service, person("alice")), &ldaptest.Fault{Code: 52}),
		"hangs up":  refusing(ldaptest.Start(t, ldaptest.Options{TLS: good}, service, person("alice")), &ldaptest.Fault{Close: true}),
		"is broken": refusing(ldaptest.Start(t, ldaptest.Options{TLS: good}, service, person("alice")), &ldaptest.Fault{Raw: make([]byte, 9)}),
	} {
		cfg := configOf(t, s)
		cfg.TLS, cfg.CACertificate = tlsStart, ca
		cfg.ConnectTimeout = 2e9
		if _, err := login(t.Context(), open(t, cfg), "alice", "secret of alice"); err == nil || refused(err) {
			t.Errorf("%s: %v", name, err)
		}
		if n := len(s.Requests(ldaptest.Bind)) + len(s.Requests(ldaptest.Search)); n > 0 {
			t.Errorf("%s: %d questions after it", name, n)
		}
	}
}

func refusing(s *ldaptest.Server, f *ldaptest.Fault) *ldaptest.Server {
	s.Fail(only(ldaptest.StartTLS, f))
	return s
}
