package cert

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/regate/regate/internal/problem"
)

// Config is the "client_certificates" of the configuration. The first rule
// that has a name of the certificate says which account it is for; without
// one, it is for none.
type Config []Rule

// A Rule makes an account of a name in a certificate.
type Rule struct {
	// Name says which names are looked at: cn (the common name), dns, uri or
	// email (the subject alternative names of that kind).
	Name string `yaml:"name"`

	// CA is a PEM file with the certificates of CAs, of tls.client_ca or below:
	// the rule is for certificates below one of them alone. It is read again
	// when it changes. Default any of tls.client_ca.
	CA string `yaml:"ca"`

	// Match is what the name must be. A "*" stands for one or more characters
	// other than "/", and there is no other wildcard. If several names of one
	// certificate match, it is refused. Default "*", and for uri anything.
	Match string `yaml:"match"`

	// Account is the name of the account. ${1} to ${9} are what the stars of
	// Match stand for. Default: the whole name.
	Account string `yaml:"account"`

	// Labels are what rules may ask about the account. Beside ${1} to ${9},
	// ${ou} and ${o} are the units and organizations of the subject, ${dns},
	// ${uri} and ${email} those names, each of which makes a value; one of
	// them in a value at most. All are taken literally, as are their stars.
	Labels map[string][]string `yaml:"labels"`
}

const star = "*"

func (r Rule) withDefaults() Rule {
	if r.Match == "" && r.Name != nameURI {
		r.Match = star
	}
	return r
}

// Validate reports all mistakes.
func (c Config) Validate() error {
	var l problem.List
	for i, r := range c {
		l.Under(fmt.Sprintf("[%d]", i), r.validate())
		for j, before := range c[:i] {
			if before.Name == r.Name && (before.CA == "" || before.CA == r.CA) && before.withDefaults().Match == r.withDefaults().Match {
				l.Warnf(fmt.Sprintf("[%d].match", i), "is that of rule %d, which comes first: this one is never used", j)
				break
			}
		}
	}
	return l.Err()
}

func (r Rule) validate() error {
	var l problem.List
	switch r.Name {
	case nameCN, nameDNS, nameURI, nameEmail:
	case "":
		l.Addf("name", "is missing: write cn, dns, uri or email")
	default:
		l.Addf("name", "%q is none of cn, dns, uri and email", r.Name)
	}
	stars := strings.Count(r.withDefaults().Match, star)
	switch {
	case stars > 9:
		l.Addf("match", "has more than 9 stars")
	case !utf8.ValidString(r.Match):
		l.Addf("match", "is not valid UTF-8")
	}
	l.Under("account", checkTemplate(r.Account, func(v string) error { return isStar(v, stars) }))
	for _, label := range slices.Sorted(maps.Keys(r.Labels)) {
		path := problem.Key("labels", label)
		if label == "" {
			l.Addf(path, "a label needs a name")
		}
		for i, value := range r.Labels[label] {
			l.Under(fmt.Sprintf("%s[%d]", path, i), checkLabel(value, stars))
		}
	}
	return l.Err()
}

// checkLabel allows one variable of many values, so that there are not as many
// values as there are combinations.
func checkLabel(value string, stars int) error {
	many := map[string]bool{}
	err := checkTemplate(value, func(v string) error {
		if !slices.Contains(manyValued, v) {
			return isStar(v, stars)
		}
		many[v] = true
		return nil
	})
	switch {
	case err != nil:
		return err
	case value == "":
		return fmt.Errorf("is empty")
	case len(many) > 1:
		return fmt.Errorf("has more than one of %s", variables(manyValued))
	}
	return nil
}

// isStar reports whether v is the number of one of the stars.
func isStar(v string, stars int) error {
	n, err := strconv.Atoi(v)
	switch {
	case err != nil || strconv.Itoa(n) != v:
		return fmt.Errorf("${%s} does not stand for anything here", v)
	case n < 1 || n > stars:
		return fmt.Errorf("${%s}: match has %d stars", v, stars)
	}
	return nil
}

func variables(names []string) string { return "${" + strings.Join(names, "}, ${") + "}" }
