package ldap_test

import (
	"context"
	"os"
	"path/filepath"
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
	return authsvc.NewLogin(authn.Chain{d}, password.NewCache[authn.Identity](cache.Options{}), none)
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

// BenchmarkKnown is a login that was done within the last minute.
func BenchmarkKnown(b *testing.B) {
	login := loginTo(b, ldaptest.Start(b, ldaptest.Options{}, entries...))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := login.Authenticate(b.Context(), alice); err != nil {
			b.Fatal(err)
		}
	}
}
