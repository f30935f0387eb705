package acme

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	rfc8555 "github.com/mholt/acmez/v3/acme"

	"github.com/regate/regate/acme/client"
)

// troubleTests have the problem documents of real CAs: Let's Encrypt's boulder
// (b), pebble (p), step-ca (s), ZeroSSL (z) and Google (g).
var troubleTests = []struct {
	name   string
	at     string // the challenge that failed, or "order" or "account"
	doc    string
	want   Reason
	advice string // part of it
}{
	{"b: no record", "http-01", `{"type":"urn:ietf:params:acme:error:dns","detail":"DNS problem: NXDOMAIN looking up A for a.example.com - check that a DNS record exists for this domain; DNS problem: NXDOMAIN looking up AAAA for a.example.com - check that a DNS record exists for this domain","status":400}`,
		ReasonDNS, "A or AAAA record for a.example.com"},
	{"b: name servers fail", "order", `{"type":"urn:ietf:params:acme:error:dns","detail":"DNS problem: SERVFAIL looking up CAA for example.com - the domain's nameservers may be malfunctioning","status":400}`,
		ReasonDNS, "name servers answer"},
	{"b: no TXT record", "dns-01", `{"type":"urn:ietf:params:acme:error:unauthorized","detail":"No TXT record found at _acme-challenge.a.example.com","status":403}`,
		ReasonDNS, "TXT record _acme-challenge.a.example.com"},
	{"b: wrong TXT record", "dns-01", `{"type":"urn:ietf:params:acme:error:unauthorized","detail":"Incorrect TXT record \"x\" found at _acme-challenge.a.example.com","status":403}`,
		ReasonDNS, "tls.acme.dns"},
	{"p: no record", "tls-alpn-01", `{"type":"urn:ietf:params:acme:error:malformed","detail":"Error occurred while resolving URL \"a.example.com\": \"lookup a.example.com on 127.0.0.1:8053: no such host\"","status":400}`,
		ReasonDNS, "A or AAAA"},
	{"p: no record over http", "http-01", `{"type":"urn:ietf:params:acme:error:connection","detail":"Get \"http://a.example.com:5080/.well-known/acme-challenge/tOkEn\": could not resolve URL \"http://a.example.com\"","status":400}`,
		ReasonDNS, "A or AAAA"},
	{"b: firewall", "tls-alpn-01", `{"type":"urn:ietf:params:acme:error:connection","detail":"203.0.113.5: Timeout during connect (likely firewall problem)","status":400}`,
		ReasonUnreachable, "Open port 443 of a.example.com"},
	{"b: nobody listens", "http-01", `{"type":"urn:ietf:params:acme:error:connection","detail":"203.0.113.5: Fetching http://a.example.com/.well-known/acme-challenge/tOkEn: Connection refused","status":400}`,
		ReasonUnreachable, "Open port 80 of a.example.com"},
	{"p: nobody listens", "tls-alpn-01", `{"type":"urn:ietf:params:acme:error:unauthorized","detail":"Failed to connect to 127.0.0.9:443 for the tls-alpn-01 challenge","status":403}`,
		ReasonUnreachable, "port 443"},
	{"s: nobody listens", "http-01", `{"type":"urn:ietf:params:acme:error:connection","detail":"The server could not connect to validation target","status":400}`,
		ReasonUnreachable, "port 80"},
	{"b: another web server", "http-01", `{"type":"urn:ietf:params:acme:error:unauthorized","detail":"203.0.113.5: Invalid response from http://a.example.com/.well-known/acme-challenge/tOkEn: 404","status":403}`,
		ReasonRefused, "Lead port 80 of a.example.com to this gate"},
	{"b: a host called timeout", "http-01", `{"type":"urn:ietf:params:acme:error:unauthorized","detail":"203.0.113.5: Invalid response from http://timeout.example.com/: 404","status":403}`,
		ReasonRefused, "Lead port 80"},
	{"b: a balancer ends TLS", "tls-alpn-01", `{"type":"urn:ietf:params:acme:error:unauthorized","detail":"Cannot negotiate ALPN protocol \"acme-tls/1\" for tls-alpn-01 challenge","status":403}`,
		ReasonRefused, "balancer that ends TLS"},
	{"b: no TLS", "tls-alpn-01", `{"type":"urn:ietf:params:acme:error:tls","detail":"203.0.113.5: Server only speaks HTTP, not TLS","status":400}`,
		ReasonRefused, "Lead port 443"},
	{"s: wrong answer", "http-01", `{"type":"urn:ietf:params:acme:error:incorrectResponse","detail":"Response received didn't match the challenge's requirements","status":400}`,
		ReasonRefused, "port 80"},
	{"b: private name", "order", `{"type":"urn:ietf:params:acme:error:rejectedIdentifier","detail":"Invalid identifiers requested :: Cannot issue for \"a.example.com\": Domain name does not end with a valid public suffix (TLD)","status":400}`,
		ReasonRefused, "public domain instead of a.example.com"},
	{"b: blocked", "order", `{"type":"urn:ietf:params:acme:error:rejectedIdentifier","detail":"Error creating new order :: Cannot issue for \"a.example.com\": The ACME server refuses to issue a certificate for this domain name, because it is forbidden by policy","status":400}`,
		ReasonRefused, "tls.acme.ca"},
	{"b: e-mail", "account", `{"type":"urn:ietf:params:acme:error:invalidContact","detail":"Error validating contact(s) :: contact email has forbidden domain \"example.com\"","status":400}`,
		ReasonRefused, "tls.acme.email"},
	{"b: account deactivated", "order", `{"type":"urn:ietf:params:acme:error:unauthorized","detail":"Account is not valid, has status \"deactivated\"","status":403}`,
		ReasonRefused, "account_key_file"},
	{"b: profile", "order", `{"type":"urn:ietf:params:acme:error:invalidProfile","detail":"Profile \"classic\" does not permit ip type identifiers","status":400}`,
		ReasonRefused, "tls.acme.profile"},
	{"b: duplicates", "order", `{"type":"urn:ietf:params:acme:error:rateLimited","detail":"too many certificates (5) already issued for this exact set of identifiers in the last 168h0m0s, retry after 2026-11-23 04:12:13 UTC: see https://letsencrypt.org/docs/rate-limits/#new-certificates-per-exact-set-of-identifiers","status":429}`,
		ReasonRateLimited, "until 2026-11-23 04:12 UTC"},
	{"b: failed validations", "order", `{"type":"urn:ietf:params:acme:error:rateLimited","detail":"too many failed authorizations (5) for \"a.example.com\" in the last 1h0m0s, retry after a while","status":429}`,
		ReasonRateLimited, "Wait some hours"},
	{"a balancer's 429", "order", `{"type":"about:blank","title":"Too Many Requests","status":429}`, ReasonRateLimited, "Wait"},
	{"b: caa", "order", `{"type":"urn:ietf:params:acme:error:caa","detail":"CAA record for example.com prevents issuance","status":403}`,
		ReasonCAA, `0 issue "letsencrypt.org" for a.example.com`},
	{"b: caa of one of several", "order", `{"type":"urn:ietf:params:acme:error:compound","detail":"Rechecking CAA for \"a.example.com\" and 1 more identifiers failed","status":403,"subproblems":[{"type":"urn:ietf:params:acme:error:caa","detail":"CAA record for a.example.com prevents issuance","status":403,"identifier":{"type":"dns","value":"a.example.com"}}]}`,
		ReasonCAA, "CAA record"},
	{"p: eab missing", "account", `{"type":"urn:ietf:params:acme:error:externalAccountRequired","detail":"ACME server policy requires newAccount requests must include a value for the 'externalAccountBinding' field","status":403}`,
		ReasonEAB, "tls.acme.eab"},
	{"p: eab unknown", "account", `{"type":"urn:ietf:params:acme:error:unauthorized","detail":"the field 'kid' references a key that is not known to the ACME server","status":403}`,
		ReasonEAB, "tls.acme.eab"},
	{"p: eab key wrong", "account", `{"type":"urn:ietf:params:acme:error:unauthorized","detail":"external account binding JWS verification error: go-jose/go-jose: error in cryptographic primitive","status":403}`,
		ReasonEAB, "hmac_key_file"},
	{"z: eab", "account", `{"type":"urn:ietf:params:acme:error:malformed","detail":"Invalid/malformed externalAccountBinding","status":400}`, ReasonEAB, "key_id"},
	{"g: eab used up", "account", `{"type":"urn:ietf:params:acme:error:malformed","detail":"Unknown external account binding (EAB) key. This may be due to the EAB key expiring which occurs 7 days after creation","status":400}`,
		ReasonEAB, "a new key_id"},
	{"b: in maintenance", "order", `{"type":"urn:ietf:params:acme:error:serverInternal","detail":"The service is down for maintenance or had an internal error. Check https://letsencrypt.status.io/ for more details.","status":503}`,
		ReasonCADown, "out of order"},
	{"p: nonces", "order", `{"type":"urn:ietf:params:acme:error:badNonce","detail":"JWS has an invalid anti-replay nonce","status":400}`, ReasonCADown, "Wait"},
	{"a type from elsewhere", "order", `{"type":"https://ca.example.com/errors/odd","detail":"odd","status":400}`, ReasonOther, "log"},
	{"nothing at all", "order", `{}`, ReasonOther, "log"},
}

