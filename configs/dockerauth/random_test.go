package dockerauth

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
)

// random makes configurations and questions.
type random struct{ *rand.Rand }

func (r random) one(words ...string) string { return words[r.IntN(len(words))] }

func (r random) chance(percent int) bool { return r.IntN(100) < percent }

func (r random) config() string {
	var b strings.Builder
	b.WriteString("token: {issuer: auth, expiration: 900}\nusers:\n")
	for _, name := range accounts {
		fmt.Fprintf(&b, "  %s: {password: %s", r.style(name), r.style(someHash))
		if name == "" {
			fmt.Fprintf(&b, "}\n  ~: {labels: {group: [%s]}}\n", r.labelValue()) // it is given again
			continue
		}
		if r.chance(70) {
			fmt.Fprintf(&b, ", labels: {group: [%s, %s], tier: [%s], %s: [x]}", r.labelValue(), r.labelValue(), r.labelValue(), r.style("o.k"))
		}
		b.WriteString("}\n")
	}
	b.WriteString("acl:\n")
	for range 1 + r.IntN(6) {
		fmt.Fprintf(&b, "- {match: {%s}, %s}\n", strings.Join(r.match(), ", "), r.actions())
	}
	return b.String()
}

const someHash = "$2y$05$LO.vzwpWC5LZGqThvEfznu8qhb5SGqvBSWY1J3yZ4AxtMRZ3kN5jC"

var accounts = []string{"", "bob", "al", "a@team.io", "*@team.io", "al@dev", "x.y", "bob+1", "1e3", "[a"}

func (r random) labelValue() string {
	return r.style(r.one("team", "foo", "a", "b", "team", "foo", "t*", "*", "a?", "[ab]", `b\`, "[a", "a/b", "/.+/", "", "${account}"))
}

func (r random) match() (conditions []string) {
	add := func(percent int, key string, patterns ...string) {
		if r.chance(percent) {
			conditions = append(conditions, key+": "+r.style(r.one(patterns...)))
		}
	}
	add(50, "account", "", "bob", "/.+/", "*", "/^(.+)@(.+)$/", "/^(bob|al)$/", "/b/", "b?b", "x.y", "/(a)(b)?/", "${labels:group}", "1e3", `\*@*`, "[a", "${nobody}", "/^${account}$/")
	add(20, "type", "repository", "registry", "/^re/", "repo*", "${type}")
	add(60, "name", namePatterns...)
	add(15, "service", "registry", "registry", "reg*", "/./", "${service}", "hub")
	add(10, "ip", "10.0.0.0/8", "10.1.2.3", "::1", "::ffff:10.0.0.0/104", "fe80::/10")
	if r.chance(20) {
		conditions = append(conditions, fmt.Sprintf("labels: {%s: %s}", r.one("group", "tier", "none"),
			r.style(r.one("team", "foo", "*", "/a|b/", "${account}", "t*", "${labels:tier}", "${account:1}", "/^${name}$/", "[x"))))
	}
	if r.chance(4) {
		conditions = append(conditions, r.one("labels: {tier: ~}", "labels: {group: , group: team}", "team: x", "acount: bob", "label: {group: x}", "name:", "ip: ~"))
	}
	return conditions
}

var namePatterns = []string{
	"*", "*/*", "team/*", "team/app", "t?am/*", "[a-f]*/*", "a\\*b", "foo", "foo/**", "catalog", "",
	"/^team\\/.*$/", "/team/", "/^(team|foo)\\/(a|b)/", "/a$|^b/", "//", "/foo", "/(?i)TEAM/",
	"${account}/*", "${account}", "${account}-*/*", "/^${account}\\/.+$/", "/^(?:x|${account})\\//", "${type}/*", "/${service}/",
	"${labels:group}/*", "${labels:group}", "${labels:group}-${labels:tier}/*", "${labels:group}/${account}", "${labels:group}/${labels:group}",
	"/^${labels:group}\\/.*$/", "/^(${labels:none}|foo)\\/.*$/", "${labels:none}/*", "${labels:o.k}/*", "[${labels:group}]/*",
	"${account:1}/*", "${Account:1}/*", "${account:2}/${account:1}", "/^${account:1}\\/.+$/", "${account:9}/*", "${account:0}/*",
	"${labels:group}/${account:1}", "${account}/${account:1}", "${account:+1}/*", "${name:1}/*",
	"${foo}/*", "/^${foo}$/", "/${foo}|team/", "${labels:}/*", "${account", "$\\{x}", "[a", "team/[", "team\\",
	"/[${account}]/", "/${account}/", "/${account}+/", "\\${account}/*", "[${account}]*/*", "${env:HOME}/*",
}

var names = []string{
	"team/app", "team/a/b", "team", "foo", "foo/x", "foo/a", "bob/x", "bob", "al/app", "x.y/z", "xzy/z", "a/x", "b/x", "team-a/x", "a-b/c", "bob-dev/x",
	"team.io/a", "a/team", "o.k/x", "x/y", "catalog", "team/team", "bob/bob", "al/al", "dev/al", "al/dev", "team/al", "team/bob", "foo/bob",
}

func (r random) actions() string {
	return r.one(
		`actions: ["*"]`, `actions: ["*"]`, "actions: [pull]", "actions: [pull, push]", "actions: [pull, push, delete]", "actions: []",
		"actions: []", `actions: ["*", pull]`, "actions: [Pull, push]", "actions: [~, push]", "actions: ", "comment: x",
	)
}

// style writes a text in one of YAML's ways.
func (r random) style(s string) string {
	plain := s != "" && !strings.ContainsAny(s, "{}[],*&#?|<>=!%@`\\'\": ~$") && s[0] != '-' && s[0] != '/'
	switch r.IntN(3) {
	case 0:
		return "'" + strings.ReplaceAll(s, "'", "''") + "'"
	case 1:
		if plain {
			return s
		}
	}
	return strconv.Quote(s)
}

func (r random) ask(p pair) oldAsk {
	account := accounts[r.IntN(len(accounts))]
	var labels map[string][]string
	if u := p.old.Users[account]; u != nil {
		labels = u.Labels
	}
	a := oldAsk{labels: labels, fields: map[string]string{"account": account, "type": "repository", "service": p.file.Auth.Token.Service}}
	a.fields["name"] = r.one(names...)
	a.actions = strings.Split(r.one("pull", "pull,push", "delete,pull,push", "push"), ",")
	if r.chance(10) {
		a.fields["type"], a.fields["name"], a.actions = "registry", "catalog", []string{"*"}
	}
	if r.chance(80) {
		a.ip = net.ParseIP(r.one("10.1.2.3", "10.9.9.9", "192.0.2.1", "::1", "fe80::1"))
	}
	return a
}
