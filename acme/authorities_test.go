package acme

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/regate/regate/acme/acmestub"
)

// An order that runs is not begun anew because something else has changed.
func TestReloadLeavesOrdersAlone(t *testing.T) {
	t.Parallel()
	ca := acmestub.New(t)
	cfg := online(t, []*acmestub.Server{ca}, "stays.example.com")
	m := newTestManager(t, cfg, openStore(t))
	first := m.managed.plan.Load()
	prepare := func(cfg Config) *plan {
		t.Helper()
		commit, err := m.Prepare(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		commit()
		return m.managed.plan.Load()
	}
	cfg.Hosts = append(cfg.Hosts, "more.example.com")
	if !first.sameOrder(prepare(cfg), "stays.example.com") {
		t.Error("another host begins all orders anew")
	}
	eab := tempFile(t, "eab", []byte("c2VjcmV0"))
	cfg.ACME.First.EAB = EAB{KeyID: "k", HMACKeyFile: eab}
	second := prepare(cfg)
	if first.sameOrder(second, "stays.example.com") || !first.sameIssuers(second, "stays.example.com") {
		t.Error("an order goes on without the new EAB, or a certificate is thrown away")
	}
	if err := os.WriteFile(eab, []byte("b3RoZXI"), 0o600); err != nil {
		t.Fatal(err)
	}
	if second.sameOrder(prepare(cfg), "stays.example.com") {
		t.Error("an order goes on with what was in the file")
	}
}

func TestCheckReadsFiles(t *testing.T) {
	t.Parallel()
	none := filepath.Join(t.TempDir(), "none")
	empty := tempFile(t, "empty", nil)
	cfg := with(public("a.example.com"), func(a *ACME) {
		a.First = CA{Email: "o@example.com", EAB: EAB{KeyID: "k", HMACKeyFile: empty}, TrustedRoots: none, AccountKeyFile: empty}
		a.Fallback = []CA{{CA: "zerossl", TrustedRoots: empty, EAB: someEAB}}
	})
	want := []string{
		"acme.eab.hmac_key_file: " + empty + " is no key in base64url",
		"acme.trusted_roots: open " + none + ": no such file or directory",
		"acme.account_key_file: " + empty + " holds no private key in PEM",
		"acme.fallback[0].trusted_roots: " + empty + " holds no certificate in PEM",
	}
	if got := lines(Check(cfg)); got != strings.Join(want, "\n") {
		t.Errorf("Check =\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
	if _, err := New(t.Context(), cfg, Deps{Store: openStore(t)}); lines(err) != strings.Join(want, "\n") {
		t.Errorf("New = %v", err)
	}
}

var policyTests = []struct {
	name string
	acme ACME
	host string
	want []string
}{
	{"name", ACME{}, "a.example.com", []string{"acme-v02.api.letsencrypt.org-directory"}},
	{"address", ACME{}, "192.0.2.1", []string{"acme-v02.api.letsencrypt.org-directory-shortlived"}},
	{"name with a profile", ACME{First: CA{Profile: "tlsserver"}}, "a.example.com", []string{"acme-v02.api.letsencrypt.org-directory-tlsserver"}},
	{"address despite a profile", ACME{First: CA{Profile: "tlsserver"}}, "192.0.2.1", []string{"acme-v02.api.letsencrypt.org-directory-shortlived"}},
	{"address that the first CA has none for", ACME{First: CA{CA: "zerossl", EAB: someEAB}, Fallback: []CA{{CA: "letsencrypt"}}}, "192.0.2.1",
		[]string{"acme-v02.api.letsencrypt.org-directory-shortlived"}},
	{"private name at one of two CAs", ACME{Fallback: []CA{{CA: "https://ca.local:9000/acme/acme/directory", Profile: "X"}}}, "a.local",
		[]string{"ca.local-9000-acme-acme-directory-x"}},
	{"both", ACME{Fallback: []CA{{CA: "zerossl", EAB: someEAB}}}, "a.example.com",
		[]string{"acme-v02.api.letsencrypt.org-directory", "acme.zerossl.com-v2-dv90"}},
}

func TestPolicies(t *testing.T) {
	for _, tt := range policyTests {
		a, err := readAuthorities(tt.acme.withDefaults())
		if err != nil {
			t.Fatal(err)
		}
		p := a.policy(tt.host)
		if got := p.issuerKeys(); !slices.Equal(got, tt.want) {
			t.Errorf("%s: issuers of %s = %q, want %q", tt.name, tt.host, got, tt.want)
		}
		if short := strings.HasSuffix(tt.want[0], "shortlived"); short != (p.ratio == 0.5) {
			t.Errorf("%s: renewed when %v is left", tt.name, p.ratio)
		}
		if a.policy(tt.host) != p {
			t.Errorf("%s: the next host has another policy", tt.name)
		}
	}
}
