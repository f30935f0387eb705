package upstream

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/regate/regate/internal/oci"
)

func newPool(t testing.TB, c Config, o Options) *Pool {
	t.Helper()
	p, err := New(c, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// get sends a request for /v2/ through the pool.
func get(t testing.TB, p *Pool) (string, error) {
	t.Helper()
	return send(t, p, http.MethodGet, nil)
}

func send(t testing.TB, p *Pool, method string, body io.Reader) (string, error) {
	t.Helper()
	e, done, err := p.Pick(Want{})
	if err != nil {
		return "", err
	}
	defer done()
	out, err := http.NewRequestWithContext(t.Context(), method, e.Target("/v2/", "a=b").String(), body)
	if err != nil {
		t.Fatal(err)
	}
	out.GetBody = nil
	res, err := e.RoundTrip(out)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return string(text), err
}

// target answers with what it was asked for.
func target(w http.ResponseWriter, r *http.Request) {
	text, _ := io.ReadAll(r.Body)
	_, _ = fmt.Fprintf(w, "%s %s%s", r.Proto, r.RequestURI, text)
}

func writeFile(t testing.TB, name, text string) string {
	t.Helper()
	name = filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestReached(t *testing.T) {
	plain := httptest.NewServer(http.HandlerFunc(target))
	defer plain.Close()
	secure := httptest.NewUnstartedServer(http.HandlerFunc(target))
	secure.EnableHTTP2 = true // offered, and not wanted
	secure.StartTLS()
	defer secure.Close()
	ca := writeFile(t, "ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw})))
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	local := &http.Server{Handler: http.HandlerFunc(target)}
	go func() { _ = local.Serve(l) }()
	defer local.Close()

	for _, tt := range []struct {
		name string
		c    Config
		want string
	}{
		{"plain", Config{Upstreams: []string{plain.URL}}, "HTTP/1.1 /v2/?a=b"},
		{"prefix", Config{Upstreams: []string{plain.URL + "/some/prefix/"}}, "HTTP/1.1 /some/prefix/v2/?a=b"},
		{"TLS", Config{Upstreams: []string{secure.URL}, TLS: TLS{CA: ca, ServerName: "example.com"}}, "HTTP/1.1 /v2/?a=b"},
		{"TLS of a stranger", Config{Upstreams: []string{secure.URL}}, ""},
		{"TLS for another name", Config{Upstreams: []string{secure.URL}, TLS: TLS{CA: ca, ServerName: "other.example"}}, ""},
		{"socket", Config{Upstreams: []string{"unix://" + socket}}, "HTTP/1.1 /v2/?a=b"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPool(t, tt.c, Options{})
			got, err := get(t, p)
			if got != tt.want || (err != nil) != (tt.want == "") {
				t.Errorf("got %q, %v; want %q", got, err, tt.want)
			}
			if up := p.States()[0].Up; up != (tt.want != "") {
				t.Errorf("up: %v", up)
			}
			body := strings.Repeat("x", 3*pieceSize/2)
			if got, err := send(t, p, http.MethodPut, strings.NewReader(body)); err == nil && got != tt.want+body {
				t.Errorf("a body of %d bytes arrived as %d", len(body), len(got)-len(tt.want))
			}
		})
	}
}

func TestFilesThatDoNotFit(t *testing.T) {
	none := writeFile(t, "empty.pem", "")
	for _, c := range []TLS{{CA: none}, {CA: none + "x"}, {Cert: none, Key: none}} {
		if _, err := New(Config{Upstreams: []string{"https://a"}, TLS: c}, Options{}); err == nil {
			t.Errorf("New() took %+v", c)
		}
	}
}

// TestUnknownCA: whoever reads that a certificate is not trusted has to know
// where to say that it is.
func TestUnknownCA(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	defer srv.Close()
	_, err := get(t, newPool(t, Config{Upstreams: []string{srv.URL}}, Options{Name: "main"}))
	if want := "certificate signed by unknown authority; registries.main.tls.ca is for the CA that has signed it"; err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestClientCertificateIsShown(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprint(w, len(r.TLS.PeerCertificates))
	}))
	srv.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	srv.StartTLS()
	defer srv.Close()
	pair := srv.TLS.Certificates[0]
	key, err := pemKey(pair)
	if err != nil {
		t.Fatal(err)
	}
	cert := writeFile(t, "cert.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]})))
	p := newPool(t, Config{Upstreams: []string{srv.URL}, TLS: TLS{CA: cert, Cert: cert, Key: writeFile(t, "key.pem", key)}}, Options{})
	if got, err := get(t, p); got != "1" || err != nil {
		t.Errorf("%q certificates were shown, %v", got, err)
	}
}

// TestWriteIsSentOnce has a registry that closes each connection after the
// first answer, without saying so, as if it were restarted.
func TestWriteIsSentOnce(t *testing.T) {
	var writes atomic.Int64
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go serveOnce(c, &writes)
		}
	}()
	p := newPool(t, Config{Upstreams: []string{"http://" + l.Addr().String()}}, Options{})
	for i := range 50 {
		if _, err := get(t, p); err != nil {
			t.Fatalf("read %d: %v", i, err)
		}
		if _, err := send(t, p, http.MethodPut, io.MultiReader(strings.NewReader("body"))); err != nil {
			t.Fatalf("write %d: %v", i, err)
		}
		if n := writes.Load(); n != int64(i+1) {
			t.Fatalf("%d writes arrived, want %d", n, i+1)
		}
	}
}

