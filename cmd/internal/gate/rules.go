package gate

import (
	"github.com/regate/regate/authsvc/acl"
	"github.com/regate/regate/authsvc/ext"
)

// decide makes what says who may do what. To add a decider is to add it here,
// where docker_auth has it: the rules come first.
func (p *process) decide(g *generation) (acl.Decider, error) {
	auth := g.file.Auth
	rules, err := acl.Compile(auth.ACL)
	if err != nil {
		return nil, g.file.Explain("auth.acl", err)
	}
	g.rules = acl.Chain{rules}
	if auth.ExtAuthz != nil {
		asked, err := ext.NewRules(*auth.ExtAuthz, p.log)
		if err != nil {
			return nil, g.file.Explain("auth.ext_authz", err)
		}
		g.rules = append(g.rules, asked)
	}
	return g.rules, nil
}
