package gate

import (
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/regate/regate/configs"
)

// tagged is a registry with an empty catalog and a tag.
func tagged(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"repositories":[],"name":"web/shop","tags":["1"]}`)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

const (
	tagsOfShop = "/v2/web/shop/tags/list"
	tagsOfOps  = "/v2/ops/x/tags/list"
)

// What a client gets that shows a certificate for build.ci.
var certificateTests = []struct {
	name     string
	path     string
	header   string // Authorization
	want     int
	wantBody string
}{
	{"a repository", tagsOfShop, "", 200, "web/shop"},
	{"the catalog", "/v2/_catalog", "", 200, "repositories"},
	{"what it may not", tagsOfOps, "", 401, "ci-build may not pull from ops/x"},
	{"docker is told where tokens are", "/v2/", "", 401, "authentication required"},
	{"somebody who logs in", tagsOfOps, basic, 200, "tags"},
	{"somebody who cannot log in", tagsOfShop, wrong, 401, "wrong user name or password"},
	{"a token that is none", tagsOfShop, "Bearer x", 401, "token is not valid"},
	{"another scheme", tagsOfShop, "Negotiate x", 401, "authentication required"},

	{"a token", "/auth?scope=repository:web/shop:pull,push", "", 200, `"scope":"repository:web/shop:pull"`},
	{"a token for the account", "/auth?account=ci-build&scope=repository:web/shop:pull", "", 200, `"scope":"repository:web/shop:pull"`},
	{"a token for another account", "/auth?account=dev&scope=repository:web/shop:pull", "", 400, "account is not the user that logs in"},
	{"a token for somebody who logs in", "/auth?account=dev&scope=repository:ops/x:pull", basic, 200, `"scope":"repository:ops/x:pull"`},
	{"no token for somebody who cannot", "/auth?scope=repository:web/shop:pull", wrong, 401, "wrong user name or password"},
	{"no token for another scheme", "/auth", "Negotiate x", 401, "log in with Basic credentials"},
}

func TestClientCertificateIsALogin(t *testing.T) {
	t.Parallel()
	ca := newClientCA(t, "clients")
	path, _ := asking(t, tagged(t), ca)
	g := start(t, path)
	for version, number := range versions {
		pair := ca.client(t, "build.ci")
		c := g.as(g.show(&pair, number))
		for _, tt := range certificateTests {
			var shown []string
			if tt.header != "" {
				shown = []string{"Authorization", tt.header}
			}
			status, body, header := c.get("https", tt.path, shown...)
			if status != tt.want || !strings.Contains(body, tt.wantBody) {
				t.Errorf("%s, %s: %d %s, want %d with %s", version, tt.name, status, body, tt.want, tt.wantBody)
			}
			if challenged := header.Get("Www-Authenticate") != ""; challenged != (status == 401 && strings.HasPrefix(tt.path, "/v2/")) {
				t.Errorf("%s, %s: %d with the challenge %q", version, tt.name, status, header.Get("Www-Authenticate"))
			}
		}
	}
	if status, _, _ := g.get("https", tagsOfShop); status != 401 {
		t.Errorf("without a certificate: %d, want 401", status)
	}
	g.until("the account in the log", func() bool { return g.logged(`"subject":"ci-build"`) })
}

// TestTokenOfACertificate is used by whoever has it, as any token is; that
// another certificate is shown beside it makes no difference.
func TestTokenOfACertificate(t *testing.T) {
	t.Parallel()
	ca := newClientCA(t, "clients")
	path, _ := asking(t, tagged(t), ca)
	g := start(t, path)
	build, stranger := ca.client(t, "build.ci"), ca.client(t, "stranger")
	_, body, _ := g.as(g.show(&build, tls.VersionTLS13)).get("https", "/auth?scope=repository:web/shop:pull")
	var reply struct{ Token string }
	if err := json.Unmarshal([]byte(body), &reply); err != nil {
		t.Fatal(err)
	}
	other := g.as(g.show(&stranger, tls.VersionTLS13))
	if status, body, _ := other.get("https", tagsOfShop, "Authorization", "Bearer "+reply.Token); status != 200 {
		t.Errorf("with the token: %d %s", status, body)
	}
	for _, path := range []string{tagsOfShop, "/auth"} {
		if status, body, _ := other.get("https", path); status != 401 || !strings.Contains(body, "no account here goes with this client certificate") {
			t.Errorf("GET %s with a certificate that is nobody's: %d %s", path, status, body)
		}
	}
}

// TestBadCertificatesEndTheHandshake: nobody becomes anonymous because nobody
// noticed that a certificate has expired.
func TestBadCertificatesEndTheHandshake(t *testing.T) {
	t.Parallel()
	ca, strangers := newClientCA(t, "clients"), newClientCA(t, "clients")
	path, _ := asking(t, tagged(t), ca)
	g := start(t, path)
	now := time.Now()
	template := func(change func(*x509.Certificate)) *x509.Certificate {
		c := forClient("build.ci")
		change(c)
		return c
	}
	alone := clientCA{cert: forClient("build.ci")}
	for name, pair := range map[string]tls.Certificate{
		"expired":          ca.issue(t, template(func(c *x509.Certificate) { c.NotBefore, c.NotAfter = now.Add(-time.Hour), now.Add(-time.Minute) })),
		"not yet valid":    ca.issue(t, template(func(c *x509.Certificate) { c.NotBefore, c.NotAfter = now.Add(time.Hour), now.Add(2*time.Hour) })),
		"of a server":      ca.issue(t, template(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} })),
		"of another CA":    strangers.client(t, "build.ci"),
		"signed by itself": alone.issue(t, alone.cert),
		"below a client":   belowClient(t, ca),
	} {
		for version, number := range versions {
			res, err := g.show(&pair, number).Get("https://" + g.Addrs["https"] + tagsOfShop)
			if err == nil {
				_ = res.Body.Close()
				t.Errorf("%s, a certificate %s: %s, want no handshake", version, name, res.Status)
			}
		}
	}
}

// belowClient is a certificate that a client has made with its own.
func belowClient(t *testing.T, ca clientCA) tls.Certificate {
	t.Helper()
	client := ca.client(t, "x")
	pair := clientCA{client.Leaf, client.PrivateKey.(*ecdsa.PrivateKey)}.client(t, "build.ci")
	pair.Certificate = append(pair.Certificate, client.Certificate...)
	return pair
}

// TestOneCAForServersAndClients: where one CA is for servers and clients,
// the certificate of a server opens nothing.
func TestOneCAForServersAndClients(t *testing.T) {
	t.Parallel()
	ca := newClientCA(t, "company")
	path, _ := asking(t, tagged(t), ca)
	g := start(t, path)
	server := ca.issue(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "build.ci"}, DNSNames: []string{"build.ci"},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	both := ca.issue(t, &x509.Certificate{
		Subject:     pkix.Name{CommonName: "build.ci"},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
	if res, err := g.show(&server, tls.VersionTLS13).Get("https://" + g.Addrs["https"] + tagsOfShop); err == nil {
		_ = res.Body.Close()
		t.Errorf("the certificate of a server: %s", res.Status)
	}
	if status, body, _ := g.as(g.show(&both, tls.VersionTLS13)).get("https", tagsOfShop); status != 200 {
		t.Errorf("the certificate of a server that is a client too: %d %s", status, body)
	}
}

// TestClientCAsFollowTheirFile: no connection is dropped, but what a CA vouched
// for that is gone opens nothing any more, not on an open connection either,
// nor with a session that is resumed.
func TestClientCAsFollowTheirFile(t *testing.T) {
	t.Parallel()
	for version, number := range versions {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			old, next := newClientCA(t, "old"), newClientCA(t, "next")
			path, file := asking(t, tagged(t), old)
			g := start(t, path)
			olds, nexts := old.client(t, "build.ci"), next.client(t, "build.ci")
			open := g.show(&olds, number)
			open.tls.ClientSessionCache = tls.NewLRUClientSessionCache(1)
			if status, _ := g.traced(open); status != 200 {
				t.Fatalf("before: %d", status)
			}
			write(t, file, bundle(next))
			g.reload <- syscall.SIGHUP
			g.until("the next CA", func() bool {
				res, err := g.show(&nexts, number).Get("https://" + g.Addrs["https"] + tagsOfShop)
				if err == nil {
					_ = res.Body.Close()
				}
				return err == nil && res.StatusCode == 200
			})
			if status, reused := g.traced(open); status != 401 || !reused {
				t.Errorf("on the open connection: %d, want 401; the same connection: %v, want true", status, reused)
			}
			open.Transport.(*http.Transport).CloseIdleConnections()
			if res, err := open.Get("https://" + g.Addrs["https"] + tagsOfShop); err == nil {
				_ = res.Body.Close()
				t.Errorf("with the session of before: %s, resumed: %v; want no handshake", res.Status, res.TLS.DidResume)
			}
		})
	}
}

// traced asks for the tags, and says whether that was on an open connection.
func (g *running) traced(c shower) (status int, reused bool) {
	g.t.Helper()
	ctx := httptrace.WithClientTrace(g.t.Context(), &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) { reused = i.Reused }})
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+g.Addrs["https"]+tagsOfShop, nil)
	if err != nil {
		g.t.Fatal(err)
	}
	res, err := c.Do(r)
	if err != nil {
		g.t.Fatal(err)
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	return res.StatusCode, reused
}

// TestResumedSessionIsTheSameAccount: else the test above would show nothing.
func TestResumedSessionIsTheSameAccount(t *testing.T) {
	t.Parallel()
	ca := newClientCA(t, "clients")
	path, _ := asking(t, tagged(t), ca)
	g := start(t, path)
	for version, number := range versions {
		pair := ca.client(t, "build.ci")
		c := g.show(&pair, number)
		c.tls.ClientSessionCache = tls.NewLRUClientSessionCache(1)
		var resumed bool
		for range 2 {
			res, err := c.Get("https://" + g.Addrs["https"] + tagsOfShop)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, res.Body)
			_ = res.Body.Close()
			if resumed = res.TLS.DidResume; res.StatusCode != 200 {
				t.Errorf("%s: %s", version, res.Status)
			}
			c.Transport.(*http.Transport).CloseIdleConnections()
		}
		if !resumed {
			t.Errorf("%s: nothing was resumed", version)
		}
	}
}

// TestCertificateUnderAnotherName: a connection of HTTP/2 is used for another
// host, as clients do where one address and certificate serve both (RFC 9113
// 9.1.1). Its certificate was asked for in the name of the first.
func TestCertificateUnderAnotherName(t *testing.T) {
	t.Parallel()
	ca := newClientCA(t, "clients")
	path, _ := asking(t, tagged(t), ca)
	g := start(t, changed(t, path, "hosts: [127.0.0.1]", "hosts: [127.0.0.1, a.test, b.test]"))
	pair := ca.client(t, "build.ci")
	c := g.show(&pair, tls.VersionTLS13)
	c.tls.ServerName = "a.test"
	_, port, _ := strings.Cut(g.Addrs["https"], ":")
	for host, want := range map[string]int{"a.test:" + port: 200, "b.test:" + port: 421} {
		status, body, _ := g.as(c).get("https", tagsOfShop, "Host", host)
		if status != want {
			t.Errorf("Host %s on a connection to a.test: %d %s, want %d", host, status, body, want)
		}
	}
}

// TestHeadersAreNoCertificate: what balancers say of the certificates that
// they have seen is what anybody can say. Not even one whose word on the
// address is taken can name an account.
func TestHeadersAreNoCertificate(t *testing.T) {
	t.Parallel()
	ca := newClientCA(t, "clients")
	path, _ := asking(t, tagged(t), ca)
	g := start(t, changed(t, path, "drain: 10s", `drain: 10s, trusted_proxies: ["127.0.0.0/8"]`))
	pair := ca.client(t, "build.ci")
	text := fmt.Sprintf("%q", bundle(clientCA{cert: pair.Leaf}))
	for _, path := range []string{tagsOfShop, "/auth"} {
		status, body, _ := g.get("https", path,
			"X-Forwarded-Client-Cert", "Subject=\"CN=build.ci\"", "X-Forwarded-Tls-Client-Cert", text, "X-Client-Cert", text,
			"X-Ssl-Client-Verify", "SUCCESS", "X-Ssl-Client-S-Dn", "CN=build.ci", "Client-Cert", text, "X-Remote-User", "ci-build")
		if status != 401 {
			t.Errorf("GET %s: %d %s, want 401", path, status, body)
		}
	}
}

// TestCheckReadsClientCAs: `regate check` finds what the gate would not start with.
func TestCheckReadsClientCAs(t *testing.T) {
	t.Parallel()
	for want, change := range map[string][2]string{
		":3: tls.client_ca: open /nowhere/":                        {`client_ca: "`, `client_ca: "/nowhere`},
		":7: auth.client_certificates[0].ca: open /nowhere/ca.pem": {`{name: cn, `, `{name: cn, ca: /nowhere/ca.pem, `},
	} {
		path, _ := asking(t, "http://127.0.0.1:1", newClientCA(t, "clients"))
		loaded, err := configs.Load(changed(t, path, change[0], change[1]))
		if err != nil {
			t.Fatal(err)
		}
		if err := Check(loaded); err == nil || !strings.HasPrefix(err.Error(), path+want) {
			t.Errorf("Check() = %v, want %s", err, want)
		}
	}
}
