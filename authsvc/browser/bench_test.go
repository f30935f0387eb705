package browser

import (
	"testing"

	"github.com/regate/regate/authsvc"
	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/secret"
	"github.com/regate/regate/internal/state"
	"github.com/regate/regate/internal/state/local"
)

// BenchmarkKnownLogin is each login by a personal token: nothing is remembered
// of it. The login that vouches for it is in a sealed area, as in a gate.
func BenchmarkKnownLogin(b *testing.B) {
	engine, err := local.Open(b.Context(), local.Config{Path: b.TempDir()}, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = engine.Close() }()
	key, err := state.NewKey([32]byte{1})
	if err != nil {
		b.Fatal(err)
	}
	store := state.Seal(engine, key, "login")
	book := secret.New(store, nil, nil)
	people := NewPeople(PeopleParts{Method: Method{"github_auth", "/github_auth", &fake{}}, Store: store, Book: book})
	if err := people.enter(b.Context(), alice()); err != nil {
		b.Fatal(err)
	}
	text, _, err := book.Create(b.Context(), secret.Token{Kind: secret.Personal, Owner: "alice", Method: "github_auth"})
	if err != nil {
		b.Fatal(err)
	}
	login := authsvc.NewPersonal(book, authsvc.NewVouchers([]authsvc.Voucher{{Key: "github_auth", Finder: people}}, nil), authn.Chain{})
	c := authn.Credentials{Account: "alice", Password: text}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := login.Authenticate(b.Context(), c); err != nil {
			b.Fatal(err)
		}
	}
}
