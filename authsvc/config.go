package authsvc

import (
	"github.com/regate/regate/authsvc/acl"
	"github.com/regate/regate/authsvc/authn/cert"
	"github.com/regate/regate/authsvc/authn/ldap"
	"github.com/regate/regate/authsvc/authn/static"
	"github.com/regate/regate/authsvc/authn/workload"
	"github.com/regate/regate/authsvc/casbin"
	"github.com/regate/regate/authsvc/ext"
	"github.com/regate/regate/authsvc/guard"
	"github.com/regate/regate/authsvc/idp"
	"github.com/regate/regate/authsvc/mongo"
	"github.com/regate/regate/authsvc/secret"
	"github.com/regate/regate/authsvc/sqldb"
	"github.com/regate/regate/authsvc/token"
	"github.com/regate/regate/internal/problem"
)

// Config is the auth section. Its keys are docker_auth's, with docker_auth's
// meaning, so that a team moves by moving a file; what docker_auth lets pass
// and means otherwise than it reads is an error here.
type Config struct {
	// Token says how tokens are signed and how long they live.
	Token token.Config `yaml:"token"`
	// Users are accounts with a bcrypt hash each; "" is the anonymous.
	Users static.Config `yaml:"users"`
	// HtpasswdFile is a file as the registry itself has one, with a user and a
	// bcrypt hash in each line. It is asked after Users, and read again when it
	// changes.
	HtpasswdFile string `yaml:"htpasswd_file"`
	// ExtAuth is a program or a hook that is asked about accounts which are not
	// among Users.
	ExtAuth *ext.UsersConfig `yaml:"ext_auth"`
	// GoogleAuth, GitHubAuth, OIDCAuth and GitLabAuth are where people log in
	// with a browser, to make tokens for docker login.
	GoogleAuth *idp.GoogleConfig `yaml:"google_auth"`
	GitHubAuth *idp.GitHubConfig `yaml:"github_auth"`
	OIDCAuth   idp.OIDCConfigs   `yaml:"oidc_auth"`
	GitLabAuth *idp.GitLabConfig `yaml:"gitlab_auth"`
	// LoginLimits are how many wrong passwords there may be.
	LoginLimits guard.Config `yaml:"login_limits"`
	// PersonalTokens are what people can make who have logged in with a browser.
	PersonalTokens secret.Config `yaml:"personal_tokens"`
	// LDAPAuth are directories that are asked about accounts which nobody before
	// knows.
	LDAPAuth ldap.Configs `yaml:"ldap_auth"`
	// MongoAuth is a collection of MongoDB with accounts that nobody before knows.
	MongoAuth *mongo.UsersConfig `yaml:"mongo_auth"`
	// XormAuth is a database with accounts that nobody before knows.
	XormAuth *sqldb.UsersConfig `yaml:"xorm_auth"`
	// JWTAuth are issuers of tokens for the jobs of a CI, the pods of a cluster,
	// and such, which show them as their password.
	JWTAuth workload.Config `yaml:"jwt_auth"`
	// ClientCertificates are the accounts of those who show a certificate below
	// one of tls.client_ca, and no password or token.
	ClientCertificates cert.Config `yaml:"client_certificates"`
	// ACL are the rules; the first that matches decides, and without one
	// nothing is granted.
	ACL acl.Config `yaml:"acl"`
	// ACLMongo is a collection of MongoDB with more rules, which follow those of
	// ACL.
	ACLMongo *mongo.RulesConfig `yaml:"acl_mongo"`
	// ACLXorm is a database with more rules, which follow those.
	ACLXorm *sqldb.RulesConfig `yaml:"acl_xorm"`
	// ExtAuthz is a program or a hook that is asked when no rule matches.
	ExtAuthz *ext.RulesConfig `yaml:"ext_authz"`
	// CasbinAuthz is a policy of Casbin, which decides whatever nobody before it
	// has decided.
	CasbinAuthz *casbin.Config `yaml:"casbin_authz"`
}

// Validate reports every mistake.
func (c Config) Validate() error {
	var l problem.List
	l.Under("token", c.Token.Validate())
	l.Under("users", c.Users.Validate())
	if c.ExtAuth != nil {
		l.Under("ext_auth", c.ExtAuth.Validate())
	}
	c.checkProviders(&l)
	l.Under("login_limits", c.LoginLimits.Validate())
	l.Under("personal_tokens", c.PersonalTokens.Validate())
	l.Under("ldap_auth", c.LDAPAuth.Validate())
	if c.MongoAuth != nil {
		l.Under("mongo_auth", c.MongoAuth.Validate())
	}
	if c.XormAuth != nil {
		l.Under("xorm_auth", c.XormAuth.Validate())
	}
	l.Under("jwt_auth", c.JWTAuth.Validate())
	c.warnOfNames(&l)
	l.Under("client_certificates", c.ClientCertificates.Validate())
	c.checkRules(&l)
	return l.Err()
}

func (c Config) checkRules(l *problem.List) {
	l.Under("acl", c.ACL.Validate())
	if c.ACLMongo != nil {
		l.Under("acl_mongo", c.ACLMongo.Validate())
	}
	if c.ACLXorm != nil {
		l.Under("acl_xorm", c.ACLXorm.Validate())
	}
	if c.ExtAuthz != nil {
		l.Under("ext_authz", c.ExtAuthz.Validate())
	}
	if c.CasbinAuthz != nil {
		l.Under("casbin_authz", c.CasbinAuthz.Validate())
	}
}

func (c Config) checkProviders(l *problem.List) {
	if c.GoogleAuth != nil {
		l.Under("google_auth", c.GoogleAuth.Validate())
	}
	if c.GitHubAuth != nil {
		l.Under("github_auth", c.GitHubAuth.Validate())
	}
	l.Under("oidc_auth", c.OIDCAuth.Validate())
	if c.GitLabAuth != nil {
		l.Under("gitlab_auth", c.GitLabAuth.Validate())
	}
}

// HasPages reports whether people can log in with a browser.
func (c Config) HasPages() bool {
	return c.GoogleAuth != nil || c.GitHubAuth != nil || len(c.OIDCAuth) > 0 || c.GitLabAuth != nil
}

// KnowsAnybody reports whether there is a place where accounts could be.
func (c Config) KnowsAnybody() bool {
	return len(c.Users) > 0 || c.HtpasswdFile != "" || c.ExtAuth != nil || len(c.LDAPAuth) > 0 || c.MongoAuth != nil || c.XormAuth != nil ||
		len(c.JWTAuth) > 0 || len(c.ClientCertificates) > 0 || c.HasPages()
}

// GrantsAnything reports whether there is a place where rules could be.
func (c Config) GrantsAnything() bool {
	return len(c.ACL) > 0 || c.ACLMongo != nil || c.ACLXorm != nil || c.ExtAuthz != nil || c.CasbinAuthz != nil
}
