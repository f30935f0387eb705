package authsvc

import (
	"crypto/x509"
	"errors"
	"testing"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/secret"
)

// TestPersonalIsForPersonalTokens: secrets of other kinds have rules of their
// own, a certificate is shown beside no password, and what cannot be told is no
// refusal of somebody who is known.
func TestPersonalIsForPersonalTokens(t *testing.T) {
	r := newRig(t)
	book := secret.New(r.store, nil, nil)
	var vouch error
	m := finding(func(account string) (authn.Identity, error) {
		if vouch != nil {
			return authn.Identity{}, vouch
		}
		return authn.Identity{Account: account}, nil
	})
	p := NewPersonal(book, NewVouchers([]Voucher{{Key: "m", Finder: m}}, nil), authn.Chain{})
	made := func(kind string) authn.Credentials {
		text, _, err := book.Create(t.Context(), secret.Token{Kind: kind, Owner: "dev", Method: "m", Name: "n"})
		if err != nil {
			t.Fatal(err)
		}
		return authn.Credentials{Account: "dev", Password: text}
	}
	personal, other, certified := made(secret.Personal), made("other"), made(secret.Personal)
	certified.Chains = [][]*x509.Certificate{{}}
	check := func(name string, c authn.Credentials, want error) {
		t.Helper()
		if id, err := p.Authenticate(t.Context(), c); !errors.Is(err, want) || (id.Account == "dev") != (want == nil) {
			t.Errorf("%s: %v, %v; want %v", name, id, err, want)
		}
	}
	check("a personal token", personal, nil)
	check("one of another kind", other, authn.ErrWrongPassword)
	check("one beside a certificate", certified, authn.ErrUnknownUser)
	vouch = errDown
	check("a provider that cannot tell", personal, authn.ErrUndecided)
	if err := r.store.Close(); err != nil {
		t.Fatal(err)
	}
	check("a state that cannot", personal, authn.ErrUndecided)
}
