package idp

import (
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/regate/regate/internal/problem"
)

// Bounds of what can be configured.
const (
	mostHTTPTimeout      = time.Minute
	leastRevalidateAfter = time.Second
	mostRevalidateAfter  = 24 * time.Hour
	leastMaxAge          = time.Hour
	mostMaxAge           = 366 * 24 * time.Hour
)

func (c Client) check(l *problem.List) {
	if c.ClientID == "" {
		l.Addf("client_id", "is missing; the provider gives it when the gate is registered there")
	}
	switch {
	case c.ClientSecret == "" && c.ClientSecretFile == "":
		l.Addf("client_secret", "is missing; write it here, or name a file with client_secret_file")
	case c.ClientSecret != "" && c.ClientSecretFile != "":
		l.Addf("client_secret", "stands beside client_secret_file: give one of them")
	}
	if c.RegistryURL != "" {
		l.Warnf("registry_url", "means nothing here: the pages show the name by which one came to them")
	}
	full := c.withDefaults()
	checkTime(l, "http_timeout", full.HTTPTimeout, [2]time.Duration{time.Second, mostHTTPTimeout})
	checkTime(l, "revalidate_after", full.RevalidateAfter, [2]time.Duration{leastRevalidateAfter, mostRevalidateAfter})
	checkTime(l, "max_age", full.MaxAge, [2]time.Duration{leastMaxAge, mostMaxAge})
}

func checkTime(l *problem.List, path string, long time.Duration, bounds [2]time.Duration) {
	if long < bounds[0] || long > bounds[1] {
		l.Addf(path, "%v is not between %v and %v", long, bounds[0], bounds[1])
	}
}

// Validate reports all mistakes. It opens nothing.
func (c GitHubConfig) Validate() error {
	var l problem.List
	c.check(&l)
	checkServer(&l, "github_web_uri", c.GitHubWebURI)
	checkServer(&l, "github_api_uri", c.GitHubAPIURI)
	if c.GitHubAPIURI != "" && c.GitHubWebURI == "" {
		l.Addf("github_web_uri", "is missing beside github_api_uri: both are of one server")
	}
	switch {
	case c.Organization != "" && !organizationName.MatchString(c.Organization):
		l.Addf("organization", "%q is not the name of an organization, as in https://github.com/NAME", c.Organization)
	case c.Organization == "" && c.GitHubWebURI == "":
		l.Warnf("organization", "is missing, so everybody with an account at GitHub can log in, as any name that is free there")
	}
	var known []string
	if c.Organization != "" {
		known = []string{teamsLabel}
	}
	checkPatterns(&l, c.LabelPatterns, known)
	return l.Err()
}

// Validate reports all mistakes. It opens nothing.
func (c GitLabConfig) Validate() error {
	var l problem.List
	c.check(&l)
	checkServer(&l, "gitlab_web_uri", c.GitLabWebURI)
	checkServer(&l, "gitlab_api_uri", c.GitLabAPIURI)
	if c.GitLabAPIURI != "" && c.GitLabWebURI == "" {
		l.Addf("gitlab_web_uri", "is missing beside gitlab_api_uri: both are of one server")
	}
	c.checkOrganization(&l)
	if c.GrantType != "" && c.GrantType != "authorization_code" {
		l.Addf("grant_type", "%q is not authorization_code, which is the only one", c.GrantType)
	}
	checkScopes(&l, c.Scopes)
	checkCallback(&l, "redirect_uri", c.RedirectURI, "/gitlab_auth")
	var known []string
	if c.withDefaults().readsGroups() {
		known = []string{groupsLabel}
	}
	checkPatterns(&l, c.LabelPatterns, known)
	return l.Err()
}

func (c GitLabConfig) checkOrganization(l *problem.List) {
	switch {
	case c.Organization == "" && c.GitLabWebURI == "":
		l.Warnf("organization", "is missing, so everybody with an account at gitlab.com can log in, as any name that is free there")
	case c.Organization == "":
	case !groupPath.MatchString(c.Organization):
		l.Addf("organization", "%q is not the path of a group, as in https://gitlab.com/PATH", c.Organization)
	case !c.withDefaults().readsGroups():
		l.Addf("scopes", "need read_api for organization: without it GitLab tells no groups")
	}
}

// Validate reports all mistakes.
func (c GoogleConfig) Validate() error {
	var l problem.List
	c.check(&l)
	switch {
	case c.Domain == "":
		l.Warnf("domain", "is missing, so everybody with a Google account can log in")
	case !domainName.MatchString(c.Domain):
		l.Addf("domain", "%q is not a domain in small letters, such as example.com", c.Domain)
	}
	return l.Err()
}