func serveOnce(c net.Conn, writes *atomic.Int64) {
	defer c.Close()
	r, err := http.ReadRequest(bufio.NewReader(c))
	if err != nil {
		return
	}
	if r.Method == http.MethodPut {
		writes.Add(1)
	}
	_, _ = io.Copy(io.Discard, r.Body)
	_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
}

func TestTimeouts(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer srv.Close()
	p := newPool(t, Config{Upstreams: []string{srv.URL}, HeaderTimeout: 20 * time.Millisecond, CommitTimeout: time.Hour}, Options{})
	if _, err := get(t, p); err == nil || p.States()[0].Up {
		t.Errorf("a read that is not answered: %v, up %v", err, p.States()[0].Up)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	e, done, _ := p.Pick(Want{})
	out, _ := http.NewRequestWithContext(ctx, http.MethodPut, e.Target("/v2/", "").String(), nil)
	if _, err := e.RoundTrip(out); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a write ended with %v, not with its client", err)
	}
	if busy := p.States()[0].Busy; busy != 1 {
		t.Errorf("%d requests under way, want 1", busy)
	}
	done()
	if busy := p.States()[0].Busy; busy != 0 {
		t.Errorf("%d requests under way, want 0", busy)
	}
}

func TestCredentials(t *testing.T) {
	mints := 0
	o := Options{Issuer: "regate", Service: "clients", Minter: MinterFunc(func(issuer, service, subject string, access []oci.Access) (string, error) {
		mints++
		if subject == "nobody" {
			return "", errors.New("no key")
		}
		return fmt.Sprintf("%s/%s/%s/%v", issuer, service, subject, access), nil
	})}
	pull := []oci.Access{{Type: oci.Repository, Name: "a", Actions: oci.Pull}}
	grant := oci.Grant{Subject: "ann", Scope: oci.NewScope(pull...), Bearer: oci.NewSecret("clients-own")}
	alive, expired := grant, grant
	alive.Expires, expired.Expires = time.Now().Add(time.Minute), time.Now().Add(-time.Second)
	strange := oci.Grant{Unchecked: oci.NewSecret("Basic clients-own")}
	for _, tt := range []struct {
		name  string
		trust Trust
		grant oci.Grant
		needs oci.Actions
		want  string // "" is an error
	}{
		{"none", Trust{}, grant, oci.Pull, "-"},
		{"basic", Trust{Mode: ModeBasic, Username: "u", Password: "p"}, grant, oci.Pull, "Basic dTpw"},
		{"token", Trust{Mode: ModeToken, Issuer: "i", Service: "s"}, grant, oci.Delete, "Bearer i/s/ann/[repository:a:delete]"},
		{"token for the anonymous", Trust{Mode: ModeToken, Issuer: "i", Service: "s"}, oci.Grant{}, oci.Pull, "Bearer i/s//[repository:a:pull]"},
		{"token that cannot be made", Trust{Mode: ModeToken, Issuer: "i", Service: "s"}, oci.Grant{Subject: "nobody"}, oci.Pull, ""},
		{"forward", Trust{Mode: ModeForward}, grant, oci.Pull, "Bearer clients-own"},
		{"forward of more than was granted", Trust{Mode: ModeForward}, grant, oci.Delete, "Bearer regate/clients/ann/[repository:a:delete]"},
		{"forward of what is alive", Trust{Mode: ModeForward}, alive, oci.Pull, "Bearer clients-own"},
		{"forward of what has expired", Trust{Mode: ModeForward}, expired, oci.Pull, "Bearer regate/clients/ann/[repository:a:pull]"},
		{"forward of what is for a namespace", Trust{Mode: ModeForward}, oci.Grant{Subject: "ann", Scope: grant.Scope, Bearer: grant.Bearer, Namespace: "docker.io"}, oci.Pull, "Bearer regate/clients/ann/[repository:a:pull]"},
		{"forward without a token", Trust{Mode: ModeForward}, oci.Grant{Subject: "ann", Scope: grant.Scope}, oci.Pull, "Bearer regate/clients/ann/[repository:a:pull]"},
		{"unchecked", Trust{Mode: ModeForward, Check: &no}, strange, oci.Pull, "Basic clients-own"},
		{"unchecked stranger", Trust{Mode: ModeForward, Check: &no}, oci.Grant{Unchecked: oci.NewSecret("")}, oci.Pull, "-"},
		{"forward of what is unchecked", Trust{Mode: ModeForward}, strange, oci.Pull, "Bearer regate/clients//[repository:a:pull]"},
		{"none for what is unchecked", Trust{}, strange, oci.Pull, "-"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPool(t, Config{Upstreams: address, Auth: tt.trust}, o)
			mints = 0
			for range 3 {
				out := &http.Request{Header: http.Header{}}
				err := p.endpoints[0].Credential.Set(out, tt.grant, []oci.Access{{Type: oci.Repository, Name: "a", Actions: tt.needs}})
				if (err != nil) != (tt.want == "") {
					t.Fatal(err)
				}
				got := strings.Join(out.Header.Values("Authorization"), "|")
				if err == nil && got != strings.TrimPrefix(tt.want, "-") {
					t.Errorf("the registry is shown %q, want %q", got, tt.want)
				}
			}
			if mints > 1 && tt.want != "" {
				t.Errorf("%d tokens were made for equal requests", mints)
			}
		})
	}
	if _, err := New(Config{Upstreams: address, Auth: Trust{Mode: ModeForward}}, Options{}); !errors.Is(err, errNoMinter) {
		t.Errorf("New() without a Minter: %v", err)
	}
}

func TestMintedTokensAreRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var made time.Time // of the newest token
		count := 0
		tokens := newTokens("i", "s", Options{Minter: MinterFunc(func(string, string, string, []oci.Access) (string, error) {
			made = time.Now()
			count++
			return fmt.Sprint(count), nil
		})})
		for range 600 {
			token, err := tokens.token("ann", nil)
			if err != nil || token != fmt.Sprint(count) || time.Since(made) > MintedLife/2 {
				t.Fatalf("token() = %q, %v, %v old", token, err, time.Since(made))
			}
			time.Sleep(time.Second)
		}
		if count > 11 {
			t.Errorf("%d tokens in ten minutes", count)
		}
	})
}

func TestUncheckedRegistry(t *testing.T) {
	var answer atomic.Int64
	answer.Store(503)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			t.Error("the probe showed credentials")
		}
		w.WriteHeader(int(answer.Load()))
	}))
	defer srv.Close()
	core, logs := observer.New(zap.ErrorLevel)
	p := newPool(t, Config{Upstreams: []string{srv.URL}, Auth: Trust{Mode: ModeForward, Check: &no}}, Options{Log: zap.New(core)})
	for _, step := range []struct {
		answer   int64
		wantOpen bool
		wantErr  bool // of the probe
		wantLogs int
	}{
		{503, false, true, 0}, // nobody knows yet
		{401, true, false, 0},
		{503, true, true, 0}, // as before
		{200, false, false, 1},
		{200, false, false, 1}, // said once
		{503, false, true, 1},
		{401, true, false, 1},
	} {
		answer.Store(step.answer)
		err := p.Probe(t.Context())
		_, _, pickErr := p.Pick(Want{})
		if (err != nil) != step.wantErr || (pickErr == nil) != step.wantOpen || logs.Len() != step.wantLogs {
			t.Errorf("after %d: Probe %v, Pick %v, %d lines; want %+v", step.answer, err, pickErr, logs.Len(), step)
		}
	}
}

func TestRunProbesUntilItsEnd(t *testing.T) {
	probed := make(chan struct{}, 1)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
		probed <- struct{}{}
	}))
	defer srv.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-probed
		cancel()
	}()
	newPool(t, Config{Upstreams: []string{srv.URL}, Auth: Trust{Mode: ModeForward, Check: &no}}, Options{}).Run(ctx)
	newPool(t, Config{Upstreams: []string{srv.URL}}, Options{}).Run(context.Background()) // nothing to do
}

func pemKey(pair tls.Certificate) (string, error) {
	der, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), err
}
