package ldap

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/regate/regate/authsvc/authn"
)

// Someone identified is an account, as it was written, and its entry.
type identified struct {
	account string
	entry   entry
}

// maxValues bounds those of one label: rules try each of them.
const maxValues = 5000

// identity is identityOn, with a connection of p where one is needed.
func (d *Directory) identity(ctx context.Context, p *pool, who identified) (id authn.Identity, err error) {
	if d.cfg.Groups == nil {
		return d.identityOn(ctx, nil, who)
	}
	err = p.do(ctx, func(ctx context.Context, k *conn) error {
		id, err = d.identityOn(ctx, k, who)
		return err
	})
	return id, err
}

// identityOn gives an account its labels.
func (d *Directory) identityOn(ctx context.Context, k *conn, who identified) (authn.Identity, error) {
	values, labels := make(map[string][]string), make(authn.Labels)
	for name, label := range d.cfg.Labels {
		values[name] = label.read(who.entry.values(label.Attribute))
	}
	if d.cfg.Groups != nil {
		groups, err := d.groups(ctx, k, who)
		if err != nil {
			return authn.Identity{}, err
		}
		name := d.cfg.Groups.Label
		values[name] = append(values[name], groups...)
	}
	for name, list := range values {
		slices.Sort(list)
		list = slices.Compact(list)
		if len(list) > maxValues {
			return authn.Identity{}, fmt.Errorf("%d values are too many for the label %s", len(list), name)
		}
		for _, v := range list {
			labels[name] = append(labels[name], authn.Label{Value: v, Pattern: d.patterns[name]})
		}
	}
	return authn.Identity{Account: d.spelt(who.account, who.entry), Labels: labels}, nil
}

// read makes values of a label out of those of the attribute.
func (c LabelConfig) read(values []string) (list []string) {
	for _, v := range values {
		if c.ParseCN {
			v = firstCN(v)
		}
		if c.LowerCase {
			v = strings.ToLower(v)
		}
		if v != "" {
			list = append(list, v)
		}
	}
	return list
}

// firstCN is the first CN in a DN, and what is no DN, or has no CN, as it is.
func firstCN(dn string) string {
	parsed, err := ldap.ParseDN(dn)
	if err != nil {
		return dn
	}
	for _, rdn := range parsed.RDNs {
		for _, a := range rdn.Attributes {
			if strings.EqualFold(a.Type, "CN") {
				return a.Value
			}
		}
	}
	return dn
}
