package authsvc

import (
	"fmt"
	"maps"
	"slices"

	"github.com/regate/regate/internal/problem"
)

// warnOfNames says of rules of jwt_auth that one of the users could be among the
// accounts that they make. Nothing tells the two apart: whoever has such a token
// would be that user, without a password. A rule that names the user, and takes
// nothing out of the token, is meant so.
func (c Config) warnOfNames(l *problem.List) {
	users := slices.Sorted(maps.Keys(c.Users))
	for i, issuer := range c.JWTAuth {
		for j, r := range issuer.Rules {
			if k := slices.IndexFunc(users, r.CouldMake); k >= 0 {
				l.Warnf(fmt.Sprintf("jwt_auth[%d].rules[%d].account", i, j),
					"could become %q, who is one of users: whoever has a token that says so would be that account; put something before it that no user's name begins with", users[k])
			}
		}
	}
}
