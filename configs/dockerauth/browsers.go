package dockerauth

import (
	"slices"
	"strings"

	"github.com/regate/regate/authsvc/idp"
)

// tokenDatabases are where docker_auth keeps the passwords that it has given
// out, and what it knows of those who have them.
var tokenDatabases = []string{"token_db", "level_token_db", "gcs_token_db", "redis_token_db"}

// writeBrowsers reports whether people can log in with a browser.
func (c *converter) writeBrowsers(p *page) (any bool) {
	before := len(c.report)
	for _, write := range []func(*page) bool{c.writeGoogle, c.writeGitHub, c.writeOIDC, c.writeGitLab} {
		any = write(p) || any
	}
	if !c.report.silent(before) {
		c.capitals()
	}
	return any
}

// provider begins the section of one, with what all of them have.
func (c *converter) provider(key, at string) (d *part, s *section, ok bool) {
	s, ok = c.root.child(key)
	if !ok {
		return nil, nil, false
	}
	d = &part{key: key, line: s.line}
	c.report.add(d.line, Changed, key, "everybody logs in once more, at https://HOST/login, and makes tokens for docker login there: the passwords that docker_auth gave out end (docs/browser-logins.md)")
	c.report.add(d.line, Open, key, "register https://HOST/%s at %s as the call-back, where HOST is a name in tls.hosts", key, at)
	d.carry(s, "client_id")
	if !d.hidden(s, "client_secret", "client_secret_file") {
		c.report.add(d.line, Open, s.key("client_secret"), "is missing")
	}
	for _, database := range tokenDatabases {
		if e, ok := s.find(database); ok {
			c.report.add(e.line, Needless, s.key(database), "logins are in state.path; those of docker_auth are not taken over")
		}
	}
	if _, line, ok := s.text("registry_url"); ok {
		c.report.add(line, Needless, s.key("registry_url"), "the pages show the name by which one came to them")
	}
	return d, s, true
}

// capitals finds rules for names that providers may write, and the gate does
// not: names and addresses are in small letters here, once and for all.
func (c *converter) capitals() {
	for _, r := range c.rules {
		if r.Match == nil || r.Match.Account == nil || strings.ToLower(*r.Match.Account) == *r.Match.Account {
			continue
		}
		c.report.add(r.lineOf("account"), Dangerous, r.path+".match.account", "accounts that log in with a browser are in small letters here: a rule with a capital one is for none of them")
	}
}

func (c *converter) writeGoogle(p *page) bool {
	d, s, ok := c.provider("google_auth", "Google")
	if !ok {
		return false
	}
	d.carry(s, "domain")
	if seconds, line, ok := s.number("http_timeout"); ok && seconds > 0 {
		d.body.line("http_timeout: %ds", seconds)
		c.report.kept(line, line, s.key("http_timeout"))
	}
	s.rest()
	d.check = valid[idp.GoogleConfig]
	return c.place(p, d)
}

func (c *converter) writeGitHub(p *page) bool {
	d, s, ok := c.provider("github_auth", "GitHub")
	if !ok {
		return false
	}
	d.carry(s, "organization", "github_web_uri", "github_api_uri")
	d.times(s, "http_timeout", "revalidate_after")
	if slices.Contains(c.mentioned(), "teams") || c.asks("teams") {
		c.report.add(d.line, Changed, d.key, "teams are asked for again every revalidate_after; docker_auth asks once, at the login in the browser")
	}
	s.rest()
	d.check = valid[idp.GitHubConfig]
	return c.place(p, d)
}

// asks reports whether a rule has a condition for a label.
func (c *converter) asks(label string) bool {
	return slices.ContainsFunc(c.rules, func(r *rule) bool {
		return r.Match != nil && r.Match.Labels[label] != ""
	})
}

func (c *converter) writeGitLab(p *page) bool {
	d, s, ok := c.provider("gitlab_auth", "GitLab")
	if !ok {
		return false
	}
	d.carry(s, "gitlab_web_uri", "gitlab_api_uri")
	_, webLine, web := s.text("gitlab_web_uri")
	if _, apiLine, api := s.text("gitlab_api_uri"); !web || !api {
		c.report.add(max(d.line, webLine, apiLine), Changed, d.key, "gitlab_web_uri and gitlab_api_uri are https://gitlab.com and /api/v4 below the first by themselves; docker_auth mixes them up unless both are written")
	}
	if organization, line, ok := s.text("organization"); ok && organization != "" {
		d.body.line("organization: %s", quoted(organization))
		c.report.add(line, Changed, s.key("organization"), "is the path of a group that people must be in; docker_auth never looks at it, and lets everybody in")
	}
	if grant, line, ok := s.text("grant_type"); ok && grant != "" {
		c.report.add(line, Needless, s.key("grant_type"), "there is only authorization_code")
	}
	c.callback(s, "redirect_uri")
	d.times(s, "http_timeout", "revalidate_after")
	s.rest()
	d.check = valid[idp.GitLabConfig]
	return c.place(p, d)
}

// callback leaves out where docker_auth has browsers come back to.
func (c *converter) callback(s *section, key string) {
	if _, line, ok := s.text(key); ok {
		c.report.add(line, Changed, s.key(key), "is left out: browsers come back to the name by which they came to the gate")
	}
}

func (c *converter) writeOIDC(p *page) bool {
	d, s, ok := c.provider("oidc_auth", "the provider")
	if !ok {
		return false
	}
	d.carry(s, "issuer", "user_claim")
	c.callback(s, "redirect_url")
	if scopes, line, ok := s.texts("scopes"); ok && len(scopes) > 0 {
		d.body.line("scopes: %s", quotedAll(scopes))
		c.report.kept(line, line, s.key("scopes"))
	}
	c.claims(d, s)
	if claim, _, ok := s.text("user_claim"); !ok || claim == "" || claim == "email" {
		c.report.add(d.line, Changed, d.key, "an e-mail address counts if the provider says that it is verified, which docker_auth does not look at; trust_email: true takes one of which it says nothing")
	}
	d.times(s, "http_timeout")
	s.rest()
	d.check = valid[idp.OIDCConfig]
	return c.place(p, d)
}

// claims are the labels. docker_auth's documentation has another name for the
// key than its code, which reads labels_claims.
func (c *converter) claims(d *part, s *section) {
	labels, line, _ := s.texts("labels_claims")
	if len(labels) > 0 {
		d.body.line("labels_claims: %s", quotedAll(labels))
		c.report.kept(line, line, s.key("labels_claims"))
	}
	if ignored, line, _ := s.texts("label_claims"); len(ignored) > 0 {
		d.body.line("label_claims: %s", quotedAll(ignored))
		c.report.add(line, Dangerous, s.key("label_claims"), "docker_auth ignores it, as its code reads labels_claims: here these claims become labels, and rules that ask for them begin to match")
		labels = append(labels, ignored...)
	}
	patterns := slices.DeleteFunc(c.mentioned(), func(l string) bool { return !slices.Contains(labels, l) })
	if len(patterns) > 0 {
		d.body.line("label_patterns: %s", quotedAll(patterns))
		c.report.add(d.line, Dangerous, d.key, "a * in a claim is a wildcard in the globs of rules that mention %s, here as there: whoever can have such a claim written writes rules; delete label_patterns if there is none", strings.Join(patterns, ", "))
	}
}
