package gate

import (
	"context"
	"reflect"

	"github.com/regate/regate/acme"
	"github.com/regate/regate/authsvc"
	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/authn/cert"
	"github.com/regate/regate/authsvc/authn/htpasswd"
	"github.com/regate/regate/authsvc/authn/static"
	"github.com/regate/regate/authsvc/browser"
	"github.com/regate/regate/authsvc/ext"
	"github.com/regate/regate/authsvc/guard"
	"github.com/regate/regate/authsvc/mongo"
	"github.com/regate/regate/authsvc/password"
	"github.com/regate/regate/authsvc/sqldb"
	"github.com/regate/regate/configs"
	"github.com/regate/regate/internal/cache"
)

// A chainMaker makes the chain of authenticators of one configuration.
type chainMaker struct {
	*process
	file      *configs.File
	databases *sqldb.Databases
	chain     authn.Chain
	keys      []string // in the configuration, of each in the chain
	people    []*browser.People
	vouchers  *authsvc.Vouchers
	cost      int                       // highest of all hashes that are known
	learning  []interface{ Cost() int } // who sees hashes as they are asked for
}

// highest is the cost of a comparison for nobody.
func (m *chainMaker) highest() int {
	cost := m.cost
	for _, users := range m.learning {
		cost = max(cost, users.Cost())
	}
	return cost
}

// login makes what logs people in. To add an authenticator is to add a line
// here, where docker_auth has it: that is the order that people rely on. The
// htpasswd file is an appendix to users. guests does the same on hosts where
// strangers are let in.
func (p *process) login(g *generation) (users, guests authn.Authenticator, err error) {
	m := &chainMaker{process: p, file: g.file, databases: &g.databases}
	for _, part := range []struct {
		key string
		add func(authsvc.Config) error
	}{
		{"users", m.addUsers},
		{"htpasswd_file", m.addHtpasswd},
		{"ext_auth", m.addExt},
		{"", m.addBrowsers}, // have keys of their own
		{"", m.addLDAP},     // as have these: the same name in two of them is not the same account
		{"mongo_auth", m.addMongo},
		{"xorm_auth", m.addXorm},
	} {
		if err := part.add(g.file.Auth); err != nil {
			return nil, nil, err
		}
		for len(m.keys) < len(m.chain) {
			m.keys = append(m.keys, part.key)
		}
	}
	g.users = m.chain
	g.vouchers = p.vouchers(m)
	m.vouchers = g.vouchers
	if g.workloads, err = p.openWorkloads(g.file); err != nil {
		return nil, nil, err
	}
	decoy := func(ctx context.Context, secret string) error { return p.passwords.Absent(ctx, m.highest(), secret) }
	p.openPages(g, m.people)
	limits, err := p.limitLogins(g.file)
	if err != nil {
		return nil, nil, err
	}
	// What is remembered of some of the chain says nothing of all of it: who is
	// known to them would pass for whoever comes before them.
	apart, err := p.limitLogins(g.file)
	if err != nil {
		return nil, nil, err
	}
	keyed := m.keyed()
	guests = authsvc.NewGuests(keyed, func(some authn.Chain) authn.Authenticator {
		return m.personal(authsvc.NewLogin(some, p.rememberLogins(), apart, decoy))
	})
	users = m.personal(authsvc.NewLogin(keyed, g.known, limits, decoy))
	return g.workloads.Before(users), g.workloads.Before(guests), nil
}

// limitLogins makes what counts wrong passwords, in the state.
func (p *process) limitLogins(file *configs.File) (*guard.Guard, error) {
	g, err := guard.New(file.Auth.LoginLimits, guard.Deps{
		Limiter: p.store, Wrong: authsvc.TurnedAway, Refused: p.meter.Login, Now: p.opts.Now, Log: p.log.Named("logins"),
	})
	if err != nil {
		return nil, file.Explain("auth.login_limits", err)
	}
	return g, nil
}

