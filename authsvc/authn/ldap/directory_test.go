package ldap

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/authn/ldap/ldaptest"
)

// Accounts that are more than letters, and are what they are in a filter and
// in a DN alike.
var oddAccounts = []string{
	"alice", "o'brien", "a*b", "*", "a)(uid=*", "*)(objectClass=*", `a\b`, `\2a`, "a,ou=x", "a+b=c", `a"b`, "#a", "a;b<c>d=e", "müller", "名前", "a\x00b", "x@example.com",
}

var authenticateTests = []struct {
	name     string
	account  string
	password authn.Secret
	want     error
}{
	{"right password", "alice", "secret of alice", nil},
	{"wrong password", "alice", "secret of bob", authn.ErrWrongPassword},
	{"no password", "alice", "", authn.ErrUnknownUser},
	{"unknown", "mallory", "secret of alice", authn.ErrUnknownUser},
	{"unknown without a password", "mallory", "", authn.ErrUnknownUser},
	{"without a password in the directory", "nopassword", "x", authn.ErrWrongPassword},
	{"outside of the base", "outsider", "secret of outsider", authn.ErrUnknownUser},
	{"not what the filter wants", "printer", "secret of printer", authn.ErrUnknownUser},
	{"wildcard", "al*", "secret of alice", authn.ErrUnknownUser},
	{"everybody", "*", "secret of alice", authn.ErrUnknownUser},
	{"end of the filter", "alice)(|(uid=*", "secret of alice", authn.ErrUnknownUser},
	{"anything that is", "*)(objectClass=*", "secret of alice", authn.ErrUnknownUser},
	{"NUL", "alice\x00", "secret of alice", authn.ErrUnknownUser},
	{"escaped letter", `\61lice`, "secret of alice", authn.ErrUnknownUser},
	{"a DN", "uid=alice," + people, "secret of alice", authn.ErrUnknownUser},
	{"anonymous", "", "", authn.ErrUnknownUser},
	{"password without an account", "", "secret of alice", authn.ErrUnknownUser},
}

func TestAuthenticate(t *testing.T) {
	nopassword, outsider, printer := person("nopassword"), person("outsider"), person("printer")
	nopassword.Password = ""
	outsider.DN = "uid=outsider,ou=others,dc=example,dc=com"
	printer.Attributes["objectClass"] = []string{"device"}
	s := ldaptest.Start(t, ldaptest.Options{}, service, person("alice"), person("bob"), nopassword, outsider, printer)
	for name, cfg := range map[string]Config{"as a service": configOf(t, s), "as the user": asUser(configOf(t, s))} {
		d := open(t, cfg)
		for _, tt := range authenticateTests {
			t.Run(name+"/"+tt.name, func(t *testing.T) {
				want := tt.want
				if cfg.InitialBindAsUser && errors.Is(want, authn.ErrUnknownUser) && tt.account != "" && tt.password != "" && tt.name != "not what the filter wants" {
					want = authn.ErrWrongPassword // which is all that a refused bind says
				}
				id, err := login(t.Context(), d, tt.account, tt.password)
				if !errors.Is(err, want) || (err != nil) != (want != nil) {
					t.Fatalf("Authenticate() = %v, want %v", err, want)
				}
				if err == nil && id.Account != tt.account || err != nil && !reflect.DeepEqual(id, authn.Identity{}) {
					t.Errorf("Authenticate() = %+v beside %v", id, err)
				}
			})
		}
	}
	for _, r := range s.Requests(ldaptest.Bind) {
		if r.Name == "" {
			t.Error("somebody was bound without a name")
		}
	}
}

func asUser(cfg Config) Config {
	cfg.InitialBindAsUser, cfg.BindDN, cfg.BindPasswordFile = true, "uid=${account},"+people, ""
	return cfg
}

// TestOddAccounts: each is found, and proved, as itself.
func TestOddAccounts(t *testing.T) {
	var entries []ldaptest.Entry
	for _, account := range oddAccounts {
		e := person(account)
		e.DN = "uid=" + ldap.EscapeDN(account) + "," + people
		entries = append(entries, e)
	}
	s := ldaptest.Start(t, ldaptest.Options{}, append(entries, service)...)
	asService, itself := open(t, configOf(t, s)), open(t, asUser(configOf(t, s)))
	for _, account := range oddAccounts {
		for name, d := range map[string]*Directory{"as a service": asService, "as the user": itself} {
			if id, err := login(t.Context(), d, account, secretOf(account)); id.Account != account || err != nil {
				t.Errorf("%s: %q is %+v, %v", name, account, id, err)
			}
			if _, err := login(t.Context(), d, account, "x"); !errors.Is(err, authn.ErrWrongPassword) {
				t.Errorf("%s: %q with a wrong password: %v", name, account, err)
			}
		}
	}
}

