package ldap

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"go.uber.org/zap"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/internal/problem"
)

// A Directory is the authenticator of the accounts in a directory.
type Directory struct {
	cfg      Config
	password authn.Secret // of BindDN
	names    []string     // attributes that the filter compares with the account
	wanted   []string     // attributes of an account that are read
	patterns map[string]bool
	service  *pool // of connections that are bound as BindDN
	users    *pool // of connections that are bound as whoever logged in last
}

// New returns the authenticator that cfg, which is valid, describes. It reads
// files and connects to nothing. What is wrong with a file is a problem.List.
func New(cfg Config, log *zap.Logger) (*Directory, error) {
	if log == nil {
		log = zap.NewNop()
	}
	cfg = cfg.withDefaults()
	d := &Directory{cfg: cfg, names: accountAttributes(cfg.Filter), patterns: make(map[string]bool)}
	for _, name := range cfg.LabelPatterns {
		d.patterns[name] = true
	}
	d.wanted = d.attributes()
	var wrong problem.List
	var err error
	if d.password, err = passwordIn(cfg); err != nil {
		wrong.Under("bind_password_file", err)
	}
	roots, err := authn.ReadRoots(cfg.CACertificate)
	wrong.Under("ca_certificate", err)
	if len(wrong) > 0 {
		return nil, wrong
	}
	servers := cfg.servers(roots, log.Named("ldap"))
	d.service = newPool(cfg, servers, d.bindService)
	d.users = newPool(cfg, servers, func(context.Context, *conn) error { return nil })
	return d, nil
}

// Close ends idle connections. Logins that are under way go on.
func (d *Directory) Close() error {
	d.service.close()
	d.users.close()
	return nil
}

// Authenticate is authn.Authenticator's. The anonymous is not known here, and
// nor is whoever shows no password.
func (d *Directory) Authenticate(ctx context.Context, c authn.Credentials) (authn.Identity, error) {
	if c.Account == authn.Anonymous || c.Password == "" {
		return authn.Identity{}, authn.ErrUnknownUser
	}
	login := d.asService
	if d.cfg.InitialBindAsUser {
		login = d.asUser
	}
	id, err := login(ctx, c)
	if err != nil {
		return authn.Identity{}, d.explained(err)
	}
	return id, nil
}

// asService looks for the account as BindDN, and compares the password by
// binding as what it found, on another connection.
func (d *Directory) asService(ctx context.Context, c authn.Credentials) (authn.Identity, error) {
	var found entry
	err := d.service.do(ctx, func(ctx context.Context, k *conn) (err error) {
		found, err = d.account(ctx, k, c.Account)
		return err
	})
	if errors.Is(err, authn.ErrUnknownUser) {
		d.absent(ctx)
	}
	if err != nil {
		return authn.Identity{}, err
	}
	err = d.users.do(ctx, func(ctx context.Context, k *conn) error { return k.login(ctx, found.dn, c.Password) })
	if err != nil {
		return authn.Identity{}, authn.Undecided(err)
	}
	id, err := d.identity(ctx, d.service, identified{c.Account, found})
	return id, authn.Undecided(err)
}

// absent asks a question in the place of the bind as an account that is not
// there, so that nobody can tell from the time whether it is. A bind as nobody
// would take no longer, and would be a break-in to whoever watches the
// directory. Nothing depends on the answer.
func (d *Directory) absent(ctx context.Context) {
	_ = d.users.do(ctx, func(ctx context.Context, k *conn) error { return k.touch(ctx) })
}

// asUser does all of it as the user itself. That it binds twice is no waste:
// what BindDN says and what the filter finds could be two people.
func (d *Directory) asUser(ctx context.Context, c authn.Credentials) (id authn.Identity, err error) {
	err = d.users.do(ctx, func(ctx context.Context, k *conn) error {
		if err := k.login(ctx, inName(d.cfg.BindDN, c.Account), c.Password); err != nil {
			return err
		}
		found, err := d.account(ctx, k, c.Account)
		if err != nil {
			return authn.Undecided(err)
		}
		if err := k.login(ctx, found.dn, c.Password); err != nil {
			return authn.Undecided(err)
		}
		id, err = d.identityOn(ctx, k, identified{c.Account, found})
		return authn.Undecided(err)
	})
	return id, err
}

// explained says which directory an error is about.
func (d *Directory) explained(err error) error {
	if err == authn.ErrUnknownUser { // and nothing more, which needs no explanation
		return err
	}
	return fmt.Errorf("ldap_auth %s: %w", strings.Join(d.cfg.Addrs, ", "), err)
}

// bindService makes a connection ready for d.service.
func (d *Directory) bindService(ctx context.Context, k *conn) error {
	if d.cfg.BindDN == "" {
		return nil
	}
	if _, err := k.bind(ctx, d.cfg.BindDN, d.password); err != nil {
		return fmt.Errorf("bind as bind_dn: %w", err)
	}
	return nil
}
