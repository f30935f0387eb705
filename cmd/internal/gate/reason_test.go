package gate

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/regate/regate/acme/acmestub"
)

// acmeConfig is config in mode acme for a.example.com, with the stub as the CA.
func acmeConfig(t *testing.T, ca *acmestub.Server) string {
	t.Helper()
	path := config(t, "http://127.0.0.1:1", "")
	roots := filepath.Join(filepath.Dir(path), "roots.pem")
	write(t, roots, string(ca.RootsPEM()))
	return changed(t, path, "tls: {hosts: [127.0.0.1], mode: internal}", fmt.Sprintf(
		"tls: {hosts: [a.example.com], acme: {email: ops@example.com, ca: %q, trusted_roots: %q}}", ca.Directory(), roots))
}

// expectReason starts a gate and looks for the reason, and what to do, in all
// places where people look. said is what the CA said.
func expectReason(t *testing.T, path, reason, advice, said string) {
	t.Helper()
	g := startPending(t, path)
	g.until("the reason at /readyz", func() bool {
		_, body, _ := g.get("admin", "/readyz?verbose")
		return strings.Contains(body, "a.example.com: no certificate ("+reason+")")
	})
	status, body, _ := g.get("admin", "/readyz?verbose")
	if status != http.StatusOK || !strings.HasPrefix(body, "ready\n") || !strings.Contains(body, advice) || !strings.Contains(body, said) {
		t.Errorf("/readyz?verbose: %d %s", status, body)
	}
	if status, _, _ := g.get("admin", "/readyz"); status != http.StatusOK {
		t.Errorf("/readyz: %d; it must not wait for the CA", status)
	}
	_, body, _ = g.get("admin", "/metrics")
	for _, want := range []string{
		fmt.Sprintf(`regate_certificates_pending{reason=%q} 1`, reason),
		`regate_certificates_pending{reason="waiting"} 0`,
		fmt.Sprintf(`regate_certificate_failing{host="a.example.com",reason=%q} 1`, reason),
	} {
		if !strings.Contains(body, want+"\n") {
			t.Errorf("/metrics has no %s:\n%s", want, regexp.MustCompile(`(?m)^regate_cert.*`).FindAllString(body, -1))
		}
	}
	status, body, header := g.get("http", "/team/app", "Host", "a.example.com")
	if status != http.StatusServiceUnavailable || !strings.Contains(body, "("+reason+")") || !strings.Contains(body, advice) {
		t.Errorf("the plain page: %d %s", status, body)
	}
	if strings.Contains(body, said) || header.Get("Location") != "" {
		t.Errorf("the plain page says what the CA said, or leads to https: %v %s", header, body)
	}
	g.until("the log line", func() bool { return g.logsReason(reason, advice, said) })
}

// startPending runs a gate that need not get a certificate.
func startPending(t *testing.T, path string) *running {
	t.Helper()
	g := startPlain(t, path)
	g.https = clientOf(t, "")
	return g
}

// logsReason reports whether there is an error of a host, with all fields.
func (g *running) logsReason(reason, advice, said string) bool {
	log, _ := os.ReadFile(g.log)
	for line := range strings.Lines(string(log)) {
		all := true
		for _, part := range []string{`"level":"error"`, `"host":"a.example.com"`, fmt.Sprintf(`"reason":%q`, reason), advice, said} {
			all = all && strings.Contains(line, part)
		}
		if all {
			return true
		}
	}
	return false
}

const enough = 100 // times that the stub refuses

func TestReasonDNS(t *testing.T) {
	t.Parallel()
	ca := acmestub.New(t)
	ca.Fail("challenge", enough, acmestub.Problem{Status: 400, Type: "dns", Detail: "DNS problem: NXDOMAIN looking up A for a.example.com"})
	expectReason(t, acmeConfig(t, ca), "dns", "A or AAAA record for a.example.com", "NXDOMAIN")
}

func TestReasonUnreachable(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close() // nobody listens there
	ca := acmestub.New(t)
	ca.Point(l.Addr().String(), l.Addr().String())
	expectReason(t, acmeConfig(t, ca), "unreachable", " of a.example.com to the CA", "connection refused")
}

func TestReasonRefused(t *testing.T) {
	t.Parallel()
	ca := acmestub.New(t)
	ca.Fail("challenge", enough, acmestub.Problem{Status: 403, Type: "unauthorized", Detail: "203.0.113.5: Invalid response: 404"})
	expectReason(t, acmeConfig(t, ca), "refused", "to this gate itself", "Invalid response: 404")
}

