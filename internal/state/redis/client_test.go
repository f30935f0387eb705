package redis

import (
	"context"
	"crypto/tls"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/regate/regate/internal/problem"
)

// TestSilenceIsNoSignOfNoTLS of a server that has had it: it hangs.
func TestSilenceIsNoSignOfNoTLS(t *testing.T) {
	secured := httptest.NewTLSServer(nil) // for its certificate
	secured.Close()
	synctest.Test(t, func(t *testing.T) {
		hangs := false
		dial := securing(func(context.Context, string, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			t.Cleanup(func() { _ = theirs.Close() })
			if !hangs {
				go func() { _ = tls.Server(theirs, secured.TLS).Handshake() }()
			} else {
				go func() { _, _ = theirs.Read(make([]byte, 1<<10)) }()
			}
			return ours, nil
		}, &tls.Config{InsecureSkipVerify: true})
		ask := func(addr string, hung bool) error {
			hangs = hung
			c, err := dial(t.Context(), "tcp", addr)
			if err == nil {
				err = c.(*tls.Conn).NetConn().Close()
			}
			return err
		}
		if err := ask("one:6379", true); err == nil || (Config{TLS: &TLS{}}).advice(err) == "" {
			t.Errorf("at first: %v, want that it may have no TLS", err)
		}
		if err := ask("one:6379", false); err != nil {
			t.Fatal(err)
		}
		if err := ask("one:6379", true); err == nil || strings.Contains(err.Error(), noHandshake) {
			t.Errorf("later: %v, want that it does not answer", err)
		}
		if err := ask("two:6379", true); err == nil || !strings.Contains(err.Error(), noHandshake) {
			t.Errorf("another: %v, want that it may have no TLS", err)
		}
	})
}

// TestCheckNamesTheKey that is wrong, not the section.
func TestCheckNamesTheKey(t *testing.T) {
	t.Parallel()
	write := func(name, text string) string {
		file := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	key, empty := write("key", strings.Repeat("0f", 32)), write("empty", "")
	for want, cfg := range map[string]Config{
		"tls.ca":                 {TLS: &TLS{CA: empty}},
		"tls.cert":               {TLS: &TLS{Cert: empty, Key: empty}},
		"password_file":          {PasswordFile: empty},
		"sentinel_password_file": {SentinelPasswordFile: empty},
	} {
		cfg.Addrs, cfg.KeyFile = []string{"127.0.0.1:1"}, key
		err := cfg.Check()
		if list, ok := err.(problem.List); !ok || len(list) != 1 || list[0].Path != want {
			t.Errorf("Check() = %v, want one mistake at %s", err, want)
		}
	}
}