// TestAccountIsSpeltAsInTheDirectory: no rule about alice can be got round by
// writing her name in another way, which the directory takes for the same.
func TestAccountIsSpeltAsInTheDirectory(t *testing.T) {
	s := ldaptest.Start(t, ldaptest.Options{}, service, person("alice", "mail", "A.Smith@example.com", "uid", "al"))
	cfg := configOf(t, s)
	cfg.Filter = "(|(uid=${account})(mail=${account}))"
	d := open(t, cfg)
	for written, want := range map[string]string{
		"alice": "alice", "ALICE": "alice", " alice ": "alice", "Al": "al", "a.smith@EXAMPLE.com": "A.Smith@example.com",
	} {
		id, err := login(t.Context(), d, written, "secret of alice")
		if err != nil || id.Account != want {
			t.Errorf("%q is %q, %v; want %q", written, id.Account, err, want)
		}
		if id, err = d.Find(t.Context(), written); err != nil || id.Account != want {
			t.Errorf("Find(%q) is %q, %v; want %q", written, id.Account, err, want)
		}
	}
}

func TestAccountAttributes(t *testing.T) {
	for filter, want := range map[string]string{
		"(uid=${account})": "uid",
		"(&(objectClass=person)(|(uid=${account})(mail=${account})))": "uid mail",
		"(mail=${account}@example.com)":                               "",
		"(&(cn=x)(!(uid=${account})))":                                "",
		"(uid:caseExactMatch:=${account})":                            "",
	} {
		if got := strings.Join(accountAttributes(filter), " "); got != want {
			t.Errorf("accountAttributes(%s) = %q, want %q", filter, got, want)
		}
	}
}

// TestSeveralEntriesAreNoAccount: it cannot be told who that is.
func TestSeveralEntriesAreNoAccount(t *testing.T) {
	twin := person("alice")
	twin.DN, twin.Password = "cn=twin,"+people, "x"
	for _, entries := range [][]ldaptest.Entry{{person("alice"), twin}, {person("alice"), twin, twin}} {
		s := ldaptest.Start(t, ldaptest.Options{}, append(entries, service)...)
		_, err := login(t.Context(), open(t, configOf(t, s)), "alice", "secret of alice")
		if err == nil || !strings.Contains(err.Error(), "more than one entry") || refused(err) {
			t.Errorf("with %d entries: %v", len(entries), err)
		}
		if n := len(s.Requests(ldaptest.Bind)); n != 1 {
			t.Errorf("%d binds, want that of the service alone", n)
		}
	}
}

func refused(err error) bool {
	return errors.Is(err, authn.ErrUnknownUser) || errors.Is(err, authn.ErrWrongPassword)
}

// TestNamelessEntryIsNotBoundAs: a bind without a name is one of nobody, and
// succeeds with some servers.
func TestNamelessEntryIsNotBoundAs(t *testing.T) {
	nameless := person("alice")
	nameless.DN = ""
	s := ldaptest.Start(t, ldaptest.Options{}, service, nameless)
	cfg := configOf(t, s)
	cfg.Base = "" // which contains everything
	id, err := login(t.Context(), open(t, cfg), "alice", "secret of alice")
	if err == nil || refused(err) {
		t.Errorf("Authenticate() = %+v, %v", id, err)
	}
}

func TestNoServiceAccountIsNeeded(t *testing.T) {
	s := ldaptest.Start(t, ldaptest.Options{}, person("alice"))
	cfg := configOf(t, s)
	cfg.BindDN, cfg.BindPasswordFile = "", ""
	if _, err := login(t.Context(), open(t, cfg), "alice", "secret of alice"); err != nil {
		t.Error(err)
	}
	if n := len(s.Requests(ldaptest.Bind)); n != 1 {
		t.Errorf("%d binds, want that of the user alone", n)
	}
}

// TestWrongServicePassword is no refusal of a user, and names bind_dn.
func TestWrongServicePassword(t *testing.T) {
	s := ldaptest.Start(t, ldaptest.Options{}, service, person("alice"))
	cfg := configOf(t, s)
	cfg.BindPasswordFile = file(t, "not-it")
	_, err := login(t.Context(), open(t, cfg), "alice", "secret of alice")
	if err == nil || refused(err) || !strings.Contains(err.Error(), "bind as bind_dn") || strings.Contains(err.Error(), "not-it") {
		t.Errorf("Authenticate() = %v", err)
	}
}
