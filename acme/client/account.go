package client

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3/acme"
	"go.uber.org/zap"
)

// A stored account is one value, so that there is no key without what the
// server said of it.
type stored struct {
	Account acme.Account `json:"account"`
	Key     string       `json:"key"` // PEM
}

// accountPath is where the account is kept. There is one for each server and
// e-mail address, which all profiles and replicas share.
func (i *Issuer) accountPath() string {
	return path.Join("acme", i.server(), "accounts", certmagic.StorageKeys.Safe(i.cfg.Email))
}

// account finds the account: the one that was used before, the one in the
// storage, or a new one. Of several orders that need one at the same time, in
// this process or another, one makes it.
func (i *Issuer) account(ctx context.Context) (acme.Account, error) {
	if err := take(ctx, i.turn); err != nil {
		return acme.Account{}, err
	}
	defer func() { <-i.turn }()
	if i.known != nil {
		return *i.known, nil
	}
	a, err := i.loadAccount(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		a, err = i.newAccount(ctx)
	}
	if err != nil {
		return acme.Account{}, fmt.Errorf("account: %w", err)
	}
	i.known = &a
	return a, nil
}

func (i *Issuer) newAccount(ctx context.Context) (a acme.Account, err error) {
	lock := path.Join("acme_account", i.server())
	if err := i.storage.Lock(ctx, lock); err != nil {
		return a, err
	}
	defer func() {
		if err := i.storage.Unlock(context.WithoutCancel(ctx), lock); err != nil {
			i.log.Warn("lock could not be given back", zap.Error(err))
		}
	}()
	if a, err := i.loadAccount(ctx); !errors.Is(err, fs.ErrNotExist) {
		return a, err
	}
	if a, err = i.register(ctx); err != nil {
		return a, err
	}
	i.log.Info("account made at the CA", zap.String("ca", i.cfg.Directory), zap.String("email", i.cfg.Email))
	return a, i.storeAccount(ctx, a)
}

// register makes an account, or finds the one of a key that was brought along:
// the key of an EAB may be good for one account only.
func (i *Issuer) register(ctx context.Context) (acme.Account, error) {
	if i.cfg.Key != nil {
		a, err := i.acme.GetAccount(ctx, acme.Account{PrivateKey: i.cfg.Key})
		if !isProblem(err, acme.ProblemTypeAccountDoesNotExist) {
			return a, err
		}
	}
	key := i.cfg.Key
	if key == nil {
		made, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return acme.Account{}, err
		}
		key = made
	}
	a := acme.Account{PrivateKey: key, Contact: mailto(i.cfg.Email), TermsOfServiceAgreed: true}
	if i.cfg.EAB != nil {
		if err := a.SetExternalAccountBinding(ctx, i.acme.Client, i.cfg.EAB.acme()); err != nil {
			return a, err
		}
	}
	return i.acme.NewAccount(ctx, a)
}

// loadAccount returns fs.ErrNotExist if there is none, or one with another key
// than the one that was brought along.
func (i *Issuer) loadAccount(ctx context.Context) (acme.Account, error) {
	data, err := i.storage.Load(ctx, i.accountPath())
	if err != nil {
		return acme.Account{}, err
	}
	var s stored
	if err := json.Unmarshal(data, &s); err != nil {
		return acme.Account{}, fmt.Errorf("%s: %w", i.accountPath(), err)
	}
	if s.Account.PrivateKey, err = certmagic.PEMDecodePrivateKey([]byte(s.Key)); err != nil {
		return acme.Account{}, fmt.Errorf("%s: %w", i.accountPath(), err)
	}
	if i.cfg.Key != nil && !sameKey(i.cfg.Key, s.Account.PrivateKey) {
		return acme.Account{}, fs.ErrNotExist
	}
	return s.Account, nil
}

func sameKey(a, b crypto.Signer) bool {
	public, ok := a.Public().(interface{ Equal(crypto.PublicKey) bool })
	return ok && public.Equal(b.Public())
}

func (i *Issuer) storeAccount(ctx context.Context, a acme.Account) error {
	key, err := certmagic.PEMEncodePrivateKey(a.PrivateKey)
	if err != nil {
		return err
	}
	a.ExternalAccountBinding = nil
	data, err := json.Marshal(stored{a, string(key)})
	if err != nil {
		return err
	}
	return i.storage.Store(ctx, i.accountPath(), data)
}

// forgetAccount is for a server that knows it no longer.
func (i *Issuer) forgetAccount(ctx context.Context) error {
	if err := take(ctx, i.turn); err != nil {
		return err
	}
	defer func() { <-i.turn }()
	i.known = nil
	return i.storage.Delete(ctx, i.accountPath())
}
