package gate

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/regate/regate/configs"
)

// patience bounds every wait of these tests.
const patience = 20 * time.Second

// A running gate and a client that trusts its CA alone.
type running struct {
	Facts
	t      *testing.T
	config string // path
	log    string // path
	https  *http.Client
	reload chan os.Signal
	stop   context.CancelFunc
	done   chan error
}

// config is a small configuration, with what a test adds at the top level.
func config(t *testing.T, upstream, more string) string {
	t.Helper()
	dir := t.TempDir()
	text := fmt.Sprintf(`
listen: {https: "127.0.0.1:0", http: "127.0.0.1:0", admin: "127.0.0.1:0", grace: 0s, drain: 10s}
tls: {hosts: [127.0.0.1], mode: internal}
registries: {main: {upstreams: [%q]}}
auth:
  users: {"dev": {password: %q}}
  acl: [{match: {account: "dev"}, actions: ["*"]}]
state: {path: %q}
log: {format: json}
%s`, upstream, devHash, filepath.Join(dir, "state"), more)
	path := filepath.Join(dir, "regate.yaml")
	write(t, path, text)
	return path
}

// devHash is of "secret", with the lowest cost.
const devHash = "$2a$04$HEH8ui6QjTQ92q4Uudh9u.2kkRkriWuEjt6GhgCs7l6.GYoWtWeFq"

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// changed is path with a text replaced that is in it.
func changed(t *testing.T, path, old, with string) string {
	t.Helper()
	(&running{t: t, config: path}).edit(old, with)
	return path
}

// edit replaces a text that is in the configuration.
func (g *running) edit(old, with string) {
	g.t.Helper()
	text, err := os.ReadFile(g.config)
	if err != nil || !bytes.Contains(text, []byte(old)) {
		g.t.Fatalf("no %q in the configuration (%v)", old, err)
	}
	write(g.t, g.config, strings.Replace(string(text), old, with, 1))
}

// serving is Serve, or what a test has in its place.
type serving func(context.Context, Options) error

// start runs a gate until the test is over, and waits for its certificate.
func start(t *testing.T, config string) *running {
	t.Helper()
	return startAs(t, config, Serve)
}

// startOpen is start where the test can reach inside.
func startOpen(t *testing.T, config string) (*running, *process) {
	t.Helper()
	var p *process
	g := startAs(t, config, func(ctx context.Context, o Options) error {
		file, err := configs.Load(o.Path)
		if err != nil {
			return err
		}
		if p, err = open(ctx, o, file); err != nil {
			return err
		}
		defer p.close()
		return p.serve(ctx)
	})
	return g, p
}

func startAs(t *testing.T, config string, serve serving) *running {
	t.Helper()
	g := startPlainAs(t, config, serve)
	g.https = clientOf(t, g.CAFile)
	g.until("a certificate", func() bool {
		res, err := g.https.Get("https://" + g.Addrs["https"] + "/healthz")
		if err == nil {
			_ = res.Body.Close()
		}
		return err == nil
	})
	return g
}

// startPlain runs a gate until the test is over.
func startPlain(t *testing.T, config string) *running {
	t.Helper()
	return startPlainAs(t, config, Serve)
}

func startPlainAs(t *testing.T, config string, serve serving) *running {
	t.Helper()
	g := &running{t: t, config: config, log: config + ".log", reload: make(chan os.Signal), done: make(chan error, 1)}
	log, err := os.Create(g.log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	g.stop = stop
	ready := make(chan Facts, 1)
	go func() {
		g.done <- serve(ctx, Options{Path: config, Version: "test", Log: log, Reload: g.reload, Ready: func(f Facts) { ready <- f }})
		_ = log.Close()
	}()
	t.Cleanup(func() {
		stop()
		if !t.Failed() {
			g.ends()
		}
	})
	select {
	case g.Facts = <-ready:
	case err := <-g.done:
		t.Fatalf("Serve: %v", err)
	case <-time.After(patience):
		t.Fatal("the gate does not start")
	}
	return g
}

func clientOf(t *testing.T, caFile string) *http.Client {
	t.Helper()
	roots := x509.NewCertPool()
	if caFile != "" {
		pem, err := os.ReadFile(caFile)
		if err != nil || !roots.AppendCertsFromPEM(pem) {
			t.Fatalf("no CA in %s (%v)", caFile, err)
		}
	}
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// until waits for something to become true.
func (g *running) until(what string, is func() bool) {
	g.t.Helper()
	for deadline := time.Now().Add(patience); !is(); {
		if time.Now().After(deadline) {
			log, _ := os.ReadFile(g.log)
			g.t.Fatalf("%s: not within %v; the log:\n%s", what, patience, log)
		}
		time.Sleep(5 * time.Millisecond) // between two looks
	}
}

// untilStatus waits for an answer with this status.
func (g *running) untilStatus(url string, want int) {
	g.t.Helper()
	g.until(fmt.Sprintf("%d from %s", want, url), func() bool {
		res, err := g.https.Get(url)
		if err != nil {
			return false
		}
		_ = res.Body.Close()
		return res.StatusCode == want
	})
}

// ends waits for Serve to return nil.
func (g *running) ends() {
	g.t.Helper()
	select {
	case err := <-g.done:
		if err != nil {
			g.t.Errorf("Serve() = %v", err)
		}
		g.done <- err
	case <-time.After(patience):
		g.t.Fatal("the gate does not stop")
	}
}

// upload begins an upload and returns where it goes on, which is a path.
func (g *running) upload(repo, authorization string) string {
	g.t.Helper()
	status, body, next := g.write(http.MethodPost, "/v2/"+repo+"/blobs/uploads/", authorization)
	if status != http.StatusAccepted {
		g.t.Fatalf("POST: %d %s", status, body)
	}
	return next
}

// write sends a request without a body, and returns the path of the Location
// in its answer.
func (g *running) write(method, path, authorization string) (status int, body, next string) {
	g.t.Helper()
	origin := "https://" + g.Addrs["https"]
	r, err := http.NewRequestWithContext(g.t.Context(), method, origin+path, nil)
	if err != nil {
		g.t.Fatal(err)
	}
	r.Header.Set("Authorization", authorization)
	res, err := g.https.Do(r)
	if err != nil {
		g.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		g.t.Fatal(err)
	}
	return res.StatusCode, string(text), strings.TrimPrefix(res.Header.Get("Location"), origin)
}

// get asks a listener for a path.
func (g *running) get(listener, path string, header ...string) (int, string, http.Header) {
	g.t.Helper()
	scheme := "http"
	if listener == "https" {
		scheme = "https"
	}
	r, err := http.NewRequestWithContext(g.t.Context(), http.MethodGet, scheme+"://"+g.Addrs[listener]+path, nil)
	if err != nil {
		g.t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
		}
		r.Header.Set(header[i], header[i+1])
	}
	res, err := g.https.Do(r)
	if err != nil {
		g.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		g.t.Fatal(err)
	}
	return res.StatusCode, string(body), res.Header
}

func (g *running) logged(text string) bool {
	log, _ := os.ReadFile(g.log)
	return bytes.Contains(log, []byte(text))
}
