package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/regate/regate/configs"
	"github.com/regate/regate/configs/dockerauth"
)

// A moved is a file of docker_auth's on its way.
type moved struct {
	source string // path
	yaml   string // path of the result
	said   string
}

// imported calls the command, and has check look at the result.
func imported(t *testing.T, source string) moved {
	t.Helper()
	m := moved{source: filepath.Join(t.TempDir(), "auth.yml"), yaml: filepath.Join(t.TempDir(), "regate.yaml")}
	write(t, m.source, source)
	code, out, errText := called(t, "", "import", "docker_auth", m.source)
	if code != 0 {
		t.Fatalf("regate import docker_auth: %d %s", code, errText)
	}
	m.said = errText
	write(t, m.yaml, out)
	if code, out, errText := called(t, "", "check", "-c", m.yaml); code != 0 || out != "ok\n" {
		t.Fatalf("check refuses the result: %d %s%s", code, out, errText)
	}
	return m
}

// TestImportIsInterrupted by the first signal, whatever it waits for.
func TestImportIsInterrupted(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, interrupt := context.WithCancel(t.Context())
	interrupt()
	var out bytes.Buffer
	errFile, err := os.Create(filepath.Join(t.TempDir(), "err"))
	if err != nil {
		t.Fatal(err)
	}
	defer errFile.Close()
	code := run(ctx, []string{"import", "docker_auth", pipe}, streams{strings.NewReader(""), &out, errFile})
	if said, _ := os.ReadFile(errFile.Name()); code != exitError || out.Len() > 0 || string(said) != "interrupted\n" {
		t.Errorf("exit code %d, %q, %q", code, out.String(), said)
	}
	if w, err := os.OpenFile(pipe, os.O_WRONLY|syscall.O_NONBLOCK, 0); err == nil { // whoever still waits goes on
		_ = w.Close()
	}
}

func (m moved) load(t *testing.T) *configs.File {
	t.Helper()
	file, err := configs.Load(m.yaml)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// certificate writes one with these names, and its key.
func certificate(t *testing.T, names ...string) (cert, key string) {
	t.Helper()
	template := &x509.Certificate{Subject: pkix.Name{CommonName: "old.test"}, KeyUsage: x509.KeyUsageDigitalSignature}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, n)
		}
	}
	c, k := signed(t, newTestCA(t, "CA", nil), template)
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(t.TempDir(), "server.pem"), filepath.Join(t.TempDir(), "server.key")
	write(t, cert, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})))
	write(t, key, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
	if _, err := tls.LoadX509KeyPair(cert, key); err != nil {
		t.Fatal(err)
	}
	return cert, key
}

const oldRules = `token: {issuer: Acme, expiration: 900}
users: {alice: {password: "` + hash + `"}}
acl: [{match: {account: alice}, actions: ["*"]}]
`

// TestImportFindsNames: the gate answers for the names in the certificate.
func TestImportFindsNames(t *testing.T) {
	cert, key := certificate(t, "registry.acme.test", "10.0.0.5")
	m := imported(t, fmt.Sprintf("server: {addr: \":5001\", certificate: %q, key: %q}\n", cert, key)+oldRules)
	if tls := m.load(t).TLS; tls.Mode != "files" || !slices.Equal(tls.Hosts, []string{"registry.acme.test", "10.0.0.5"}) || tls.Files[0].Cert != cert {
		t.Errorf("tls = %+v", tls)
	}
}

