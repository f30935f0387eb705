package workload

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/idp"
	"github.com/regate/regate/internal/problem"
)

// Config is the "jwt_auth" of the configuration: the issuers of JWTs that
// workloads show as their password.
type Config []IssuerConfig

// IssuerConfig is one issuer, and whom it speaks for.
type IssuerConfig struct {
	idp.IssuerConfig `yaml:",inline"`
	// OwnerClaims are more claims by which the issuer says whose a workload is,
	// besides those of GitHub, GitLab and Kubernetes, sub and azp. None of them
	// may be one that the workload itself can choose.
	OwnerClaims []string `yaml:"owner_claims"`
	// Rules say which account a token is for. The first whose claims all match
	// decides; without one, it is for none.
	Rules []Rule `yaml:"rules"`
}

// A Rule makes an account of claims.
type Rule struct {
	// Claims are what the token must say, each of them. A "*" stands for one or
	// more characters other than "/" and ":", and there is no other wildcard. Of
	// a list, any value will do. Parts of a name after dots are those of objects:
	// kubernetes.io.namespace is namespace in kubernetes.io. One of the claims at
	// least must pin the owner.
	Claims map[string]Pattern `yaml:"claims"`

	// Account is the name of the account, in which ${NAME} is a claim that has
	// one value, and ${lower:NAME} the same in small letters. Required.
	Account string `yaml:"account"`

	// Labels are what rules may ask about the account. ${NAME} is a claim; one
	// that is a list makes a value for each of its own, one that is missing none.
	// A value with a claim in it is taken literally, as are its stars.
	Labels map[string][]string `yaml:"labels"`
}

// A Pattern is what a claim must be. Without quotes true and false are the text.
type Pattern string

// UnmarshalText takes any text.
func (p *Pattern) UnmarshalText(text []byte) error {
	*p = Pattern(text)
	return nil
}

const star = "*"

// Validate reports all mistakes.
func (c Config) Validate() error {
	var l problem.List
	for i, issuer := range c {
		path := fmt.Sprintf("[%d]", i)
		l.Under(path, issuer.Validate())
		for j, before := range c[:i] {
			if before.Issuer == issuer.Issuer && issuer.Issuer != "" {
				l.Addf(path+".issuer", "is that of [%d] as well: have the rules of both there", j)
				break
			}
		}
	}
	return l.Err()
}

// Validate reports all mistakes.
func (c IssuerConfig) Validate() error {
	var l problem.List
	l.Under("", c.IssuerConfig.Validate())
	for i, name := range c.OwnerClaims {
		l.Under(fmt.Sprintf("owner_claims[%d]", i), checkName(name))
	}
	if len(c.Rules) == 0 {
		l.Addf("rules", "are missing: without one, no token is for anybody")
	}
	for i, r := range c.Rules {
		path := fmt.Sprintf("rules[%d]", i)
		l.Under(path, r.validate())
		l.Under(path, c.checkOwner(r))
		for j, before := range c.Rules[:i] {
			if maps.Equal(before.Claims, r.Claims) {
				l.Warnf(path+".claims", "are those of rule %d, which comes first: this one is never used", j)
				break
			}
		}
	}
	return l.Err()
}

func (r Rule) validate() error {
	var l problem.List
	for _, name := range slices.Sorted(maps.Keys(r.Claims)) {
		path := problem.Key("claims", name)
		l.Under(path, checkName(name))
		l.Under(path, checkPattern(string(r.Claims[name])))
	}
	switch {
	case r.Account == "":
		l.Addf("account", "is missing; it is the name of the account, such as ci/${repository}")
	case !authn.Plausible(r.Account):
		l.Addf("account", "has characters that no account has, or more than 256")
	case strings.HasPrefix(r.Account, "${"):
		l.Warnf("account", "begins with what a token says, which may be the name of a user: put something of its own before it, such as ci/")
	}
	l.Under("account", checkTemplate(r.Account, checkName))
	for _, label := range slices.Sorted(maps.Keys(r.Labels)) {
		path := problem.Key("labels", label)
		if label == "" {
			l.Addf(path, "a label needs a name")
		}
		for i, value := range r.Labels[label] {
			below := fmt.Sprintf("%s[%d]", path, i)
			if !authn.Plausible(value) {
				l.Addf(below, "is empty, or has more than 256 characters, or such as no label has")
			}
			l.Under(below, checkTemplate(value, checkName))
		}
	}
	return l.Err()
}

const (
	maxName = 256 // bytes of the name of a claim
	maxDots = 8   // in it
)

// checkName looks at the name of a claim.
func checkName(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("a claim needs a name")
	case len(name) > maxName || strings.Count(name, ".") > maxDots || !utf8.ValidString(name):
		return fmt.Errorf("a claim has no such name")
	}
	return nil
}

// checkPattern looks at what a claim must be.
func checkPattern(pattern string) error {
	switch {
	case pattern == "":
		return fmt.Errorf(`is empty: write what the claim must be, or leave it out`)
	case len(pattern) > maxPattern || !utf8.ValidString(pattern):
		return fmt.Errorf("has more than %d characters, or such as are no UTF-8", maxPattern)
	case strings.Contains(pattern, star+star):
		return fmt.Errorf(`** means nothing here, and a * never stands for a "/" or ":": write one for each part, or leave the claim out`)
	case strings.Contains(pattern, "${"):
		return fmt.Errorf("${…} is for account and labels alone")
	}
	return nil
}
