package cert

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/internal/problem"
)

// Users is the authenticator of the accounts that certificates are for.
type Users struct {
	rules   []rule
	trusted set
	now     func() time.Time
}

// A rule is a Rule to be asked.
type rule struct {
	Rule
	match *regexp.Regexp // nil is anything
	cas   set            // nil is any
}

// A set is of CAs, by their encoding.
type set map[string]bool

func setOf(cas []*x509.Certificate) set {
	s := make(set, len(cas))
	for _, ca := range cas {
		s[string(ca.Raw)] = true
	}
	return s
}

func (s set) has(c *x509.Certificate) bool { return s[string(c.Raw)] }

// New makes the accounts that c, which must be valid, has for certificates
// below the CAs; read reads a file of them.
func New(c Config, cas []*x509.Certificate, read func(path string) ([]*x509.Certificate, error)) (*Users, error) {
	u := &Users{trusted: setOf(cas), now: time.Now}
	var bad problem.List
	for i, r := range c {
		compiled := rule{Rule: r.withDefaults()}
		if compiled.Match != "" {
			compiled.match = compile(compiled.Match)
		}
		if r.CA != "" {
			own, err := read(r.CA)
			bad.Under(fmt.Sprintf("[%d].ca", i), err)
			compiled.cas = setOf(own)
		}
		u.rules = append(u.rules, compiled)
	}
	return u, bad.Err()
}

var (
	errStale     = errors.New("its CA is not trusted any more, or it has expired")
	errAmbiguous = errors.New("several of its names match one rule")
	errUnfit     = errors.New("a name is empty, too long, or has characters that no account has")
)

// Authenticate is authn.Authenticator's. Whatever is wrong with a certificate,
// it is that of an unknown user.
func (u *Users) Authenticate(_ context.Context, c authn.Credentials) (authn.Identity, error) {
	chains := u.valid(c.Chains)
	if len(chains) == 0 {
		return authn.Identity{}, refuse(c.Chains, errStale)
	}
	for _, r := range u.rules {
		if !r.trusts(chains) {
			continue
		}
		id, matches, err := r.identify(chains[0][0])
		if err != nil {
			return authn.Identity{}, refuse(c.Chains, err)
		}
		if matches {
			return id, nil
		}
	}
	return authn.Identity{}, refuse(c.Chains, errors.New("no rule matches"))
}

func refuse(chains [][]*x509.Certificate, why error) error {
	if len(chains) == 0 || len(chains[0]) == 0 {
		return authn.ErrUnknownUser
	}
	shown := chains[0][0]
	return fmt.Errorf("%w: certificate of %.256q with serial number %x: %w", authn.ErrUnknownUser, shown.Subject, shown.SerialNumber, why)
}

// valid returns those of a certificate's chains that are good now.
func (u *Users) valid(chains [][]*x509.Certificate) (good [][]*x509.Certificate) {
	now := u.now()
	expired := func(c *x509.Certificate) bool { return now.Before(c.NotBefore) || now.After(c.NotAfter) }
	for _, chain := range chains {
		if len(chain) > 0 && u.trusted.has(chain[len(chain)-1]) && !slices.ContainsFunc(chain, expired) {
			good = append(good, chain)
		}
	}
	return good
}

// trusts reports whether one of the chains has a CA that the rule is for.
func (r rule) trusts(chains [][]*x509.Certificate) bool {
	if r.cas == nil {
		return true
	}
	return slices.ContainsFunc(chains, func(chain []*x509.Certificate) bool {
		return slices.ContainsFunc(chain[1:], r.cas.has)
	})
}

// identify returns who c is for; matches is false if the rule does not tell.
func (r rule) identify(c *x509.Certificate) (id authn.Identity, matches bool, err error) {
	name, stars, err := r.find(c)
	if err != nil || stars == nil {
		return id, false, err
	}
	id.Account = name
	if r.Account != "" {
		id.Account = expand(r.Account, func(v string) string { return starred(stars, v) })
	}
	if !authn.Plausible(id.Account) {
		return id, false, errUnfit
	}
	id.Labels, err = r.labels(c, stars)
	return id, err == nil, err
}

// find returns the one name of c that matches, and what each star stands for,
// the whole name before; nil if there is none.
func (r rule) find(c *x509.Certificate) (name string, stars []string, err error) {
	for _, value := range valuesOf(c, r.Name) {
		found := []string{value}
		if r.match != nil {
			found = r.match.FindStringSubmatch(value)
		}
		switch {
		case found == nil, stars != nil && value == name:
		case stars != nil:
			return "", nil, errAmbiguous
		default:
			name, stars = value, found
		}
	}
	return name, stars, nil
}

// starred is what the star with this number stands for.
func starred(stars []string, number string) string {
	n, err := strconv.Atoi(number)
	if err != nil || n < 1 || n >= len(stars) {
		return ""
	}
	return stars[n]
}

// labels are those of the rule. One that cannot be told ends the login: a rule
// that refuses might have asked for it.
func (r rule) labels(c *x509.Certificate, stars []string) (authn.Labels, error) {
	labels, count := make(authn.Labels, len(r.Labels)), 0
	for label, templates := range r.Labels {
		for _, t := range templates {
			for _, value := range values(t, c, stars) {
				if count++; count > authn.MostLabels || !authn.Plausible(value) {
					return nil, errUnfit
				}
				labels[label] = append(labels[label], authn.Label{Value: value})
			}
		}
	}
	return labels, nil
}

// values are what a template of a label makes of c.
func values(template string, c *x509.Certificate, stars []string) (all []string) {
	each := []string{""}
	for _, found := range variable.FindAllStringSubmatch(template, -1) {
		if slices.Contains(manyValued, found[1]) {
			each = valuesOf(c, found[1])
		}
	}
	for _, one := range each {
		all = append(all, expand(template, func(v string) string {
			if slices.Contains(manyValued, v) {
				return one
			}
			return starred(stars, v)
		}))
	}
	return all
}