// failAt wraps a CA's answer as certmagic and acmez do.
func failAt(t *testing.T, at, doc string) error {
	t.Helper()
	var p rfc8555.Problem
	if err := json.Unmarshal([]byte(doc), &p); err != nil {
		t.Fatal(err)
	}
	const host = "a.example.com"
	switch at {
	case "account":
		return fmt.Errorf("registering account %v with server: %w", []string{"mailto:x@example.com"},
			fmt.Errorf("attempt 1: https://ca.example.com/new-acct: %w", p))
	case "order":
		return fmt.Errorf("[%s] creating new order: attempt 1: https://ca.example.com/new-order: %w (ca=https://ca.example.com/dir)", host, p)
	}
	failed := p
	p.Resource = rfc8555.Authorization{
		Identifier: rfc8555.Identifier{Type: "dns", Value: host},
		Challenges: []rfc8555.Challenge{{Type: "http-02"}, {Type: at, Error: &failed}},
	}
	return fmt.Errorf("[%s] solving challenge: %s: %w (ca=https://ca.example.com/dir)", host, host, fmt.Errorf("[%s] authorization failed: %w", host, p))
}

func TestDiagnoseProblems(t *testing.T) {
	for _, tt := range troubleTests {
		err := issuerError{issuer: "letsencrypt", err: failAt(t, tt.at, tt.doc)}
		got := diagnose("a.example.com", err)
		if got.Reason != tt.want || !strings.Contains(got.Advice, tt.advice) {
			t.Errorf("%s: diagnose = %s: %s, want %s: …%s…", tt.name, got.Reason, got.Advice, tt.want, tt.advice)
		}
		if strings.Contains(got.Detail, "tOkEn") || strings.Contains(got.Detail, "new-order") {
			t.Errorf("%s: detail %q", tt.name, got.Detail)
		}
	}
}

