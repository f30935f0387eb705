package ldap_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/regate/regate/authsvc"
	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/authn/ldap"
	"github.com/regate/regate/authsvc/authn/ldap/ldaptest"
	"github.com/regate/regate/authsvc/password"
	"github.com/regate/regate/internal/cache"
)

// loginTo is what stands before the chain in a gate, with a directory in it.
func loginTo(t testing.TB, s *ldaptest.Server) *authsvc.Login {
	t.Helper()
	path := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(path, []byte("service"), 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := ldap.New(ldap.Config{
		Addr: s.Addr, BindDN: "cn=gate,dc=x", BindPasswordFile: path, Base: "dc=x", Filter: "(uid=${account})",
		Groups: &ldap.GroupsConfig{},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	none := func(context.Context, string) error { return nil }
	return authsvc.NewLogin(authn.Chain{d}, password.NewCache[authn.Identity](cache.Options{}), nil, none)
}

var (
	entries = []ldaptest.Entry{
		{DN: "cn=gate,dc=x", Password: "service"},
		{DN: "uid=alice,dc=x", Password: "secret", Attributes: map[string][]string{"uid": {"alice"}}},
	}
	alice = authn.Credentials{Account: "alice", Password: "secret"}
)

// TestLoginsTogetherAreOne: a thousand clients of one user cost the directory
// one search, one bind and one search for groups.
func TestLoginsTogetherAreOne(t *testing.T) {
	s := ldaptest.Start(t, ldaptest.Options{}, entries...)
	login := loginTo(t, s)
	var all sync.WaitGroup
	for range 1000 {
		all.Go(func() {
			if id, err := login.Authenticate(t.Context(), alice); err != nil || id.Account != "alice" {
				t.Errorf("Authenticate() = %+v, %v", id, err)
			}
		})
	}
	all.Wait()
	searches, binds := len(s.Requests(ldaptest.Search)), len(s.Requests(ldaptest.Bind))
	if searches != 2 || binds != 2 { // one bind is the service's
		t.Errorf("%d searches and %d binds", searches, binds)
	}
}

// TestSeveralDirectories are asked in their order, and none keeps the people of
// another out.
func TestSeveralDirectories(t *testing.T) {
	first := ldaptest.Start(t, ldaptest.Options{}, entries...)
	second := ldaptest.Start(t, ldaptest.Options{}, ldaptest.Entry{DN: "uid=alice,dc=x", Password: "other", Attributes: map[string][]string{"uid": {"alice"}}},
		ldaptest.Entry{DN: "uid=bob,dc=x", Password: "other", Attributes: map[string][]string{"uid": {"bob"}}})
	var chain authn.Chain
	all, err := ldap.Configs{
		{Addr: first.Addr, Base: "dc=x", Filter: "(uid=${account})"},
		{Addr: second.Addr, Base: "dc=x", Filter: "(uid=${account})"},
	}.Open(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range all {
		defer d.Close()
		chain = append(chain, d)
	}
	login := func(account string, password authn.Secret) error {
		_, err := chain.Authenticate(t.Context(), authn.Credentials{Account: account, Password: password})
		return err
	}
	if err := login("alice", "secret"); err != nil {
		t.Errorf("alice of the first: %v", err)
	}
	if err := login("alice", "other"); !errors.Is(err, authn.ErrWrongPassword) {
		t.Errorf("alice of the second, where the first has one: %v", err)
	}
	if err := login("bob", "other"); err != nil {
		t.Errorf("bob of the second: %v", err)
	}
	if err := login("mallory", "other"); !errors.Is(err, authn.ErrUnknownUser) {
		t.Errorf("whom neither knows: %v", err)
	}
	first.Down()
	if err := login("bob", "other"); err != nil {
		t.Errorf("bob of the second, without the first: %v", err)
	}
	if err := login("mallory", "other"); err == nil || errors.Is(err, authn.ErrUnknownUser) || !strings.Contains(err.Error(), first.Addr) {
		t.Errorf("whom the second does not know, without the first: %v", err)
	}
}

// BenchmarkKnownLogin is a login that was done within the last minute.
func BenchmarkKnownLogin(b *testing.B) {
	login := loginTo(b, ldaptest.Start(b, ldaptest.Options{}, entries...))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := login.Authenticate(b.Context(), alice); err != nil {
			b.Fatal(err)
		}
	}
}