func TestReasonRefusedName(t *testing.T) {
	t.Parallel()
	ca := acmestub.New(t)
	ca.Fail("new-order", enough, acmestub.Problem{Status: 400, Type: "rejectedIdentifier", Detail: "forbidden by policy"})
	expectReason(t, acmeConfig(t, ca), "refused", "public domain instead of a.example.com", "forbidden by policy")
}

func TestReasonRateLimited(t *testing.T) {
	t.Parallel()
	ca := acmestub.New(t)
	ca.Fail("new-order", enough, acmestub.Problem{Status: 429, Type: "rateLimited", RetryAfter: "3600",
		Detail: "too many certificates (5) already issued for this exact set of identifiers in the last 168h0m0s, retry after 2026-11-23 04:12:13 UTC"})
	expectReason(t, acmeConfig(t, ca), "rate_limited", "Wait until 2026-11-23 04:12 UTC", "too many certificates")
}

// Other CAs than Let's Encrypt say in a header when to come back.
func TestReasonRateLimitedWithAHeader(t *testing.T) {
	t.Parallel()
	ca := acmestub.New(t)
	ca.Fail("new-order", enough, acmestub.Problem{Status: 429, Type: "rateLimited", RetryAfter: "Mon, 23 Nov 2026 05:06:07 GMT", Detail: "slow down"})
	expectReason(t, acmeConfig(t, ca), "rate_limited", "Wait until 2026-11-23 05:06 UTC", "slow down")
}

func TestReasonCAA(t *testing.T) {
	t.Parallel()
	ca := acmestub.New(t)
	ca.Fail("finalize", enough, acmestub.Problem{Status: 403, Type: "caa", Detail: "CAA record for example.com prevents issuance"})
	expectReason(t, acmeConfig(t, ca), "caa", "for a.example.com, or for the domain above it", "prevents issuance")
}

func TestReasonEAB(t *testing.T) {
	t.Parallel()
	ca := acmestub.New(t)
	ca.EAB = map[string]string{"kid-1": "c2VjcmV0"}
	expectReason(t, acmeConfig(t, ca), "eab", "tls.acme.eab", "who are you at our website?")
}

func TestReasonCADown(t *testing.T) {
	t.Parallel()
	ca := acmestub.New(t)
	ca.Fail("directory", enough, acmestub.Problem{Status: 503, Type: "serverInternal", Detail: "down for maintenance"})
	expectReason(t, acmeConfig(t, ca), "ca_down", "out of order", "down for maintenance")
}

// The CA's own https is of a CA that nobody told the gate of.
func TestReasonCADownWithoutItsRoot(t *testing.T) {
	t.Parallel()
	ca := acmestub.New(t)
	path := acmeConfig(t, ca)
	write(t, filepath.Join(filepath.Dir(path), "roots.pem"), string(ca.CAPEM()))
	expectReason(t, path, "ca_down", "tls.acme.trusted_roots", "certificate signed by unknown authority")
}

// With its certificate a host is redirected as ever, and nothing waits.
func TestNoReasonWithACertificate(t *testing.T) {
	t.Parallel()
	ca := acmestub.New(t)
	g := startPending(t, acmeConfig(t, ca))
	_, body, _ := g.get("admin", "/readyz?verbose")
	if !strings.HasPrefix(body, "ready\na.example.com: certificate until 2") || strings.Count(body, "\n") != 2 {
		t.Errorf("/readyz?verbose: %s", body)
	}
	status, _, header := g.get("http", "/team/app?n=1", "Host", "a.example.com")
	if status != http.StatusPermanentRedirect || !strings.HasPrefix(header.Get("Location"), "https://a.example.com:") {
		t.Errorf("the plain page: %d to %s", status, header.Get("Location"))
	}
	_, body, _ = g.get("admin", "/metrics")
	for line := range strings.Lines(body) {
		if strings.HasPrefix(line, "regate_certificates_pending{") && !strings.HasSuffix(line, " 0\n") || strings.HasPrefix(line, "regate_certificate_failing{") {
			t.Errorf("/metrics: %s", line)
		}
	}
	if status, _, header := g.get("http", "/.well-known/acme-challenge/old", "Host", "a.example.com"); status != http.StatusNotFound {
		t.Errorf("a challenge that is not open: %d to %s, want 404", status, header.Get("Location"))
	}
}
