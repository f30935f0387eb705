package trust

import (
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestParseBundle(t *testing.T) {
	t.Parallel()
	root := issue(t, "Root", nil, nil)
	below := issue(t, "Below", root, nil)
	huge := issue(t, "Huge", root, func(c *x509.Certificate) {
		c.PublicKey = &rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), 8192, 1), E: 65537}
	}).Certificate
	text := func(cs ...*x509.Certificate) string { return string(Bundle(cs).PEM()) }
	for _, tt := range []struct {
		name    string
		text    string
		want    int
		wantErr string
	}{
		{name: "one", text: text(root.Certificate), want: 1},
		{name: "a chain", text: text(below.Certificate, root.Certificate), want: 2},
		{name: "the same twice", text: text(root.Certificate, root.Certificate), want: 1},
		{name: "words around it", text: "# the CA\n" + text(root.Certificate) + "\x1b[2Jend\n", want: 1},
		{name: "nothing", text: "", wantErr: "no certificate"},
		{name: "a page", text: "<html>hello</html>", wantErr: "no certificate"},
		{name: "a server's", text: text(leaf(t, root, "a.example")), wantErr: "is no certificate of a CA"},
		{name: "one of two is a server's", text: text(root.Certificate, leaf(t, root, "a.example")), wantErr: "is no certificate of a CA"},
		{name: "may not sign", wantErr: "is no certificate of a CA",
			text: text(issue(t, "x", nil, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCRLSign }).Certificate)},
		{name: "over", wantErr: "has ended on",
			text: text(issue(t, "x", nil, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }).Certificate)},
		{name: "not yet", wantErr: "is the clock",
			text: text(issue(t, "x", nil, func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Hour) }).Certificate)},
		{name: "a key to spend an hour on", wantErr: "more than 8192 bits", text: text(huge)},
		{name: "with its key", wantErr: "EC PRIVATE KEY beside",
			text: text(root.Certificate) + string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: []byte("x")}))},
		{name: "no certificate in the block", wantErr: "certificate 1:",
			text: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")}))},
		{name: "a name that clears the screen", wantErr: `\u001b[2J`,
			text: text(issue(t, "\x1b[2J", nil, func(c *x509.Certificate) { c.IsCA, c.KeyUsage = false, 0 }).Certificate)},
		{name: "seventeen", wantErr: "more than 16", text: many(t, 17)},
		{name: "sixteen", text: many(t, 16), want: 16},
	} {
		b, err := ParseBundle([]byte(tt.text), time.Now())
		if tt.wantErr != "" {
			if err == nil || !strings.Contains(err.Error(), tt.wantErr) {
				t.Errorf("%s: ParseBundle = %d certificates, %v, want an error with %q", tt.name, len(b), err, tt.wantErr)
			}
			continue
		}
		if err != nil || len(b) != tt.want {
			t.Errorf("%s: ParseBundle = %d certificates, %v, want %d", tt.name, len(b), err, tt.want)
		}
		if strings.Contains(string(b.PEM()), "\x1b") || !strings.HasPrefix(string(b.PEM()), "-----BEGIN") {
			t.Errorf("%s: PEM has more than certificates:\n%q", tt.name, b.PEM())
		}
	}
}

func many(t *testing.T, n int) string {
	var b Bundle
	for range n {
		b = append(b, issue(t, "CA", nil, nil).Certificate)
	}
	return string(b.PEM())
}

func TestAnchors(t *testing.T) {
	t.Parallel()
	one, two := issue(t, "One", nil, nil), issue(t, "Two", nil, nil)
	below := issue(t, "Below", one, nil)
	lower := issue(t, "Lower", below, nil)
	namesake := issue(t, "One", nil, nil) // has One's name, and another key
	for _, tt := range []struct {
		name string
		b    Bundle
		want Bundle
	}{
		{"a root", Bundle{one.Certificate}, Bundle{one.Certificate}},
		{"a chain", Bundle{lower.Certificate, below.Certificate, one.Certificate}, Bundle{one.Certificate}},
		{"a chain without its root", Bundle{lower.Certificate, below.Certificate}, Bundle{below.Certificate}},
		{"the next CA beside it", Bundle{one.Certificate, two.Certificate}, Bundle{one.Certificate, two.Certificate}},
		{"a stranger among them", Bundle{below.Certificate, one.Certificate, two.Certificate}, Bundle{one.Certificate, two.Certificate}},
		{"a namesake does not vouch", Bundle{below.Certificate, namesake.Certificate}, Bundle{below.Certificate, namesake.Certificate}},
	} {
		if got := tt.b.Anchors(); !slices.EqualFunc(got, tt.want, (*x509.Certificate).Equal) {
			t.Errorf("%s: %d anchors, want %d", tt.name, len(got), len(tt.want))
		}
	}
}

