package idp

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/regate/regate/authsvc/authn"
)

const (
	emailClaim    = "email"
	verifiedClaim = "email_verified"
)

// claims are what a provider says about a person.
type claims map[string]json.RawMessage

// has reports whether something is said under this name.
func (c claims) has(name string) bool { return len(c[name]) > 0 && string(c[name]) != "null" }

// text is a claim that is text.
func (c claims) text(name string) (value string, ok bool) {
	return value, c.has(name) && json.Unmarshal(c[name], &value) == nil
}

// verified says whether the provider has verified the address, and whether it
// says so at all. Some write it as text.
func (c claims) verified() (yes, said bool) {
	text := string(c[verifiedClaim])
	return text == `true` || text == `"true"`, c.has(verifiedClaim)
}

// add takes over what is missing in c. Whether an address is verified is taken
// from where the address is.
func (c claims) add(more claims) error {
	mine, ok := c.text(emailClaim)
	if theirs, both := more.text(emailClaim); ok && both && !strings.EqualFold(mine, theirs) {
		return errors.New("the ID token and userinfo have different e-mail addresses")
	}
	if !c.has(emailClaim) && more.has(emailClaim) {
		delete(c, verifiedClaim)
	}
	for name, value := range more {
		if !c.has(name) {
			c[name] = value
		}
	}
	return nil
}

// maxLabels bounds the values of one label.
const maxLabels = 10_000

// label is the claim as values of a label. A claim that is not there has none:
// the person is in no group.
func (c claims) label(name string, pattern bool) ([]authn.Label, error) {
	if !c.has(name) {
		return nil, nil
	}
	var all []string
	if one, ok := c.text(name); ok {
		all = []string{one}
	} else if json.Unmarshal(c[name], &all) != nil {
		return nil, fmt.Errorf("the claim %s is neither text nor a list of text", name)
	}
	return labels(all, pattern)
}

func labels(values []string, pattern bool) (all []authn.Label, err error) {
	if len(values) > maxLabels {
		return nil, errors.New("more than 10000 groups")
	}
	values = slices.Clone(values)
	slices.Sort(values)
	for _, v := range slices.Compact(values) {
		if v != "" {
			all = append(all, authn.Label{Value: v, Pattern: pattern})
		}
	}
	return all, nil
}
