package ldap

import (
	"errors"
	"reflect"
	"testing"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/authn/ldap/ldaptest"
)

func TestFind(t *testing.T) {
	s := ldaptest.Start(t, ldaptest.Options{}, service, person("alice", "memberOf", "cn=web,dc=x"),
		person("disabled", userAccountControl, "514"), person("normal", userAccountControl, "512", accountExpires, "9223372036854775807"),
		person("expired", accountExpires, "131000000000000000"), person("never", accountExpires, "0"), person("later", accountExpires, "2650467743990000000"),
		person("locked", pwdAccountLockedTime, "000001010000Z"), person("for-a-while", pwdAccountLockedTime, "20260101000000Z"),
		person("inactive", nsAccountLock, "TRUE"))
	cfg := configOf(t, s)
	cfg.Labels = map[string]LabelConfig{"team": {Attribute: "memberof", ParseCN: true}}
	d := open(t, cfg)
	for account, want := range map[string]error{
		"alice": nil, "normal": nil, "never": nil, "later": nil, "for-a-while": nil,
		"disabled": authn.ErrUnknownUser, "expired": authn.ErrUnknownUser, "locked": authn.ErrUnknownUser, "inactive": authn.ErrUnknownUser,
		"mallory": authn.ErrUnknownUser, "": authn.ErrUnknownUser, "*": authn.ErrUnknownUser,
	} {
		if id, err := d.Find(t.Context(), account); !errors.Is(err, want) || (err == nil) != (want == nil) || err == nil && id.Account != account {
			t.Errorf("Find(%q) = %+v, %v; want %v", account, id, err, want)
		}
	}
	if id, _ := d.Find(t.Context(), "alice"); !reflect.DeepEqual(id.Labels, authn.Labels{"team": {{Value: "web"}}}) {
		t.Errorf("labels of alice = %+v", id.Labels)
	}
	if n := len(s.Requests(ldaptest.Bind)); n != 1 {
		t.Errorf("%d binds, want that of the service alone", n)
	}
	s.Down()
	if _, err := open(t, cfg).Find(t.Context(), "alice"); err == nil || refused(err) {
		t.Errorf("Find() in a directory that is down = %v", err)
	}
}

// TestWhoCanFind: with initial_bind_as_user there is no Finder, which would
// have tokens end at once, or live for as long as a directory may be down.
func TestWhoCanFind(t *testing.T) {
	s := ldaptest.Start(t, ldaptest.Options{}, service, person("alice"))
	cfg := configOf(t, s)
	all, err := Configs{cfg, asUser(cfg)}.Open(nil)
	if err != nil {
		t.Fatal(err)
	}
	chain := authn.Chain{}
	for i, a := range all {
		if _, ok := a.(authn.Finder); ok != (i == 0) {
			t.Errorf("%T is a Finder: %v", a, ok)
		}
		id, err := a.Authenticate(t.Context(), authn.Credentials{Account: "alice", Password: secretOf("alice")})
		if err != nil || id.Account != "alice" {
			t.Errorf("%T: Authenticate() = %+v, %v", a, id, err)
		}
		chain = append(chain, a)
	}
	if id, err := chain[1:].Find(t.Context(), "alice"); !errors.Is(err, authn.ErrUnknownUser) {
		t.Errorf("Find() = %+v, %v; want that the Blind is skipped", id, err)
	}
	if _, err := open(t, asUser(cfg)).Find(t.Context(), "alice"); err == nil || refused(err) {
		t.Errorf("Find() as the user = %v", err)
	}
	for _, a := range all {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}
	until(t, "no connection is left", func() bool { _, open := s.Conns(); return open == 0 })
}
