//go:build redis

package redis

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/regate/regate/internal/state"
	"github.com/regate/regate/internal/state/redis/redistest"
	"github.com/regate/regate/internal/state/statetest"
)

var unfitTests = []struct {
	name    string
	args    []string
	change  func(*Config)
	want    string // "" is fit
	wantLog string
}{
	{"as it should be", nil, nil, "", ""},
	{"a cache", []string{"--maxmemory-policy", "allkeys-lfu"}, nil, "throws away certificates and keys (maxmemory-policy allkeys-lfu)", ""},
	{"a cache that is wanted", []string{"--maxmemory-policy", "allkeys-lfu"}, func(c *Config) { c.AllowVolatile = true }, "", ""},
	{"throws away tokens", []string{"--maxmemory-policy", "volatile-lru"}, nil, "", "throws away tokens and revocations"},
	{"no disk", []string{"--appendonly", "no"}, nil, "keeps nothing on a disk", ""},
	{"no disk is wanted", []string{"--appendonly", "no"}, func(c *Config) { c.AllowVolatile = true }, "", ""},
	{"snapshots", []string{"--appendonly", "no", "--save", "60 1"}, nil, "", ""},
	{"no CONFIG", []string{"--appendonly", "no", "--rename-command", "CONFIG", ""}, nil, "", "whether it keeps snapshots"},
	{"no INFO", []string{"--rename-command", "INFO", ""}, nil, "", "INFO is forbidden"},
	{"a replica", []string{"--replicaof", "127.0.0.1 1"}, nil, "it is a replica", ""},
	{"a node of a Cluster", []string{"--cluster-enabled", "yes"}, nil, "say cluster: true", ""},
	{"no Cluster", nil, func(c *Config) { c.Cluster = true }, "cluster support disabled", ""},
	{"no password", []string{"--requirepass", "secret"}, nil, "NOAUTH", ""},
	{"no such database", nil, func(c *Config) { c.DB = 99 }, "DB index is out of range", ""},
}

func TestUnfit(t *testing.T) {
	t.Parallel()
	for _, tt := range unfitTests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := config(redistest.Start(t, tt.args...))
			if tt.change != nil {
				tt.change(&cfg)
			}
			core, said := observer.New(zap.WarnLevel)
			s, err := open(t.Context(), cfg, defaultPrefix, zap.New(core))
			if err == nil {
				defer s.Close()
				err = s.link.trouble()
			}
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("open: %v", err)
			case tt.want != "" && (!errors.Is(err, ErrUnfit) || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("open: %v, want %q", err, tt.want)
			}
			if n := said.Len(); n != min(len(tt.wantLog), 1) || n > 0 && !strings.Contains(said.All()[0].Message, tt.wantLog) {
				t.Errorf("log: %v, want %q", said.All(), tt.wantLog)
			}
		})
	}
}

func TestNewerSchema(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t)
	for text, want := range map[string]string{"2": "written by a newer regate (schema 2", "x": "none of ours"} {
		if err := cli(t, srv).Set(t.Context(), "rg:meta:version", text, 0).Err(); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), config(srv), nil); !errors.Is(err, ErrUnfit) || !strings.Contains(err.Error(), want) {
			t.Errorf("Open over schema %q = %v, want %q", text, err, want)
		}
	}
}

// leastRights are what docs/fleet.md gives the gate.
const leastRights = "on ~rg:* resetchannels &rg:* -@all +@connection +info +time +cluster|slots +eval +evalsha +scan " +
	"+get +set +setnx +del +exists +hget +hmget +hset +pexpire +persist +pttl +zadd +zrem +zrangebylex +publish +subscribe"

// TestLeastRightsStandInTheDocs as they are here.
func TestLeastRightsStandInTheDocs(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../../docs/fleet.md")
	if err != nil || !strings.Contains(string(text), "user regate "+strings.Replace(leastRights, "on ", "on >PASSWORD ", 1)+"\n") {
		t.Errorf("docs/fleet.md has other rights (%v)", err)
	}
}

// TestLeastRights runs all there is as a user who can do no more than it has to.
func TestLeastRights(t *testing.T) {
	srv := redistest.Start(t)
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []any{"ACL", "SETUSER", "regate", ">secret"}
	for word := range strings.FieldsSeq(strings.ReplaceAll(leastRights, "rg:", "*:")) { // each test has its prefix
		args = append(args, word)
	}
	if err := cli(t, srv).Do(t.Context(), args...).Err(); err != nil {
		t.Fatal(err)
	}
	cfg := config(srv)
	cfg.Username, cfg.PasswordFile = "regate", file
	statetest.Run(t, func(t *testing.T) state.Store { return openNew(t, cfg) })
}

// TestPasswordChanges: the file is read at each connection.
func TestPasswordChanges(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t, "--requirepass", "one")
	file := filepath.Join(t.TempDir(), "password")
	cfg := config(srv)
	cfg.PasswordFile = file
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("one\n")
	s := openNew(t, cfg)
	srv.Kill()
	breakLink(t, s)
	write("two\n")
	srv.Args = append(srv.Args, "--requirepass", "two")
	srv.Start(t)
	redistest.Soon(t, "the new password is used", func() error { return s.Health(t.Context()) })
}

func TestTLS(t *testing.T) {
	t.Parallel()
	cert, key := selfSigned(t)
	srv := redistest.StartTLS(t, cert, key)

	cfg := config(srv)
	cfg.TLS = &TLS{CA: cert, Cert: cert, Key: key, ServerName: "redis.test"}
	if err := openNew(t, cfg).Health(t.Context()); err != nil {
		t.Error(err)
	}
	for _, tt := range []struct {
		name  string
		trust *TLS
		want  string
	}{
		{"plain", nil, "if it wants TLS, set tls"},
		{"CAs of the system", &TLS{Cert: cert, Key: key, ServerName: "redis.test"}, "name a file with its CA in tls.ca"},
		{"another name", &TLS{CA: cert, Cert: cert, Key: key}, "say in tls.server_name"},
		{"no certificate", &TLS{CA: cert, ServerName: "redis.test"}, "name one in tls.cert and tls.key"},
	} {
		cfg.TLS = tt.trust
		if err := unreachable(t, cfg); !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v; want %q", tt.name, err, tt.want)
		}
	}
	cfg = config(redistest.Start(t))
	cfg.TLS = &TLS{CA: cert}
	if err := unreachable(t, cfg); !strings.Contains(err.Error(), "leave tls out") {
		t.Errorf("TLS with one that has none: %v", err)
	}
	cfg.TLS = &TLS{CA: key}
	if _, err := open(t.Context(), cfg, defaultPrefix, nil); err == nil || !strings.Contains(err.Error(), "tls.ca") {
		t.Errorf("a CA file without a certificate: %v", err)
	}
}

// unreachable is why a server cannot be asked that may yet be well.
func unreachable(t *testing.T, cfg Config) error {
	t.Helper()
	s, err := open(t.Context(), cfg, defaultPrefix, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err = s.link.trouble(); err == nil {
		t.Fatal("the state answers")
	}
	return err
}

// selfSigned writes a certificate for redis.test, which is its own CA.
func selfSigned(t *testing.T) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "redis.test"}, DNSNames: []string{"redis.test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	cert, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, kind string, der []byte) string {
		file := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	return write("cert.pem", "CERTIFICATE", cert), write("key.pem", "PRIVATE KEY", der)
}
