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
)

// Users is the authenticator of the accounts that certificates are for.
type Users struct {
	rules   []rule
	trusted map[string]bool // CAs, by their encoding
	now     func() time.Time
}

// A rule is a Rule to be asked.
type rule struct {
	Rule
	match *regexp.Regexp // nil is anything
}

// New makes the accounts that c, which must be valid, has for certificates
// below the CAs.
func New(c Config, cas []*x509.Certificate) *Users {
	u := &Users{trusted: make(map[string]bool, len(cas)), now: time.Now}
	for _, ca := range cas {
		u.trusted[string(ca.Raw)] = true
	}
	for _, r := range c {
		compiled := rule{Rule: r.withDefaults()}
		if compiled.Match != "" {
			compiled.match = compile(compiled.Match)
		}
		u.rules = append(u.rules, compiled)
	}
	return u
}

var (
	errStale     = errors.New("its CA is not trusted any more, or it has expired")
	errAmbiguous = errors.New("several of its names match one rule")
	errUnfit     = errors.New("a name is empty, too long, or has characters that no account has")
)

// Authenticate is authn.Authenticator's. Whatever is wrong with a certificate,
// it is that of an unknown user.
func (u *Users) Authenticate(_ context.Context, c authn.Credentials) (authn.Identity, error) {
	shown := u.valid(c.Chains)
	if shown == nil {
		return authn.Identity{}, refuse(c.Chains, errStale)
	}
	for _, r := range u.rules {
		id, matches, err := r.identify(shown)
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

// valid returns the certificate if one of its chains is good now.
func (u *Users) valid(chains [][]*x509.Certificate) *x509.Certificate {
	now := u.now()
	for _, chain := range chains {
		if len(chain) == 0 || !u.trusted[string(chain[len(chain)-1].Raw)] {
			continue
		}
		expired := func(c *x509.Certificate) bool { return now.Before(c.NotBefore) || now.After(c.NotAfter) }
		if !slices.ContainsFunc(chain, expired) {
			return chain[0]
		}
	}
	return nil
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
	if !plausible(id.Account) {
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
				if count++; count > most || !plausible(value) {
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
