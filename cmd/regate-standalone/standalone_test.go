package main

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/regate/regate/acme"
	"github.com/regate/regate/authsvc/password"
	"github.com/regate/regate/cmd/internal/gate"
	"github.com/regate/regate/configs"
)

// newHome is in a directory with a short path, for the sockets.
func newHome(t *testing.T) home {
	t.Helper()
	dir, err := os.MkdirTemp("", "regate")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return home{filepath.Join(dir, "data")}
}

func TestFirstStartWritesAConfigurationThatLoads(t *testing.T) {
	h := newHome(t)
	secret, err := h.prepare("127.0.0.1:0")
	if err != nil || secret == "" {
		t.Fatalf("prepare() = %q, %v", secret, err)
	}
	file, err := configs.Load(h.config())
	if err != nil {
		t.Fatal(err)
	}
	if len(file.Warnings) > 0 {
		t.Errorf("warnings about our own file: %v", file.Warnings)
	}
	pool := password.NewPool(password.Options{})
	if err := pool.Compare(t.Context(), file.Auth.Users["admin"].Password, secret); err != nil {
		t.Errorf("the password does not fit the account: %v", err)
	}
	text, _ := os.ReadFile(h.config())
	info, _ := os.Stat(h.config())
	if strings.Contains(string(text), secret) || info.Mode().Perm() != 0o600 {
		t.Errorf("the configuration has the password, or is for all to read (%v)", info.Mode())
	}
}

func TestSecondStartChangesNothing(t *testing.T) {
	h := newHome(t)
	if _, err := h.prepare("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	before, _ := os.ReadFile(h.config())
	secret, err := h.prepare("127.0.0.1:1")
	after, _ := os.ReadFile(h.config())
	if secret != "" || err != nil || string(after) != string(before) {
		t.Errorf("second prepare() = %q, %v, changed: %v", secret, err, string(after) != string(before))
	}
}

// TestFailedFirstStartIsForgotten: the password was never shown, so the next
// start must make another.
func TestFailedFirstStartIsForgotten(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	h := newHome(t)
	if err := run(t.Context(), h.dir, taken.Addr().String()); err == nil {
		t.Fatal("run() on a port that is taken succeeds")
	}
	if _, err := os.Stat(h.config()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the configuration stays: %v", err)
	}
}

// TestMovedDirectory: it must not quietly begin anew in the old place.
func TestMovedDirectory(t *testing.T) {
	h := newHome(t)
	if _, err := h.prepare("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	moved := home{h.dir + "2"}
	if err := os.Rename(h.dir, moved.dir); err != nil {
		t.Fatal(err)
	}
	if err := run(t.Context(), moved.dir, "127.0.0.1:0"); err == nil || !strings.Contains(err.Error(), "if you have moved the directory") {
		t.Errorf("run() = %v", err)
	}
	if _, err := os.Stat(h.dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the old place is there again: %v", err)
	}
}

func TestPathTooLongForASocket(t *testing.T) {
	h := home{"/tmp/" + strings.Repeat("x", 100)}
	if _, err := h.prepare("127.0.0.1:0"); err == nil || !strings.Contains(err.Error(), "shorter --data") {
		t.Errorf("prepare() = %v", err)
	}
}

func TestRegistryIsBehindItsSocket(t *testing.T) {
	h := newHome(t)
	if _, err := h.prepare("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	inside, err := startRegistry(t.Context(), h)
	if err != nil {
		t.Fatal(err)
	}
	defer inside.Close()
	if info, err := os.Stat(h.socket()); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("socket: %v, %v", info.Mode(), err)
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", h.socket())
	}
	client := http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}
	res, err := client.Get("http://registry/v2/_catalog")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if body, _ := io.ReadAll(res.Body); res.StatusCode != 200 || string(body) != `{"repositories":[]}`+"\n" {
		t.Errorf("catalog: %d %s", res.StatusCode, body)
	}
}

func TestWelcome(t *testing.T) {
	var first, second strings.Builder
	facts := gate.Facts{Addrs: map[string]string{"https": "127.0.0.1:8443"}, CAFile: "/data/certs/ca.crt", CAFingerprint: "sha256:00"}
	home{"/data"}.welcome(&first, facts, "s3cret")
	home{"/data"}.welcome(&second, facts, "")
	for _, want := range []string{"s3cret", "https://localhost:8443", "docker login -u admin localhost:8443", "podman login --cert-dir /data/certs", "/data/certs/ca.crt", "sha256:00"} {
		if !strings.Contains(first.String(), want) {
			t.Errorf("no %q in\n%s", want, first.String())
		}
	}
	if !strings.Contains(second.String(), "the one that the first start printed") {
		t.Errorf("the second start says nothing of the password:\n%s", second.String())
	}
}

func TestWelcomeNamesHostsThatWait(t *testing.T) {
	f := gate.Facts{Hosts: []acme.Status{
		{Host: "localhost", NotAfter: time.Now()},
		{Host: "new.example.com", Pending: true},
		{Host: "r.example.com", Pending: true, Trouble: acme.Trouble{Reason: acme.ReasonCAA, Advice: "Add a record."}},
	}}
	var out strings.Builder
	home{"/data"}.welcome(&out, f, "")
	for _, want := range []string{"\n    new.example.com has no certificate yet\n", "\n    r.example.com has no certificate yet (caa)\n    Add a record.\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "localhost has no certificate") {
		t.Errorf("a host that has a certificate waits:\n%s", out.String())
	}
}
