//go:build registries

package token

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/regate/regate/internal/keyring"
	"github.com/regate/regate/internal/oci"
)

// TestRegistriesTakeOurTokensAcrossARotation is as its namesake in
// registry_test.go, with the programs that people run in place of their code:
// docker-registry is distribution 2.8, registry is 3.1. Neither is restarted.
func TestRegistriesTakeOurTokensAcrossARotation(t *testing.T) {
	for _, program := range []string{"docker-registry", "registry"} {
		t.Run(program, func(t *testing.T) {
			store, file := openStore(t), filepath.Join(t.TempDir(), "root.pem")
			var url string
			var tokens []string
			leaves := make(map[string]bool)
			for _, ago := range []time.Duration{70, 45, 44, 20, 19} {
				clock := func() time.Time { return time.Now().Add(-ago * time.Hour) }
				ring, err := keyring.Open(t.Context(), keyring.Options{Store: store, RootFile: file, Now: clock}, nil)
				if err != nil {
					t.Fatal(err)
				}
				if url == "" {
					url = startRegistry(t, program, file)
				}
				s, err := NewIssuer(Config{}, Parts{Keys: ring}).Issue(Claims{Scope: oci.NewScope(oci.CatalogAccess())})
				if err != nil {
					t.Fatal(err)
				}
				leaves[ring.Signer().KeyID] = true
				tokens = append(tokens, s.Text)
				for i, token := range tokens {
					if got := status(t, url+"_catalog", token); got != http.StatusOK {
						t.Errorf("token %d of %d: %d", i, len(tokens), got)
					}
				}
			}
			if len(leaves) != 3 {
				t.Errorf("%d leaves signed, want 3", len(leaves))
			}
			if got := status(t, url, newBench(t).issue(t, Claims{}).Text); got != http.StatusUnauthorized {
				t.Errorf("a token of another root: %d", got)
			}
		})
	}
}

// startRegistry returns the URL of a registry that trusts the root in file.
func startRegistry(t *testing.T, program, file string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr, dir := l.Addr().String(), t.TempDir()
	_ = l.Close() // for the registry to listen there
	config := fmt.Sprintf("version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: %s}}\nhttp: {addr: %s}\n"+
		"auth: {token: {realm: https://gate.example.com/auth, service: registry, issuer: regate, rootcertbundle: %s}}\n", dir, addr, file)
	configFile := filepath.Join(dir, "config.yml")
	if err := os.WriteFile(configFile, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "serve", configFile)
	cmd.Env = append(os.Environ(), "OTEL_TRACES_EXPORTER=none")
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	await(t, addr)
	return "http://" + addr + "/v2/"
}

func await(t *testing.T, addr string) {
	t.Helper()
	var err error
	for range 200 {
		var c net.Conn
		if c, err = net.Dial("tcp", addr); err == nil {
			_ = c.Close()
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("registry does not listen: %v", err)
}

func status(t *testing.T, url, token string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	return res.StatusCode
}
