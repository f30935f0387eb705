package gate

import (
	"github.com/regate/regate/authsvc/acl"
	"github.com/regate/regate/authsvc/casbin"
	"github.com/regate/regate/authsvc/ext"
	"github.com/regate/regate/authsvc/mongo"
	"github.com/regate/regate/authsvc/sqldb"
	"github.com/regate/regate/configs"
)

// decide makes what says who may do what. To add a decider is to add it here,
// where docker_auth has it: the rules come first.
func (p *process) decide(g *generation) (acl.Decider, error) {
	for _, add := range []func(*generation) error{
		p.addACL,
		p.addACLMongo,
		p.addACLXorm,
		p.addExtAuthz,
		p.addCasbin,
	} {
		if err := add(g); err != nil {
			return nil, err
		}
	}
	return g.rules, nil
}

func (p *process) addACL(g *generation) error {
	rules, err := acl.Compile(g.file.Auth.ACL)
	if err != nil {
		return g.file.Explain("auth.acl", err)
	}
	g.rules = append(g.rules, rules)
	return nil
}

func (p *process) addACLMongo(g *generation) error {
	cfg := g.file.Auth.ACLMongo
	if cfg == nil {
		return nil
	}
	rules, err := mongo.NewRules(*cfg, p.log)
	if err != nil {
		return g.file.Explain("auth.acl_mongo", err)
	}
	p.follow(g, "acl_mongo", rules.Follower, func(was *configs.File) bool { return cfg.Same(was.Auth.ACLMongo) })
	g.rules = append(g.rules, rules)
	return nil
}

func (p *process) addACLXorm(g *generation) error {
	cfg := g.file.Auth.ACLXorm
	if cfg == nil {
		return nil
	}
	rules, err := sqldb.NewRules(*cfg, &g.databases, p.log)
	if err != nil {
		return g.file.Explain("auth.acl_xorm", err)
	}
	p.follow(g, "acl_xorm", rules, func(was *configs.File) bool { return sameRules(was.Auth.ACLXorm, cfg, was, g.file) })
	g.rules = append(g.rules, rules)
	return nil
}

func (p *process) addExtAuthz(g *generation) error {
	cfg := g.file.Auth.ExtAuthz
	if cfg == nil {
		return nil
	}
	asked, err := ext.NewRules(*cfg, p.log)
	if err != nil {
		return g.file.Explain("auth.ext_authz", err)
	}
	g.rules = append(g.rules, asked)
	return nil
}

func (p *process) addCasbin(g *generation) error {
	cfg := g.file.Auth.CasbinAuthz
	if cfg == nil {
		return nil
	}
	policy, err := casbin.New(*cfg)
	if err != nil {
		return g.file.Explain("auth.casbin_authz", err)
	}
	g.rules = append(g.rules, policy)
	return nil
}

// follow has rules that are kept somewhere else read as long as the generation
// lives. If the live one has the same, they stay until they were read.
func (p *process) follow(g *generation, key string, rules *acl.Follower, same func(was *configs.File) bool) {
	if live := p.board.live.Load(); live != nil && live.followed[key] != nil && same(live.file) {
		rules.Inherit(live.followed[key])
	}
	if g.followed == nil {
		g.followed = make(map[string]*acl.Follower)
	}
	g.followed[key] = rules
}

// sameRules reports whether a, which is nil if was has none, is the database of b.
func sameRules(a, b *sqldb.RulesConfig, was, is *configs.File) bool {
	return a != nil && a.Same(b.Connection) && was.Seen()[a.ConnStringFile] == is.Seen()[b.ConnStringFile]
}
