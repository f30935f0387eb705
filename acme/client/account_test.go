package client

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"testing"

	"github.com/caddyserver/certmagic"

	"github.com/regate/regate/acme/acmestub"
)

// A hooked storage tells of locks, and has none.
type hooked struct {
	certmagic.Storage
	locking func()
}

func (h hooked) Lock(context.Context, string) error   { h.locking(); return nil }
func (h hooked) Unlock(context.Context, string) error { return nil }

// testIssuer asks ca with key, which may be nil.
func testIssuer(ca *acmestub.Server, key crypto.Signer, st certmagic.Storage) *Issuer {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca.RootsPEM())
	return New(Config{Directory: ca.Directory(), Roots: roots, Email: "ops@example.com", Key: key}, Parts{Storage: st, Solvers: NewChallenges().Solvers(kindHTTP)})
}

// Whoever has waited for the lock uses what the one before it has made.
func TestAccountIsMadeOnce(t *testing.T) {
	ca, files := acmestub.New(t), &certmagic.FileStorage{Path: t.TempDir()}
	other := testIssuer(ca, nil, hooked{files, func() {}})
	var first string
	issuer := testIssuer(ca, nil, hooked{files, func() {
		a, err := other.account(t.Context())
		if err != nil {
			t.Error(err)
		}
		first = a.Location
	}})
	for range 2 {
		a, err := issuer.account(t.Context())
		if err != nil || a.Location != first {
			t.Errorf("account %q, %v, want %q", a.Location, err, first)
		}
	}
	if n := ca.Asked("new-account"); n != 1 {
		t.Errorf("the CA was asked for %d accounts, want 1", n)
	}
}

// A key that is brought along later has an account of its own.
func TestAnotherKeyIsAnotherAccount(t *testing.T) {
	ca, files := acmestub.New(t), &certmagic.FileStorage{Path: t.TempDir()}
	before, err := testIssuer(ca, nil, hooked{files, func() {}}).account(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // makes it, and finds it
		after, err := testIssuer(ca, key, hooked{files, func() {}}).account(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !key.Equal(after.PrivateKey) || after.Location == before.Location {
			t.Errorf("account %q with another key than the one that was brought", after.Location)
		}
	}
}
