package browser

import (
	"net/url"
	"slices"
	"strings"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/narrow"
)

// A good is what a token can be made for.
type good struct {
	Value, Text string
	actions     []string
}

// goods are those that somebody can choose from. What docker push does includes
// a pull.
var goods = []good{
	{"all", "for all that I may", nil},
	{"pull", "to pull", []string{"pull"}},
	{"push", "to pull and push", []string{"pull", "push"}},
	{"delete", "to pull, push and delete", []string{"pull", "push", "delete"}},
}

// A wish is what somebody wants a token to be like, as they wrote it.
type wish struct {
	name, life         string
	good, repositories string
}

func wishOf(form url.Values) wish {
	return wish{
		name: strings.TrimSpace(form.Get("name")), life: form.Get("life"),
		good: form.Get("good"), repositories: form.Get("repositories"),
	}
}

// bounds are those of the token; none if it is for all that its owner may. Its
// error is a fault.
func (w wish) bounds() (all []authn.Bound, err error) {
	i := slices.IndexFunc(goods, func(g good) bool { return g.Value == w.good })
	if i < 0 && w.good != "" {
		return nil, fault("Choose what the token is good for.")
	}
	actions := goods[max(i, 0)].actions
	patterns := strings.FieldsFunc(w.repositories, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\n' || r == '\r' })
	switch {
	case len(patterns) == 0 && actions == nil:
		return nil, nil
	case len(patterns) == 0:
		patterns = []string{"**"}
	case actions == nil:
		actions = goods[len(goods)-1].actions
	}
	for _, p := range patterns {
		if err := narrow.CheckRepository(p); err != nil {
			return nil, fault(sentence(err.Error()))
		}
		all = append(all, authn.Bound{Repository: p, Actions: actions})
	}
	if err := narrow.Check(all); err != nil {
		return nil, fault(sentence(err.Error()))
	}
	return all, nil
}

// goodFor says what bounds are; "" if there are none.
func goodFor(bounds []authn.Bound) string {
	var all []string
	for _, b := range bounds {
		where := b.Repository
		if where == "**" {
			where = "every repository"
		}
		all = append(all, strings.Join(b.Actions, ", ")+" in "+where)
	}
	return strings.Join(all, "; ")
}