// certified makes what knows the accounts of client certificates, which are not
// in the chain: nobody there could tell anything about them.
func certified(file *configs.File) (authn.Authenticator, error) {
	cas, err := file.TLS.ClientCAs()
	if err != nil {
		return nil, file.Explain("tls", err)
	}
	users, err := cert.New(file.Auth.ClientCertificates, cas, acme.ReadClientCAs)
	if err != nil {
		return nil, file.Explain("auth.client_certificates", err)
	}
	return users, nil
}

func (m *chainMaker) addUsers(c authsvc.Config) error {
	users := static.New(c.Users, m.passwords)
	m.chain, m.cost = append(m.chain, users), max(m.cost, users.Cost())
	return nil
}

func (m *chainMaker) addHtpasswd(c authsvc.Config) error {
	if c.HtpasswdFile == "" {
		return nil
	}
	users, err := htpasswd.Open(c.HtpasswdFile, m.passwords)
	if err != nil {
		return m.file.Explain("auth.htpasswd_file", err)
	}
	m.chain, m.cost = append(m.chain, users), max(m.cost, users.Cost())
	return nil
}

func (m *chainMaker) addExt(c authsvc.Config) error {
	if c.ExtAuth == nil {
		return nil
	}
	asked, err := ext.NewUsers(*c.ExtAuth, m.log)
	if err != nil {
		return m.file.Explain("auth.ext_auth", err)
	}
	m.chain = append(m.chain, asked)
	return nil
}

func (m *chainMaker) addLDAP(c authsvc.Config) error {
	all, err := c.LDAPAuth.Open(m.log)
	if err != nil {
		return m.file.Explain("auth.ldap_auth", err)
	}
	for i, directory := range all {
		m.chain, m.keys = append(m.chain, directory), append(m.keys, "ldap_auth/"+c.LDAPAuth[i].Base)
	}
	return nil
}

func (m *chainMaker) addMongo(c authsvc.Config) error {
	if c.MongoAuth == nil {
		return nil
	}
	users, err := mongo.NewUsers(*c.MongoAuth, m.passwords)
	if err != nil {
		return m.file.Explain("auth.mongo_auth", err)
	}
	m.chain, m.learning = append(m.chain, users), append(m.learning, users)
	return nil
}

func (m *chainMaker) addXorm(c authsvc.Config) error {
	if c.XormAuth == nil {
		return nil
	}
	users, err := sqldb.NewUsers(*c.XormAuth, m.databases, m.passwords)
	if err != nil {
		return m.file.Explain("auth.xorm_auth", err)
	}
	m.chain, m.learning = append(m.chain, users), append(m.learning, users)
	return nil
}

// knownLogins is the live generation's cache of good passwords if the accounts
// are the same, and a new one if not. A reload would otherwise have everybody
// compared anew at once.
func (p *process) knownLogins(file *configs.File) *password.Cache[authn.Identity] {
	if live := p.board.live.Load(); live != nil && sameAccounts(live.file, file) {
		return live.known
	}
	return p.rememberLogins()
}

// rememberLogins makes an empty cache of good passwords.
func (p *process) rememberLogins() *password.Cache[authn.Identity] {
	return password.NewCache[authn.Identity](cache.Options{Now: p.opts.Now})
}

// sameAccounts compares what the chain is made of.
func sameAccounts(was, is *configs.File) bool {
	a, b := was.Auth, is.Auth
	return reflect.DeepEqual(a.Users, b.Users) && reflect.DeepEqual(a.ExtAuth, b.ExtAuth) && sameBrowsers(a, b) && reflect.DeepEqual(a.LDAPAuth, b.LDAPAuth) &&
		a.HtpasswdFile == b.HtpasswdFile && was.Seen()[a.HtpasswdFile] == is.Seen()[b.HtpasswdFile] &&
		reflect.DeepEqual(a.MongoAuth, b.MongoAuth) &&
		sameUsers(a.XormAuth, b.XormAuth, was, is)
}

// sameUsers compares the databases whose accounts are asked for.
func sameUsers(a, b *sqldb.UsersConfig, was, is *configs.File) bool {
	return reflect.DeepEqual(a, b) && (a == nil || was.Seen()[a.ConnStringFile] == is.Seen()[b.ConnStringFile])
}