// TestImportDoesWithout: what is not on this machine does not keep check from
// taking the result.
func TestImportDoesWithout(t *testing.T) {
	nameless, key := certificate(t)
	_, other := certificate(t, "registry.acme.test")
	for _, tt := range []struct{ name, source, want string }{
		{"no certificate", "server: {certificate: /nowhere/c.pem, key: /nowhere/k.pem}\n", "server.certificate: cannot be used as it is: open /nowhere/c.pem"},
		{"a name in the subject alone", fmt.Sprintf("server: {certificate: %q, key: %q}\n", nameless, key), "no name in it that clients would look at"},
		{"the key of another", fmt.Sprintf("server: {certificate: %q, key: %q}\n", nameless, other), "private key does not match"},
		{"no program", "ext_auth: {command: /nowhere/login}\next_authz: {command: nowhere-may}\n", "ext_auth: is a comment until the program is here: "},
		{"no password", "ldap_auth: {addr: \"ldap.test:636\", base: dc=test, filter: \"(uid=${account})\", bind_dn: cn=x, bind_password_file: /nowhere/p}\n",
			"ldap_auth: is a comment until its files are here: "},
		{"no CA", "ldap_auth: {addr: \"ldap.test:636\", base: dc=test, filter: \"(uid=${account})\", ca_certificate: " + key + "}\n",
			"ldap_auth: is a comment until its files are here: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := imported(t, tt.source+oldRules)
			if !strings.Contains(m.said, tt.want) {
				t.Errorf("the report has no %q:\n%s", tt.want, m.said)
			}
			if file := m.load(t); file.TLS.Mode != "internal" || file.Auth.ExtAuth != nil || len(file.Auth.LDAPAuth) > 0 {
				t.Errorf("the result asks for what is not there: %+v", file)
			}
		})
	}
}

func TestImportKeepsWhatIsHere(t *testing.T) {
	file := imported(t, "ext_auth: {command: \"true\"}\next_authz: {command: /bin/false, args: [\"a b\"]}\n"+
		"ldap_auth: {addr: \"ldap.test:636\", base: dc=test, filter: \"(uid=${account})\"}\n"+oldRules).load(t)
	if file.Auth.ExtAuth.Command != "true" || file.Auth.ExtAuthz.Args[0] != "a b" || file.Auth.LDAPAuth[0].Addr != "ldap.test:636" {
		t.Errorf("auth = %+v", file.Auth)
	}
}

func TestImportJSON(t *testing.T) {
	m := imported(t, oldRules)
	_, _, errText := called(t, "", "import", "docker_auth", "--json", m.source)
	var report dockerauth.Report
	if err := json.Unmarshal([]byte(errText), &report); err != nil {
		t.Fatalf("%v\n%s", err, errText)
	}
	i := slices.IndexFunc(report, func(f dockerauth.Finding) bool { return f.Path == "users.alice" })
	if want := (dockerauth.Finding{Line: 2, Last: 2, Kind: dockerauth.Kept, Path: "users.alice"}); i < 0 || report[i] != want {
		t.Errorf("report = %+v, want %+v in it", report, want)
	}
}

func TestImportRefuses(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "broken.yml"), "users: {\n  a: {password: *secret}\n")
	write(t, filepath.Join(dir, "registry.yml"), "version: 0.1\nhttp: {addr: \":5000\"}\n")
	write(t, filepath.Join(dir, "large.yml"), "users: {}\n"+strings.Repeat("#\n", dockerauth.MaxSource/2))
	for _, tt := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"no file", []string{filepath.Join(dir, "none.yml")}, 1, "none.yml: no such file"},
		{"no YAML", []string{filepath.Join(dir, "broken.yml")}, 1, "broken.yml:2: a value that begins with * stands for an anchor"},
		{"nothing of docker_auth's", []string{filepath.Join(dir, "registry.yml")}, 1, "registry.yml: has none of docker_auth's sections"},
		{"too large", []string{filepath.Join(dir, "large.yml")}, 1, "large.yml: larger than 4 MiB"},
		{"no argument", nil, 2, "name one file"},
		{"two arguments", []string{"a", "b"}, 2, "name one file"},
	} {
		code, out, errText := called(t, "", append([]string{"import", "docker_auth"}, tt.args...)...)
		if code != tt.code || out != "" || !strings.Contains(errText, tt.want) || strings.Contains(errText, "secret") {
			t.Errorf("%s: exit %d, %q, %s", tt.name, code, out, errText)
		}
	}
	if code, _, errText := called(t, "", "import", "portus", "x"); code != 2 || !strings.Contains(errText, `there is no command "portus"`) {
		t.Errorf("import of something else: %d %s", code, errText)
	}
}
