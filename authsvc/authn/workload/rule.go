package workload

import (
	"fmt"
	"maps"
	"slices"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/idp"
)

// A rule is a Rule to be asked.
type rule struct {
	when    []condition
	account template
	labels  map[string][]template
}

func compileRule(r Rule) rule {
	c := rule{account: parseTemplate(r.Account), labels: make(map[string][]template, len(r.Labels))}
	for _, name := range slices.Sorted(maps.Keys(r.Claims)) {
		c.when = append(c.when, compile(name, string(r.Claims[name])))
	}
	for label, values := range r.Labels {
		for _, text := range values {
			c.labels[label] = append(c.labels[label], parseTemplate(text))
		}
	}
	return c
}

// CouldMake reports whether a token could say what makes account of the rule's.
// It says nothing of a rule that has the account as it is.
func (r Rule) CouldMake(account string) bool { return parseTemplate(r.Account).could(account) }

func (r rule) matches(claims idp.Claims) bool {
	return !slices.ContainsFunc(r.when, func(c condition) bool { return !c.holds(claims) })
}

// identify returns whom the claims are of. Whatever is wrong with them is a
// Refusal: another rule might make somebody else of them.
func (r rule) identify(claims idp.Claims) (id authn.Identity, err error) {
	values := make(map[string]string, len(r.account.claims))
	for _, name := range r.account.claims {
		found := said(claims, name)
		if len(found) != 1 || found[0] == "" {
			return id, unfit("its account needs the claim %s, with one value", name)
		}
		values[name] = found[0]
	}
	id.Account, id.Via.Means = r.account.expand(values), authn.ByWorkload
	if !authn.Plausible(id.Account) {
		return authn.Identity{}, unfit("its claims make no name that an account could have")
	}
	if id.Labels, err = r.labelsOf(claims); err != nil {
		return authn.Identity{}, err
	}
	return id, nil
}

func unfit(format string, args ...any) error {
	return &idp.Refusal{Msg: "the token is not good here: " + fmt.Sprintf(format, args...)}
}

// labelsOf are those of the rule. One that cannot be told ends the login: a rule
// that refuses might have asked for it.
func (r rule) labelsOf(claims idp.Claims) (authn.Labels, error) {
	labels, count := make(authn.Labels, len(r.labels)), 0
	for label, templates := range r.labels {
		for _, t := range templates {
			values, err := t.values(claims)
			if err != nil {
				return nil, err
			}
			for _, value := range values {
				if count++; count > authn.MostLabels || !authn.Plausible(value) {
					return nil, unfit("its claims make labels that are too many, too long, or have control characters")
				}
				labels[label] = append(labels[label], authn.Label{Value: value, Pattern: len(t.claims) == 0})
			}
		}
	}
	return labels, nil
}

// values are what a template makes of claims, one of which may have many.
func (t template) values(claims idp.Claims) (all []string, err error) {
	one, many, each := make(map[string]string, len(t.claims)), "", []string{""}
	for _, name := range t.claims {
		found := slices.DeleteFunc(said(claims, name), func(v string) bool { return v == "" })
		switch {
		case len(found) == 0:
			return nil, nil
		case len(found) == 1:
			one[name] = found[0]
		case many != "":
			return nil, unfit("both %s and %s have several values, for one label", many, name)
		default:
			many, each = name, found
		}
	}
	for _, value := range each {
		if many != "" {
			one[many] = value
		}
		all = append(all, t.expand(one))
	}
	return all, nil
}
