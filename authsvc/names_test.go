package authsvc

import (
	"strings"
	"testing"

	"github.com/regate/regate/authsvc/authn/static"
	"github.com/regate/regate/authsvc/authn/workload"
	"github.com/regate/regate/internal/problem"
)

// TestWarnOfNames: a token must not become somebody whom its issuer has nothing
// to do with, without anybody having been told.
func TestWarnOfNames(t *testing.T) {
	users := static.Config{"": {}, "admin": {}, "ci/acme/app": {}, "dev+x": {}}
	for account, want := range map[string]string{
		"${name}": `"admin"`, "${lower:name}": `"admin"`, "ad${name}": `"admin"`, "${name}/acme/app": `"ci/acme/app"`, "ci/${repository}": `"ci/acme/app"`,
		"ci/${owner}/${repo}": `"ci/acme/app"`, "dev+${name}": `"dev+x"`,
		"jwt/${name}": "", "admin${name}": "", "${name}/ci": "", "admin": "", "ci/acme/app": "", "a.${name}": "",
	} {
		var l problem.List
		l.Under("", Config{Users: users, JWTAuth: workload.Config{{Rules: []workload.Rule{{Account: account}}}}}.Validate())
		said := ""
		for _, p := range l {
			if p.Warning && p.Path == "jwt_auth[0].rules[0].account" && strings.Contains(p.Msg, "one of users") {
				said += p.Msg
			}
		}
		if (said == "") != (want == "") || !strings.Contains(said, want) {
			t.Errorf("%s: said %q, want %q in it", account, said, want)
		}
	}
}
