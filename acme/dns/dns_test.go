package dns

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/libdns/cloudflare"

	"github.com/regate/regate/internal/problem"
)

func TestNewReadsSecrets(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		write(t, path, text)
		return path
	}
	missing := filepath.Join(dir, "missing")
	empty, odd := file("empty", " \n"), file("odd", "not base64, but hunter2")
	rfc := func(path string) Config {
		return Config{RFC2136: &RFC2136{Server: "127.0.0.1:53", KeyName: "k", KeyFile: path}}
	}
	token := func(path string) Config { return Config{Cloudflare: &Cloudflare{TokenFile: path}} }
	for _, tt := range []struct {
		name       string
		cfg        Config
		path, want string
	}{
		{"no key", rfc(missing), "rfc2136.key_file", "no such file"},
		{"empty key", rfc(empty), "rfc2136.key_file", "is empty"},
		{"odd key", rfc(odd), "rfc2136.key_file", "holds no key in base64"},
		{"key of nothing", rfc(file("nothing", `secret "";`)), "rfc2136.key_file", "holds no key in base64"},
		{"no token", token(missing), "cloudflare.token_file", "no such file"},
		{"empty token", token(empty), "cloudflare.token_file", "is empty"},
	} {
		_, err := New(tt.cfg, nil)
		var l problem.List
		if !errors.As(err, &l) || l[0].Path != tt.path || !strings.Contains(l[0].Msg, tt.want) || strings.Contains(l[0].Msg, "hunter2") {
			t.Errorf("%s: New: %v, want %s: %s", tt.name, err, tt.path, tt.want)
		}
	}
	parts, err := New(token(file("token", "t0ken\n")), nil)
	if err != nil {
		t.Fatal(err)
	}
	if p, ok := parts.Provider.(*cloudflare.Provider); !ok || p.APIToken != "t0ken" || p.HTTPClient == nil {
		t.Errorf("cloudflare is given %+v", parts.Provider)
	}
}

// The library would end the process.
func TestRoute53WithoutSettingsIsAnError(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none")
	for _, name := range []string{"AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"} {
		t.Setenv(name, none)
	}
	if _, err := os.Stat(none); err == nil {
		t.Fatal("there is a file")
	}
	parts, err := New(Config{Route53: &Route53{Profile: "none"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, call := range []func() error{
		func() error { _, err := parts.Provider.AppendRecords(t.Context(), zone, challenge); return err },
		func() error { _, err := parts.Provider.DeleteRecords(t.Context(), zone, challenge); return err },
	} {
		if err := call(); err == nil || !strings.Contains(err.Error(), "settings of AWS") {
			t.Errorf("without settings: %v", err)
		}
	}
}