func TestVerify(t *testing.T) {
	t.Parallel()
	root, other := issue(t, "Root", nil, nil), issue(t, "Other", nil, nil)
	below := issue(t, "Below", root, nil)
	narrow := issue(t, "Narrow", nil, func(c *x509.Certificate) {
		c.PermittedDNSDomainsCritical, c.PermittedDNSDomains = true, []string{"example.org"}
	})
	short := issue(t, "", root, func(c *x509.Certificate) {
		c.IsCA, c.KeyUsage, c.DNSNames, c.NotAfter = false, 0, []string{"a.example"}, time.Now().Add(-time.Second)
		c.Subject = pkix.Name{Organization: []string{"regate"}}
	})
	one := Bundle{root.Certificate}
	for _, tt := range []struct {
		name    string
		b       Bundle
		shown   []*x509.Certificate
		host    string
		wantErr string
	}{
		{name: "a name", b: one, shown: []*x509.Certificate{leaf(t, root, "a.example")}, host: "a.example:5000"},
		{name: "a wildcard", b: one, shown: []*x509.Certificate{leaf(t, root, "*.a.example")}, host: "x.a.example"},
		{name: "an address", b: one, shown: []*x509.Certificate{leaf(t, root, "10.77.0.1")}, host: "10.77.0.1"},
		{name: "an IPv6 address", b: one, shown: []*x509.Certificate{leaf(t, root, "fd00::1")}, host: "[fd00::1]:5000"},
		{name: "by a chain that is shown", b: one, shown: []*x509.Certificate{leaf(t, below, "a.example"), below.Certificate}, host: "a.example"},
		{name: "between two CAs", b: Bundle{other.Certificate, root.Certificate}, shown: []*x509.Certificate{leaf(t, root, "a.example")}, host: "a.example"},
		// Clients are given the anchors alone, so what is only in the bundle is of no help to them.
		{name: "by a chain that is not shown", b: Bundle{below.Certificate, root.Certificate},
			shown: []*x509.Certificate{leaf(t, below, "a.example")}, host: "a.example", wantErr: "unknown authority"},
		{name: "another CA", b: Bundle{other.Certificate}, shown: []*x509.Certificate{leaf(t, root, "a.example")}, host: "a.example", wantErr: "unknown authority"},
		{name: "another host", b: one, shown: []*x509.Certificate{leaf(t, root, "a.example")}, host: "b.example", wantErr: "b.example"},
		{name: "a CA of other domains", b: Bundle{narrow.Certificate}, shown: []*x509.Certificate{leaf(t, narrow, "a.example")}, host: "a.example", wantErr: "not permitted"},
		{name: "over", b: one, shown: []*x509.Certificate{short.Certificate}, host: "a.example", wantErr: "expired"},
		{name: "none shown", b: one, host: "a.example", wantErr: "no certificate was shown"},
	} {
		err := tt.b.Verify(tt.shown, host(t, tt.host), time.Now())
		if tt.wantErr == "" && err != nil || tt.wantErr != "" && (err == nil || !strings.Contains(err.Error(), tt.wantErr)) {
			t.Errorf("%s: Verify = %v, want %q", tt.name, err, tt.wantErr)
		}
	}
}

func TestFingerprint(t *testing.T) {
	t.Parallel()
	digits := strings.Repeat("0a", 32)
	for _, tt := range []struct {
		text string
		ok   bool
	}{
		{"sha256:" + digits, true},
		{" SHA256:" + strings.ToUpper(digits) + "\n", true},
		{digits, true}, // sha256sum
		{"sha256 Fingerprint=" + strings.TrimSuffix(strings.Repeat("0A:", 32), ":"), true}, // openssl
		{"sha256:" + digits[2:], false},
		{"sha256:" + digits + "00", false},
		{"sha1:" + digits[:40], false},
		{"sha256:" + strings.Replace(digits, "0", "g", 1), false},
		{"", false},
	} {
		got, err := ParseFingerprint(tt.text)
		if (err == nil) != tt.ok || tt.ok && got != "sha256:"+digits {
			t.Errorf("ParseFingerprint(%q) = %q, %v, want ok %v", tt.text, got, err, tt.ok)
		}
	}
	c := issue(t, "Root", nil, nil).Certificate
	if got, err := ParseFingerprint(Fingerprint(c)); err != nil || got != Fingerprint(c) {
		t.Errorf("ParseFingerprint(Fingerprint) = %q, %v", got, err)
	}
}

func TestPrintable(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"Corp CA (Genève)":       "Corp CA (Genève)",
		"a\x1b]0;x\x07b":         `a\u001b]0;x\u0007b`,
		"a\r\nb":                 `a\u000d\u000ab`,
		"a\u202eb\u200b":         `a\u202eb\u200b`, // turns the line around, is not seen
		"a\xffb":                 `a\ufffdb`,
		strings.Repeat("x", 300): strings.Repeat("x", 200) + "…",
	} {
		if got := Printable(text); got != want {
			t.Errorf("Printable(%q) = %q, want %q", text, got, want)
		}
	}
}

// FuzzParseBundle: what is taken can be said again, and anchors are of it.
func FuzzParseBundle(f *testing.F) {
	root := issue(f, "Root", nil, nil)
	below := issue(f, "Below", root, nil)
	f.Add(Bundle{below.Certificate, root.Certificate}.PEM())
	f.Add(append([]byte("junk\n"), Bundle{root.Certificate}.PEM()...))
	f.Fuzz(func(t *testing.T, text []byte) {
		b, err := ParseBundle(text, time.Now())
		if err != nil {
			return
		}
		if again, err := ParseBundle(b.PEM(), time.Now()); err != nil || !again.within(b) || !b.within(again) {
			t.Errorf("%d certificates, and read again %d, %v", len(b), len(again), err)
		}
		if !b.Anchors().within(b) {
			t.Error("an anchor is not in the bundle")
		}
	})
}
