package acme

import (
	"crypto/tls"
	"encoding/pem"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/mholt/acmez/v3/acme"
)

func encoded(typ string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: typ, Bytes: der}))
}

// newTestCA is the certificate of some CA, as PEM.
func newTestCA(t *testing.T, name string) string {
	t.Helper()
	cert, _, err := newRoot(name, []string{"a.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	return string(cert)
}

func TestClientCAs(t *testing.T) {
	one, two := newTestCA(t, "one"), newTestCA(t, "two")
	m := startManager(t, internal("a.example.com"), openStore(t))
	server := encoded("CERTIFICATE", m.shelf.view.Load().certs["a.example.com"][0].Leaf.Raw)
	for _, tt := range []struct {
		name, text string
		want       int    // CAs
		wantErr    string // "" is none
	}{
		{"one", one, 1, ""},
		{"two, and remarks", "the first\n" + one + "the second\n" + two + "\n", 2, ""},
		{"nothing", "", 0, "holds no certificate in PEM"},
		{"no PEM", "MIIB", 0, "holds no certificate in PEM"},
		{"a key", one + encoded("PRIVATE KEY", []byte("x")), 0, "holds a PRIVATE KEY"},
		{"no certificate", encoded("CERTIFICATE", []byte("x")), 0, "malformed"},
		{"cut off", one + two[:len(two)/2], 0, "holds PEM that cannot be read"},
		{"a certificate that is no CA's", one + server, 0, "is no CA certificate"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := internal("a.example.com")
			cfg.ClientCA = filepath.Join(t.TempDir(), "ca.pem")
			if err := os.WriteFile(cfg.ClientCA, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			cas, err := cfg.ClientCAs()
			if tt.wantErr == "" && (err != nil || len(cas) != tt.want) {
				t.Errorf("ClientCAs() = %d of them, %v; want %d", len(cas), err, tt.want)
			}
			for _, err := range []error{err, Check(cfg)} {
				if tt.wantErr == "" && err == nil {
					continue
				}
				if err == nil || !strings.HasPrefix(err.Error(), "client_ca: "+cfg.ClientCA+": ") || !strings.Contains(err.Error(), tt.wantErr) {
					t.Errorf("the error is %v, want %q", err, tt.wantErr)
				}
			}
			if _, err := m.Prepare(t.Context(), cfg); (err != nil) != (tt.wantErr != "") {
				t.Errorf("Prepare() = %v", err)
			}
		})
	}
	cfg := internal("a.example.com")
	cfg.ClientCA = filepath.Join(t.TempDir(), "nowhere")
	if _, err := cfg.ClientCAs(); err == nil || !strings.HasPrefix(err.Error(), "client_ca: open ") {
		t.Errorf("ClientCAs() of a file that is not there = %v", err)
	}
}

// TestClientsAreAsked from the commit on that says so, until the one that does
// not, and nothing else is different for them.
func TestClientsAreAsked(t *testing.T) {
	t.Parallel()
	m := startManager(t, internal("a.example.com"), openStore(t))
	hello := &tls.ClientHelloInfo{ServerName: "a.example.com", SupportedProtos: []string{"h2"}}
	asked := func(want bool) {
		t.Helper()
		cfg, err := m.TLSConfig().GetConfigForClient(hello)
		if err != nil || (cfg != nil) != want || want && (cfg.ClientAuth != tls.VerifyClientCertIfGiven || cfg.ClientCAs == nil) {
			t.Fatalf("the configuration for a client is %v, %v; want one that asks: %v", cfg, err, want)
		}
	}
	asked(false)
	cfg := internal("a.example.com")
	cfg.ClientCA = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(cfg.ClientCA, []byte(newTestCA(t, "one")), 0o600); err != nil {
		t.Fatal(err)
	}
	commit, err := m.Prepare(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	asked(false)
	commit()
	asked(true)

	got, _ := m.TLSConfig().GetConfigForClient(hello)
	got = got.Clone()
	got.ClientAuth, got.ClientCAs = 0, nil
	for _, field := range []string{"MinVersion", "CipherSuites", "NextProtos", "ClientCAs", "ClientAuth", "DynamicRecordSizingDisabled"} {
		a, b := reflect.ValueOf(m.TLSConfig()).Elem().FieldByName(field), reflect.ValueOf(got).Elem().FieldByName(field)
		if !reflect.DeepEqual(a.Interface(), b.Interface()) {
			t.Errorf("%s is %v for clients that are asked, and %v for others", field, b, a)
		}
	}
	if cert, err := got.GetCertificate(hello); err != nil || cert == nil {
		t.Errorf("no certificate for clients that are asked: %v", err)
	}

	commit, err = m.Prepare(t.Context(), internal("a.example.com"))
	if err != nil {
		t.Fatal(err)
	}
	commit()
	asked(false)
}

// TestServersOfACMEAreNotAsked: they show no certificate, and some might take
// the question for a mistake.
func TestServersOfACMEAreNotAsked(t *testing.T) {
	t.Parallel()
	m := newTestManager(t, internal("a.example.com"), openStore(t))
	cas, err := parseClientCAs([]byte(newTestCA(t, "one")))
	if err != nil {
		t.Fatal(err)
	}
	m.clients.Store(m.asking(cas))
	question := acme.Challenge{
		Type: acme.ChallengeTypeTLSALPN01, KeyAuthorization: "x",
		Identifier: acme.Identifier{Type: "dns", Value: "a.example.com"},
	}
	if err := m.challenges.Solvers(question.Type)[question.Type].Present(t.Context(), question); err != nil {
		t.Fatal(err)
	}
	cfg, err := m.TLSConfig().GetConfigForClient(&tls.ClientHelloInfo{ServerName: "a.example.com", SupportedProtos: []string{"acme-tls/1"}})
	if err != nil || cfg == nil || cfg.ClientAuth != tls.NoClientCert {
		t.Errorf("the configuration for a server of ACME is %+v, %v; want one that does not ask", cfg, err)
	}
}

func TestNoClientCAsBehindABalancer(t *testing.T) {
	err := Config{Mode: ModeProxied, ClientCA: "ca.pem"}.Validate()
	if err == nil || !strings.Contains(err.Error(), "client_ca: asks for certificates in the handshake") {
		t.Errorf("Validate() = %v", err)
	}
	if err := (Config{Mode: ModeInternal, Hosts: []string{"a.example.com"}, ClientCA: "ca.pem"}).Validate(); err != nil {
		t.Errorf("Validate() = %v", err)
	}
}
