package gate

import (
	"slices"
	"strings"

	"github.com/regate/regate/authsvc"
	"github.com/regate/regate/authsvc/authn"
)

// keptElsewhere are the keys of those whose accounts are in no file of this gate,
// and who do not remember them by themselves.
var keptElsewhere = []string{"ldap_auth", "mongo_auth", "xorm_auth"}

// vouchers are those of the chain, who can look up accounts for the most part.
// What they remember outlives a reload that does not change who they are.
func (p *process) vouchers(m *chainMaker) *authsvc.Vouchers {
	var all []authsvc.Voucher
	for i, member := range m.chain {
		f, _ := member.(authn.Finder)
		section, _, _ := strings.Cut(m.keys[i], "/")
		all = append(all, authsvc.Voucher{Key: m.keys[i], Finder: f, Elsewhere: slices.Contains(keptElsewhere, section)})
	}
	v := authsvc.NewVouchers(all, p.opts.Now)
	if live := p.board.live.Load(); live != nil && sameAccounts(live.file, m.file) {
		v.Inherit(live.vouchers)
	}
	return v
}

// keyed are those of the chain, each of whom says by its key whom it lets in.
func (m *chainMaker) keyed() authn.Chain {
	all := make(authn.Chain, len(m.chain))
	for i, member := range m.chain {
		all[i] = authn.Keyed(m.keys[i], member)
	}
	return all
}