var failureTests = []struct {
	name string
	err  error
	want Reason
	text string // in the advice
}{
	{"CA does not resolve", &url.Error{Op: "Get", URL: "https://ca.example.com/dir", Err: &net.DNSError{Err: "no such host", Name: "ca.example.com"}}, ReasonCADown, "connect to the CA"},
	{"CA does not listen", &url.Error{Op: "Get", URL: "https://ca.example.com/dir", Err: &net.OpError{Op: "dial", Err: errors.New("connection refused")}}, ReasonCADown, "HTTPS_PROXY"},
	{"CA has an unknown certificate", &url.Error{Op: "Get", URL: "https://ca.example.com/dir",
		Err: &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}}, ReasonCADown, "tls.acme.trusted_roots"},
	{"CA answers 502", errors.New("HTTP 502: <html>bad gateway</html>"), ReasonCADown, "out of order"},
	{"CA takes for ever", context.DeadlineExceeded, ReasonCADown, ""},
	{"no ACME there", errors.New("HTTP 404: 404 page not found"), ReasonCADown, "tls.acme.ca"},
	{"a web page there", errors.New("server did not return error headers, but required directory fields are missing: {}"), ReasonCADown, "tls.acme.ca"},
	{"record not written", fmt.Errorf("presenting for challenge: %w", recordError{errors.New(`adding temporary record for zone "example.com.": REFUSED`)}), ReasonDNS, "tls.acme.dns"},
	{"record not seen", fmt.Errorf("waiting for solver to be ready: %w", recordError{context.DeadlineExceeded}), ReasonDNS, "tls.acme.dns"},
	{"DNS server does not take the key", fmt.Errorf("presenting for challenge: %w", recordError{errors.New(`adding temporary record for zone "example.com.": dns: bad authentication`)}), ReasonDNS, "key_name, key_algorithm and the key"},
	{"DNS server does not know the key", fmt.Errorf("presenting for challenge: %w", recordError{errors.New(`adding temporary record: dns: bad key`)}), ReasonDNS, "key_name"},
	{"CA answers without end", fmt.Errorf("reading response body: %w", client.Misbehaviour{Err: errors.New("the CA answers with more than 1 byte")}), ReasonCADown, "not an ACME server"},
	{"CA leads to plain http", &url.Error{Op: "Post", URL: "http://ca.example.com/d", Err: client.Misbehaviour{Err: errors.New("plain")}}, ReasonCADown, "not an ACME server"},
	{"certificate has expired", client.Unfit{Err: errors.New("has expired")}, ReasonCADown, "not fit to be served"},
	{"certificate of another host", client.Unfit{Err: x509.HostnameError{Host: "a", Certificate: &x509.Certificate{}}}, ReasonCADown, "not fit to be served"},
	{"challenge not kept", errors.New("presenting for challenge: saving challenge info: store is closed"), ReasonState, "state.path"},
	{"lock", errors.New("unable to acquire lock 'issue_cert_a': store is closed"), ReasonState, "state.path"},
	{"private name", errors.New("subject 'a.local' does not qualify for a public certificate"), ReasonRefused, "tls.mode internal"},
	{"profile", errors.New("unknown profile name 'x'; supported profiles: map[]"), ReasonRefused, "tls.acme.profile"},
	{"challenge not offered", errors.New("a: no solvers available for remaining challenges (configured=[http-01] offered=[dns-01] remaining=[])"), ReasonRefused, "tls.acme.challenges"},
	{"eab key is no key", errors.New("base64-decoding MAC key: illegal base64 data"), ReasonEAB, "tls.acme.eab"},
	{"who knows", errors.New("what?"), ReasonOther, "log"},
}

