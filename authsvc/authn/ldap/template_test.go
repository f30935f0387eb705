package ldap

import (
	"testing"
	"unicode/utf8"

	"github.com/go-ldap/ldap/v3"
)

// TestEscaping: what is escaped for a filter is not for a DN, and the other way
// about.
func TestEscaping(t *testing.T) {
	const account = ` #a*b(c)\d,e+f"g;h<i>j` + "\x00k "
	for got, want := range map[string]string{
		inFilter("(uid=${account})", account, ""):       `(uid= #a\2ab\28c\29\5cd,e+f"g;h<i>j\00k )`,
		inFilter("(member=${dn})", "", `cn=a\, (b),c`):  `(member=cn=a\5c, \28b\29,c)`,
		inName("uid=${account},dc=x", account):          `uid=\ #a*b(c)\\d\,e\+f\"g\;h\<i\>j\00k\ ,dc=x`,
		inName("uid=${account},dc=x", "#a"):             `uid=\#a,dc=x`,
		inName("${account}@example.com", "a,b+c"):       "a,b+c@example.com",
		inName(`CORP\${account}`, "a.b"):                `CORP\a.b`,
		inFilter("(uid=${account})", "${dn}", "secret"): "(uid=${dn})",
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// FuzzAccount: whatever the account is, the filter compares with all of it and
// nothing else, and the DN has one RDN more, with it for a value.
func FuzzAccount(f *testing.F) {
	for _, account := range oddAccounts {
		f.Add(account)
	}
	f.Add(" #a ")
	f.Add("  ")
	f.Fuzz(func(t *testing.T, account string) {
		filter, err := ldap.CompileFilter(inFilter("(&(objectClass=person)(uid=${account}))", account, ""))
		if err != nil {
			t.Fatalf("the filter for %q: %v", account, err)
		}
		if account == "" || !utf8.ValidString(account) {
			return // which does not get this far
		}
		if len(filter.Children) != 2 || filter.Children[1].Tag != ldap.FilterEqualityMatch || text(filter.Children[1].Children[1]) != account {
			t.Errorf("the filter for %q is %s", account, inFilter("(uid=${account})", account, ""))
		}
		name := inName("uid=${account},dc=x", account)
		dn, err := ldap.ParseDN(name)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if len(dn.RDNs) != 2 || len(dn.RDNs[0].Attributes) != 1 || dn.RDNs[0].Attributes[0].Value != account {
			t.Errorf("%q makes %s, which is read as %q", account, name, dn.RDNs[0].Attributes)
		}
	})
}
