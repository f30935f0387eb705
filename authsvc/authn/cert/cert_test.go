package cert

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/regate/regate/authsvc/authn"
)

// issued is a certificate as a handshake has it, with the names of template.
func issued(t testing.TB, template *x509.Certificate) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(255)
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var theCA = &x509.Certificate{Raw: []byte("the CA"), NotAfter: time.Now().Add(24 * time.Hour)}

func newUsers(t testing.TB, c Config, cas ...*x509.Certificate) *Users {
	t.Helper()
	u, err := New(c, cas, func(path string) ([]*x509.Certificate, error) {
		return []*x509.Certificate{{Raw: []byte(path)}}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// login has c's certificate shown below theCA.
func login(t testing.TB, c Config, shown *x509.Certificate) (authn.Identity, error) {
	t.Helper()
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	chains := [][]*x509.Certificate{{shown, theCA}}
	return newUsers(t, c, theCA).Authenticate(t.Context(), authn.Credentials{Chains: chains})
}

func named(cn string) *x509.Certificate {
	return &x509.Certificate{Subject: pkix.Name{CommonName: cn, OrganizationalUnit: []string{"web", "ops"}, Organization: []string{"Example"}}}
}

func withDNS(names ...string) *x509.Certificate { return &x509.Certificate{DNSNames: names} }

func withURI(texts ...string) *x509.Certificate {
	c := &x509.Certificate{}
	for _, text := range texts {
		u, err := url.Parse(text)
		if err != nil {
			panic(err)
		}
		c.URIs = append(c.URIs, u)
	}
	return c
}

func twoCommonNames() *x509.Certificate {
	c := &x509.Certificate{}
	for _, cn := range []string{"admin", "alice"} {
		c.Subject.ExtraNames = append(c.Subject.ExtraNames, pkix.AttributeTypeAndValue{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: cn})
	}
	return c
}

var (
	byCN    = Config{{Name: "cn"}}
	byDNS   = Config{{Name: "dns"}}
	byURI   = Config{{Name: "uri"}}
	byEmail = Config{{Name: "email"}}
	spiffe  = Config{{
		Name: "uri", Match: "spiffe://example.org/ns/*/sa/*", Account: "${2}.${1}",
		Labels: map[string][]string{"ns": {"${1}"}, "all": {"workloads"}},
	}}
)

var loginTests = []struct {
	name   string
	rules  Config
	shown  *x509.Certificate
	want   string // account, and labels
	reason string // of a refusal
}{
	{"common name", byCN, named("alice"), "alice", ""},
	{"name in the DNS", byDNS, withDNS("CI.example.com"), "ci.example.com", ""},
	{"SPIFFE, whole", byURI, withURI("spiffe://example.org/ns/prod/sa/build"), "spiffe://example.org/ns/prod/sa/build", ""},
	{"SPIFFE, its parts", spiffe, withURI("spiffe://example.org/ns/prod/sa/build"), "build.prod all=workloads ns=prod", ""},
	{"email", byEmail, &x509.Certificate{EmailAddresses: []string{"alice@example.com"}}, "alice@example.com", ""},
	{"a part of it", Config{{Name: "email", Match: "*@example.com", Account: "${1}"}}, &x509.Certificate{EmailAddresses: []string{"alice@example.com"}}, "alice", ""},
	{"an account for all", Config{{Name: "dns", Match: "*.ci.example.com", Account: "ci"}}, withDNS("a.b.ci.example.com"), "ci", ""},
	{"the rule that matches", Config{{Name: "uri"}, {Name: "cn", Match: "x-*"}, {Name: "cn"}}, named("alice"), "alice", ""},
	{"the first rule that matches", Config{{Name: "cn", Match: "a*", Account: "A-${1}"}, {Name: "cn"}}, named("alice"), "A-lice", ""},
	{"labels", Config{{Name: "cn", Labels: map[string][]string{"team": {"${ou}", "all"}, "org": {"o-${o}"}, "who": {"${1}"}}}}, named("alice"), "alice org=o-Example team=ops team=web team=all who=alice", ""},
	{"one of several names", Config{{Name: "dns", Match: "*.ci"}}, withDNS("a.example.com", "a.ci"), "a.ci", ""},
	{"the same name twice", byDNS, withDNS("a.ci", "A.CI"), "a.ci", ""},

	{"no rules", nil, named("alice"), "", "no rule matches"},
	{"no such name", byDNS, named("alice"), "", "no rule matches"},
	{"another end", Config{{Name: "dns", Match: "*.ci.example.com"}}, withDNS("a.ci.example.com.evil.test"), "", "no rule matches"},
	{"another beginning", Config{{Name: "uri", Match: "spiffe://example.org/*"}}, withURI("https://evil.test/?spiffe://example.org/x"), "", "no rule matches"},
	{"a dot is a dot", Config{{Name: "dns", Match: "a.example.com"}}, withDNS("axexample.com"), "", "no rule matches"},
	{"a star stands for something", Config{{Name: "cn", Match: "ci-*"}}, named("ci-"), "", "no rule matches"},
	{"a star stops at a slash", spiffe, withURI("spiffe://example.org/ns/a/b/sa/build"), "", "no rule matches"},
	{"an escaped slash is none", spiffe, withURI("spiffe://example.org/ns/a%2Fb/sa/build"), "build.a%2Fb all=workloads ns=a%2Fb", ""},
	{"no name", byCN, named(""), "", "no rule matches"},
	{"slash", byCN, named("team/app"), "", "no rule matches"},
	{"slash that is meant", Config{{Name: "cn", Match: "*/*"}}, named("team/app"), "team/app", ""},
	{"NUL", byCN, named("admin\x00.evil.test"), "", "characters that no account has"},
	{"line break", byCN, named("admin\nroot"), "", "characters that no account has"},
	{"long", byCN, named(strings.Repeat("a", 257)), "", "too long"},
	{"long, of parts", Config{{Name: "cn", Account: "${1}${1}"}}, named(strings.Repeat("a", 129)), "", "too long"},
	{"long label", Config{{Name: "cn", Labels: map[string][]string{"o": {"${o}"}}}}, &x509.Certificate{Subject: pkix.Name{CommonName: "a", Organization: []string{strings.Repeat("o", 257)}}}, "", "too long"},
	{"many labels", Config{{Name: "cn", Labels: map[string][]string{"ou": {"${ou}"}}}}, &x509.Certificate{Subject: pkix.Name{CommonName: "a", OrganizationalUnit: slices.Repeat([]string{"x"}, 257)}}, "", "too long"},
	{"star is a character", byCN, named("*"), "*", ""},
	{"variable is text", Config{{Name: "cn", Account: "x-${1}", Labels: map[string][]string{"l": {"${1}"}}}}, named("${account}${2}${ou}"), "x-${account}${2}${ou} l=${account}${2}${ou}", ""},
	{"several names", byDNS, withDNS("alice.ci", "admin.ci"), "", "several of its names match one rule"},
	{"several common names", byCN, twoCommonNames(), "", "several of its names match one rule"},
	{"several names, and a rule below", Config{{Name: "uri"}, {Name: "cn"}}, withURI("a:b", "a:c"), "", "several of its names match one rule"},
}

func TestAuthenticate(t *testing.T) {
	for _, tt := range loginTests {
		t.Run(tt.name, func(t *testing.T) {
			id, err := login(t, tt.rules, issued(t, tt.shown))
			if got := text(id); err == nil && got != tt.want {
				t.Errorf("Authenticate() = %q, want %q (%s)", got, tt.want, tt.reason)
			}
			if err != nil && (!errors.Is(err, authn.ErrUnknownUser) || tt.reason == "" || !strings.Contains(err.Error(), tt.reason)) {
				t.Errorf("Authenticate() = %v, want %q (%s)", err, tt.want, tt.reason)
			}
			if err != nil && (id.Account != "" || id.Labels != nil) {
				t.Errorf("an error, and somebody: %+v", id)
			}
		})
	}
}

// text is an identity as a line.
func text(id authn.Identity) string {
	words := []string{id.Account}
	labels := make([]string, 0, len(id.Labels))
	for label := range id.Labels {
		labels = append(labels, label)
	}
	slices.Sort(labels)
	for _, label := range labels {
		for _, value := range id.Labels[label] {
			words = append(words, label+"="+value.Value)
		}
	}
	return strings.Join(words, " ")
}

// TestLabelsAreTakenLiterally, whoever made the certificate: a star in a unit
// is no wildcard of a rule.
func TestLabelsAreTakenLiterally(t *testing.T) {
	c := named("alice")
	c.Subject.OrganizationalUnit = []string{"*"}
	id, err := login(t, Config{{Name: "cn", Labels: map[string][]string{"team": {"${ou}"}}}}, issued(t, c))
	if got := id.Labels["team"]; err != nil || len(got) != 1 || got[0] != (authn.Label{Value: "*"}) {
		t.Errorf("Authenticate() = %+v, %v", id, err)
	}
}

// TestWhatChangesAfterTheHandshake: a connection may live for days.
func TestWhatChangesAfterTheHandshake(t *testing.T) {
	shown := issued(t, named("alice"))
	other := &x509.Certificate{Raw: []byte("another CA"), NotAfter: theCA.NotAfter}
	old := &x509.Certificate{Raw: []byte("an old CA"), NotAfter: time.Now().Add(-time.Minute)}
	for _, tt := range []struct {
		name   string
		chains [][]*x509.Certificate
		later  time.Duration
		ok     bool
	}{
		{"nothing", [][]*x509.Certificate{{shown, theCA}}, 0, true},
		{"one of two CAs is left", [][]*x509.Certificate{{shown, other}, {shown, theCA}}, 0, true},
		{"the CA is not trusted any more", [][]*x509.Certificate{{shown, other}}, 0, false},
		{"the CA is below one that is", [][]*x509.Certificate{{shown, theCA, other}}, 0, false},
		{"the certificate has expired", [][]*x509.Certificate{{shown, theCA}}, 2 * time.Hour, false},
		{"the clock was set back", [][]*x509.Certificate{{shown, theCA}}, -2 * time.Hour, false},
		{"the CA has expired", [][]*x509.Certificate{{shown, old}}, 0, false},
		{"one between has expired", [][]*x509.Certificate{{shown, old, theCA}}, 0, false},
		{"no chain", nil, 0, false},
		{"an empty chain", [][]*x509.Certificate{{}}, 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u := newUsers(t, byCN, theCA, old)
			u.now = func() time.Time { return time.Now().Add(tt.later) }
			id, err := u.Authenticate(t.Context(), authn.Credentials{Chains: tt.chains})
			if ok := err == nil && id.Account == "alice"; ok != tt.ok || !ok && !errors.Is(err, authn.ErrUnknownUser) {
				t.Errorf("Authenticate() = %+v, %v; want somebody: %v", id, err, tt.ok)
			}
		})
	}
}

// TestRuleOfOneCA: the CA of the workloads cannot make an admin.
func TestRuleOfOneCA(t *testing.T) {
	people, workloads := ca("people"), ca("workloads")
	middle := ca("middle")
	u := newUsers(t, Config{{Name: "cn", CA: "people"}, {Name: "cn", CA: "middle", Account: "below-${1}"}, {Name: "cn", CA: "workloads", Account: "w-${1}"}}, people, workloads, theCA)
	shown := issued(t, named("admin"))
	for _, tt := range []struct {
		want   string
		chains [][]*x509.Certificate
	}{
		{"admin", [][]*x509.Certificate{{shown, people}}},
		{"w-admin", [][]*x509.Certificate{{shown, workloads}}},
		{"admin", [][]*x509.Certificate{{shown, workloads}, {shown, people}}},
		{"below-admin", [][]*x509.Certificate{{shown, middle, theCA}}},
		{"", [][]*x509.Certificate{{shown, theCA}}},
		{"", [][]*x509.Certificate{{shown, middle}}},
		{"w-admin", [][]*x509.Certificate{{shown, people, ca("unknown")}, {shown, workloads}}},
		{"", [][]*x509.Certificate{{people, theCA}}},
	} {
		if id, err := u.Authenticate(t.Context(), authn.Credentials{Chains: tt.chains}); id.Account != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("Authenticate() = %q, %v; want %q", id.Account, err, tt.want)
		}
	}
}

// TestRuleIsForThoseBelow: a CA is not below itself, so that it cannot be an
// account of its own.
func TestRuleIsForThoseBelow(t *testing.T) {
	own := issued(t, named("people"))
	u, err := New(Config{{Name: "cn", CA: "file"}}, []*x509.Certificate{theCA}, func(string) ([]*x509.Certificate, error) {
		return []*x509.Certificate{own}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	alice := issued(t, named("alice"))
	for _, tt := range []struct {
		want  string
		chain []*x509.Certificate
	}{{"alice", []*x509.Certificate{alice, own, theCA}}, {"", []*x509.Certificate{own, theCA}}} {
		id, err := u.Authenticate(t.Context(), authn.Credentials{Chains: [][]*x509.Certificate{tt.chain}})
		if id.Account != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("Authenticate() = %q, %v; want %q", id.Account, err, tt.want)
		}
	}
}

func ca(name string) *x509.Certificate {
	return &x509.Certificate{Raw: []byte(name), NotAfter: theCA.NotAfter, SerialNumber: big.NewInt(1)}
}

func TestRuleOfNoCA(t *testing.T) {
	broken := errors.New("holds no certificate")
	u, err := New(Config{{Name: "cn"}, {Name: "dns", CA: "x"}}, nil, func(string) ([]*x509.Certificate, error) { return nil, broken })
	if err == nil || err.Error() != "[1].ca: holds no certificate" || u.rules[1].trusts([][]*x509.Certificate{{theCA, theCA}}) {
		t.Errorf("New() = %+v, %v", u, err)
	}
}

// TestReasonIsForTheOperator: which certificate it was, in bounds.
func TestReasonIsForTheOperator(t *testing.T) {
	shown := issued(t, named(strings.Repeat("long", 1000)+"\n"))
	_, err := login(t, nil, shown)
	if msg := err.Error(); !strings.Contains(msg, "ff: no rule matches") || len(msg) > 400 || strings.ContainsAny(msg, "\n") {
		t.Errorf("the error is %q", msg)
	}
}

func FuzzNames(f *testing.F) {
	for _, tt := range loginTests {
		for _, r := range tt.rules {
			f.Add(r.Name, r.Match, r.Account, "a/b*${1}")
		}
	}
	f.Fuzz(func(t *testing.T, name, match, account, value string) {
		c := Config{{Name: name, Match: match, Account: account, Labels: map[string][]string{"l": {"${ou}${1}"}}}}
		if c.Validate() != nil {
			return
		}
		shown := &x509.Certificate{
			Raw: []byte("shown"), NotAfter: theCA.NotAfter, SerialNumber: big.NewInt(1),
			DNSNames: []string{value}, EmailAddresses: []string{value}, URIs: []*url.URL{{Scheme: "spiffe", Host: "h", Path: value}},
			Subject: pkix.Name{
				OrganizationalUnit: []string{value},
				Names:              []pkix.AttributeTypeAndValue{{Type: commonName, Value: value}},
			},
		}
		id, err := newUsers(t, c, theCA).Authenticate(context.Background(), authn.Credentials{Chains: [][]*x509.Certificate{{shown, theCA}}})
		switch {
		case err != nil && !errors.Is(err, authn.ErrUnknownUser):
			t.Errorf("%v", err)
		case err == nil && !authn.Plausible(id.Account):
			t.Errorf("account %q", id.Account)
		case err == nil && account == "" && match == "" && name != "uri" && strings.Contains(id.Account, "/"):
			t.Errorf("account %q", id.Account)
		}
	})
}

// BenchmarkKnownLogin is each login with a certificate: nothing is remembered.
func BenchmarkKnownLogin(b *testing.B) {
	chains := [][]*x509.Certificate{{issued(b, withURI("spiffe://example.org/ns/prod/sa/build")), theCA}}
	u := newUsers(b, append(slices.Repeat(byDNS, 20), spiffe...), theCA)
	b.ReportAllocs()
	for b.Loop() {
		if id, err := u.Authenticate(b.Context(), authn.Credentials{Chains: chains}); err != nil || id.Account != "build.prod" {
			b.Fatal(id, err)
		}
	}
}