// Validate reports all mistakes. It opens nothing.
func (c OIDCConfigs) Validate() error {
	var l problem.List
	known := make(map[string]bool)
	for i, provider := range c {
		l.Under(c.path(i), provider.Validate())
		checkCallback(&l, problem.Join(c.path(i), "redirect_url"), provider.RedirectURL, c.Callback(i))
		name := problem.Join(c.path(i), "name")
		switch {
		case len(c) > 1 && provider.Name == "":
			l.Addf(name, "is missing; where there are several, each needs one")
		case known[provider.Name]:
			l.Addf(name, "%q is another's name as well", provider.Name)
		}
		known[provider.Name] = true
	}
	return l.Err()
}

// wellKnown is what follows the issuer where its document is (OpenID Connect
// Discovery 1.0, 4).
const wellKnown = "/.well-known/openid-configuration"

// Validate reports all mistakes. It opens nothing.
func (c OIDCConfig) Validate() error {
	var l problem.List
	c.check(&l)
	if c.Name != "" && !plainName.MatchString(c.Name) {
		l.Addf("name", "%q is not up to 32 letters, digits, - and _", c.Name)
	}
	if c.Issuer == "" {
		l.Addf("issuer", "is missing; it is the provider's URL, such as https://login.example.com")
	}
	if strings.HasSuffix(strings.TrimRight(c.Issuer, "/"), wellKnown) {
		l.Addf("issuer", "ends in %s: leave that out", wellKnown)
	} else {
		checkServer(&l, "issuer", c.Issuer)
	}
	checkScopes(&l, c.Scopes)
	if full := c.withDefaults(); !slices.Contains(full.Scopes, "openid") {
		l.Addf("scopes", "need openid, without which a provider says nothing of who somebody is")
	}
	if !slices.Contains([]string{"", "login", "consent", "select_account"}, c.Prompt) {
		l.Addf("prompt", "%q is none of login, consent and select_account", c.Prompt)
	}
	if c.TrustEmail && c.withDefaults().UserClaim != emailClaim {
		l.Addf("trust_email", "is for user_claim: email")
	}
	if slices.Contains(c.labels(), "") {
		l.Addf("label_claims", "a claim needs a name")
	}
	checkPatterns(&l, c.LabelPatterns, c.labels())
	return l.Err()
}

var (
	organizationName = regexp.MustCompile(`^[A-Za-z0-9](?:[A-Za-z0-9_-]{0,38})$`)
	groupPath        = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*(?:/[A-Za-z0-9_][A-Za-z0-9_.-]*)*$`)
	domainName       = regexp.MustCompile(`^[a-z0-9-]+(?:\.[a-z0-9-]+)+$`)
	plainName        = regexp.MustCompile(`^[A-Za-z0-9_-]{1,32}$`)
	scopeToken       = regexp.MustCompile(`^[\x21\x23-\x5b\x5d-\x7e]+$`) // RFC 6749 3.3
)

func checkScopes(l *problem.List, scopes []string) {
	for i, s := range scopes {
		if !scopeToken.MatchString(s) {
			l.Addf("scopes["+strconv.Itoa(i)+"]", "%q is not one scope", s)
		}
	}
}

func checkPatterns(l *problem.List, patterns, known []string) {
	for i, name := range patterns {
		if !slices.Contains(known, name) {
			l.Addf("label_patterns["+strconv.Itoa(i)+"]", "%q is no label of this provider", name)
		}
	}
}

// checkServer looks at the URL of a server that is told secrets.
func checkServer(l *problem.List, path, text string) {
	if text == "" {
		return
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		l.Addf(path, "is no https://HOST[:PORT][/PATH]") // not shown: there may be a password in it
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		l.Addf(path, "must end with its path, and have no user")
	case u.Scheme == "http" && !loopback(u.Hostname()):
		l.Addf(path, "%s: http would send secrets as they are over the network: use https", text)
	}
}

// checkCallback looks at the URL to which browsers come back.
func checkCallback(l *problem.List, key, text, path string) {
	if text == "" {
		return
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Path != path {
		l.Addf(key, "must be https://HOST%s, and HOST a name of the gate", path)
	}
}

func loopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}

// addresses are those of a server's pages and of its API.
func addresses(web, api string, usual [2]string, below string) (string, string) {
	web, api = strings.TrimRight(web, "/"), strings.TrimRight(api, "/")
	switch {
	case web == "" && api == "", web == usual[0] && api == "":
		return usual[0], usual[1]
	case api == "":
		return web, web + below
	}
	return web, api
}
