package ldap

import (
	"encoding"
	"fmt"
	"time"
)

// GroupsConfig says how the groups of an account are found.
type GroupsConfig struct {
	// Base is the DN below which groups are. Default: that of the accounts.
	Base string `yaml:"base"`
	// Filter finds the groups whose member ${dn} is, which is the DN of the
	// account, or ${account}, its name. Default: (|(member=${dn})(uniqueMember=${dn})),
	// and Active Directory's rule for chains with Nested ad.
	Filter string `yaml:"filter"`
	// Label is the name of the label that has them. Default groups.
	Label string `yaml:"label"`
	// Attribute of a group is the value; "dn" is its whole DN. Default cn.
	Attribute string `yaml:"attribute"`
	// LowerCase makes values lower case. Default false.
	LowerCase bool `yaml:"lower_case"`
	// Nested is true to find the groups that groups are in as well, by more
	// searches, or ad to have an Active Directory find them, in one. Default
	// false.
	Nested Nested `yaml:"nested"`
	// Depth is how many groups in each other are followed with Nested true;
	// default 10.
	Depth int `yaml:"depth"`
	// Timeout bounds all searches for the groups of an account together: who
	// has too many groups cannot log in. Default 5s.
	Timeout time.Duration `yaml:"timeout"`
}

// Nested is who follows the groups that groups are in.
type Nested string

// The ways to follow groups.
const (
	NestedNot       Nested = ""
	NestedSearch    Nested = "true"
	NestedDirectory Nested = "ad"
)

var _ encoding.TextUnmarshaler = (*Nested)(nil)

// UnmarshalText reads true, false or ad.
func (n *Nested) UnmarshalText(text []byte) error {
	switch word := Nested(text); word {
	case NestedSearch, NestedDirectory:
		*n = word
	case "false":
		*n = NestedNot
	default:
		return fmt.Errorf("%q is none of false, true, ad", text)
	}
	return nil
}

const (
	defaultDepth = 10

	// inChain is Active Directory's matching rule that follows members of
	// members ([MS-ADTS] 3.1.1.3.4.4.3, LDAP_MATCHING_RULE_TRANSITIVE_EVAL).
	inChain = "1.2.840.113556.1.4.1941"
)

func (g GroupsConfig) withDefaults(base string) GroupsConfig {
	if g.Base == "" {
		g.Base = base
	}
	if g.Filter == "" {
		g.Filter = "(|(member=${dn})(uniqueMember=${dn}))"
		if g.Nested == NestedDirectory {
			g.Filter = "(member:" + inChain + ":=${dn})"
		}
	}
	if g.Label == "" {
		g.Label = "groups"
	}
	if g.Attribute == "" {
		g.Attribute = "cn"
	}
	if g.Depth == 0 {
		g.Depth = defaultDepth
	}
	if g.Timeout == 0 {
		g.Timeout = defaultTimeout
	}
	return g
}
