package gate

import (
	"time"

	"github.com/regate/regate/acme"
	"github.com/regate/regate/authsvc/authn/cert"
	"github.com/regate/regate/authsvc/authn/htpasswd"
	"github.com/regate/regate/authsvc/casbin"
	"github.com/regate/regate/authsvc/ext"
	"github.com/regate/regate/authsvc/mongo"
	"github.com/regate/regate/authsvc/sqldb"
	"github.com/regate/regate/configs"
	"github.com/regate/regate/internal/keyring"
	"github.com/regate/regate/internal/problem"
	"github.com/regate/regate/internal/state"
	"github.com/regate/regate/proxy/upstream"
)

// Check opens the files that file names, as Serve would, and returns what is
// wrong with them as a *configs.Error. It connects to nothing and leaves the
// state alone, which a running gate holds.
func Check(file *configs.File) error {
	var l problem.List
	l.Under("tls", acme.Check(file.TLS))
	if root := file.Auth.Token.Root; root.Cert != "" {
		l.Under("auth.token.root", keyring.CheckRoot(root.Cert, root.Key, time.Now()))
	}
	if path := file.Auth.HtpasswdFile; path != "" {
		l.Under("auth.htpasswd_file", htpasswd.Check(path))
	}
	if cfg := file.Auth.ExtAuth; cfg != nil {
		_, err := ext.NewUsers(*cfg, nil)
		l.Under("auth.ext_auth", err)
	}
	_, err := file.Auth.LDAPAuth.Open(nil)
	l.Under("auth.ldap_auth", err)
	checkDatabases(file, &l)
	checkBrowsers(file, &l)
	_, err = cert.New(file.Auth.ClientCertificates, nil, acme.ReadClientCAs)
	l.Under("auth.client_certificates", err)
	checkWorkloads(file, &l)
	checkMongo(file, &l)
	if cfg := file.Auth.ExtAuthz; cfg != nil {
		_, err := ext.NewRules(*cfg, nil)
		l.Under("auth.ext_authz", err)
	}
	if cfg := file.Auth.CasbinAuthz; cfg != nil {
		_, err := casbin.New(*cfg)
		l.Under("auth.casbin_authz", err)
	}
	if path := file.State.KeyFile; path != "" {
		_, err := state.LoadKey(path)
		l.Under("state.key_file", err)
	}
	if cfg := file.State.Redis; cfg != nil {
		l.Under("state.redis", cfg.Check())
	}
	for name, cfg := range file.Registries {
		l.Under(problem.Key("registries", name), checkRegistry(cfg))
	}
	if err := l.Err(); err != nil {
		return file.Explain("", err)
	}
	return nil
}

// Remarks are what is worth saying about the files that file names.
func Remarks(file *configs.File) []configs.Mistake {
	var l problem.List
	if cfg := file.Auth.XormAuth; cfg != nil {
		l.Under("auth.xorm_auth", cfg.Remark())
	}
	if cfg := file.Auth.ACLXorm; cfg != nil {
		l.Under("auth.acl_xorm", cfg.Remark())
	}
	return file.Remarks(l.Err())
}

func checkMongo(file *configs.File, l *problem.List) {
	if cfg := file.Auth.MongoAuth; cfg != nil {
		_, err := mongo.NewUsers(*cfg, nil)
		l.Under("auth.mongo_auth", err)
	}
	if cfg := file.Auth.ACLMongo; cfg != nil {
		_, err := mongo.NewRules(*cfg, nil)
		l.Under("auth.acl_mongo", err)
	}
}

// checkDatabases reads the files that tell where they are.
func checkDatabases(file *configs.File, l *problem.List) {
	var all sqldb.Databases
	defer all.Close()
	if cfg := file.Auth.XormAuth; cfg != nil {
		_, err := sqldb.NewUsers(*cfg, &all, nil)
		l.Under("auth.xorm_auth", err)
	}
	if cfg := file.Auth.ACLXorm; cfg != nil {
		_, err := sqldb.NewRules(*cfg, &all, nil)
		l.Under("auth.acl_xorm", err)
	}
}

func checkRegistry(cfg upstream.Config) error {
	nobody := upstream.MinterFunc(nil) // is never asked
	pool, err := upstream.New(cfg, upstream.Options{Minter: nobody})
	if err == nil {
		pool.Close()
	}
	return err
}
