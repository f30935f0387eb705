package htpasswd_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/regate/regate/authsvc"
	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/authn/htpasswd"
	"github.com/regate/regate/authsvc/password"
	"github.com/regate/regate/internal/cache"
)

// BenchmarkKnownLogin is a login that was done within the last minute.
func BenchmarkKnownLogin(b *testing.B) {
	hash, err := password.Hash("secret of alice", 4)
	if err != nil {
		b.Fatal(err)
	}
	path := filepath.Join(b.TempDir(), "htpasswd")
	if err := os.WriteFile(path, []byte("alice:"+hash+"\n"), 0o600); err != nil {
		b.Fatal(err)
	}
	users, err := htpasswd.Open(path, password.NewPool(password.Options{}))
	if err != nil {
		b.Fatal(err)
	}
	decoy := func(context.Context, string) error { return nil }
	login := authsvc.NewLogin(users, password.NewCache[authn.Identity](cache.Options{}), nil, decoy)
	alice := authn.Credentials{Account: "alice", Password: "secret of alice"}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := login.Authenticate(b.Context(), alice); err != nil {
			b.Fatal(err)
		}
	}
}