func TestDiagnoseFailures(t *testing.T) {
	for _, tt := range failureTests {
		got := diagnose("*.example.com", fmt.Errorf("[*.example.com] Obtain: %w", issuerError{issuer: "https://ca.example.com/dir", err: tt.err}))
		if got.Reason != tt.want || !strings.Contains(got.Advice, tt.text) || got.Detail == "" {
			t.Errorf("%s: diagnose = %+v, want %s: …%s…", tt.name, got, tt.want, tt.text)
		}
		if strings.Contains(got.Advice, "_acme-challenge.*") {
			t.Errorf("%s: advice names a record that there cannot be: %s", tt.name, got.Advice)
		}
	}
}

// The CA alone looks at the CNAME, so its words are all that tells of it.
func TestDiagnoseNamesTheDelegate(t *testing.T) {
	for _, err := range []error{
		failAt(t, "dns-01", `{"type":"urn:ietf:params:acme:error:unauthorized","detail":"No TXT record found at _acme-challenge.a.example.com","status":403}`),
		recordError{errors.New("adding temporary record: REFUSED")},
	} {
		got := diagnose("*.example.com", issuerError{issuer: "letsencrypt", err: err, delegate: "gate.acme.example.net"})
		if want := "Make _acme-challenge.example.com a CNAME to gate.acme.example.net"; got.Reason != ReasonDNS || !strings.HasPrefix(got.Advice, want) {
			t.Errorf("diagnose(%v) = %+v, want %s…", err, got, want)
		}
	}
}

