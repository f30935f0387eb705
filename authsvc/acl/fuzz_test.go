package acl

import (
	"testing"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/internal/oci"
)

// Whatever the rules and the ask are, nothing panics, nobody gets more than
// they asked for, and the answer is the one of the rule that Explain names.
func FuzzAllow(f *testing.F) {
	f.Add("/^(.*)@x$/", "${account:1}/${labels:g}", "10.0.0.0/8", "web-*", "pull", "a@x", "a/web-1", "web-1", uint8(7))
	f.Add("${labels:g}", "/(?i)^${account}${labels:g}*$/", "::1", "[a", "*", "k", "K\u212A", "*", uint8(8))
	f.Add("/^${name}$/", "/^\\Q${labels:g}\\E${service}/", "", "${account}", "delete", "", "a/b", "[", uint8(255))
	f.Fuzz(func(t *testing.T, account, name, ip, label, action, who, repo, value string, want uint8) {
		c := Config{
			{Match: &Match{Account: &account, Name: &name}, Actions: []string{action}},
			{Match: &Match{Labels: map[string]string{"g": label}}, Actions: []string{"pull", "push"}},
			{Match: &Match{Name: &name, Labels: map[string]string{"g": account}}, Actions: []string{"*"}},
		}
		if ip != "" {
			c[0].Match.IP = &ip
		}
		_ = c.Validate()
		l, err := Compile(c)
		if err != nil {
			return
		}
		a := asking(who, repo, authn.Labels{"g": append(literal(value, who), patterns(value, repo)...)})
		a.Want.Actions = oci.Actions(want)
		got := l.allow(a)
		if got.Type != a.Want.Type || got.Name != a.Want.Name || got.Actions&^a.Want.Actions != 0 {
			t.Errorf("allow(%v) = %v", a.Want, got)
		}
		if e := l.Explain(a); e.Granted != got || (e.Rule < 0) && got.Actions != 0 {
			t.Errorf("Explain(%v) = %+v, allow() = %v", a.Want, e, got)
		}
		l.Shadowed()
	})
}
