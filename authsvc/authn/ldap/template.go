package ldap

import (
	"regexp"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/regate/regate/internal/problem"
)

var variable = regexp.MustCompile(`\$\{([^}]*)\}`)

// variables are those that a text holds, without ${ and }.
func variables(text string) (names []string) {
	for _, m := range variable.FindAllStringSubmatch(text, -1) {
		names = append(names, m[1])
	}
	return names
}

// checkVariables reports variables that are none of these.
func checkVariables(l *problem.List, path, text string, known ...string) {
	for _, name := range variables(text) {
		if !slices.Contains(known, name) {
			l.Addf(path, "${%s} is not known here; there is ${%s}", name, strings.Join(known, "} and ${"))
		}
	}
}

// checkFilter looks at a filter in which one of the variables must stand.
func checkFilter(l *problem.List, path, filter string, known ...string) {
	if filter == "" {
		l.Addf(path, "is missing, such as (uid=${%s})", known[0])
		return
	}
	before := len(*l)
	checkVariables(l, path, filter, known...)
	if len(*l) > before {
		return
	}
	if len(variables(filter)) == 0 {
		l.Addf(path, "finds the same entries for everybody: it needs ${%s}", known[0])
	}
	if _, err := ldap.CompileFilter(inFilter(filter, "x", "x")); err != nil {
		l.Addf(path, "is not a filter (RFC 4515), such as (uid=${%s})", known[0])
	}
}

// inFilter puts values into a filter, as RFC 4515 3 wants them.
func inFilter(filter, account, dn string) string {
	return strings.NewReplacer("${account}", ldap.EscapeFilter(account), "${dn}", ldap.EscapeFilter(dn)).Replace(filter)
}

// inName puts the account into the name that is bound with. In a DN it is
// escaped as RFC 4514 2.4 wants it; in alice@example.com and EXAMPLE\alice,
// which only Active Directory takes, there is no escaping, and nothing to
// escape from.
func inName(name, account string) string {
	if isDN(name) {
		account = ldap.EscapeDN(account)
	}
	return strings.ReplaceAll(name, "${account}", account)
}

func isDN(name string) bool { return strings.Contains(name, "=") }