func TestDiagnoseSpeaksOfTheFirstCA(t *testing.T) {
	first := issuerError{issuer: "letsencrypt", err: failAt(t, "order", `{"type":"urn:ietf:params:acme:error:rateLimited","detail":"too many","status":429}`)}
	second := issuerError{issuer: "zerossl", err: failAt(t, "account", `{"type":"urn:ietf:params:acme:error:externalAccountRequired","detail":"need one","status":403}`)}
	got := diagnose("a.example.com", fmt.Errorf("obtain: %w", errors.Join(first, second)))
	if got.Reason != ReasonRateLimited || got.Detail != "letsencrypt: too many; then zerossl (eab): need one" {
		t.Errorf("diagnose = %+v", got)
	}
	cancelled := issuerError{issuer: "letsencrypt", err: &url.Error{Op: "Get", URL: "https://ca.example.com", Err: context.Canceled}}
	if got := diagnose("a", errors.Join(cancelled, second)); got.Reason != ReasonEAB {
		t.Errorf("after one that was called off: %+v", got)
	}
	for _, err := range []error{nil, context.Canceled, cancelled} {
		if got := diagnose("a", err); got.Failed() {
			t.Errorf("diagnose(%v) = %+v, want no trouble", err, got)
		}
	}
}

// What a CA writes goes to a terminal, a log and a label's neighbour.
func FuzzClean(f *testing.F) {
	for _, s := range []string{"a\x1b[31mb\nc", "see https://user:pw@ca.example.com/d?key=x#y.", "\xff", strings.Repeat("é", 1000),
		"http://a/.well-known/acme-challenge/abc-_9: 404", "https://[::1", "\u202eabc"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got := clean(text)
		if utf8.RuneCountInString(got) > maxDetail+1 || !utf8.ValidString(got) {
			t.Errorf("clean(%q) = %q", text, got)
		}
		for _, r := range got {
			if r != ' ' && notShown(r) {
				t.Errorf("clean(%q) has %q", text, r)
			}
		}
		for _, found := range urls.FindAllString(got, -1) {
			if u, err := url.Parse(strings.TrimSuffix(found, "…")); err == nil && (u.User != nil || u.RawQuery != "") {
				t.Errorf("clean(%q) has %s", text, found)
			}
		}
	})
}

func TestCleanHidesWhatMayBeSecret(t *testing.T) {
	for text, want := range map[string]string{
		"a\x1b[31mb\n c": "a [31mb c",
		"see https://user:pw@ca.example.com/d?key=x#y":                 "see https://ca.example.com/d",
		`Get "https://ca.example.com/d?key=x": EOF`:                    `Get "https://ca.example.com/d": EOF`,
		"Fetching http://a/.well-known/acme-challenge/abc-_9: Timeout": "Fetching http://a/.well-known/acme-challenge/…: Timeout",
	} {
		if got := clean(text); got != want {
			t.Errorf("clean(%q) = %q, want %q", text, got, want)
		}
	}
}
