package idp

import (
	"strings"
	"testing"
	"time"
)

func with[C any](c C, change func(*C)) C {
	change(&c)
	return c
}

func TestValidate(t *testing.T) {
	hub := GitHubConfig{Client: gate(), Organization: "acme"}
	lab := GitLabConfig{Client: gate(), Organization: "acme/web"}
	google := GoogleConfig{Client: gate(), Domain: "example.com"}
	oidc := OIDCConfig{Client: gate(), Issuer: "https://login.example.com/realms/staff"}
	for name, tt := range map[string]struct {
		config interface{ Validate() error }
		want   string // what it says, in any order; "" if it is good
	}{
		"github":              {hub, ""},
		"gitlab":              {lab, ""},
		"google":              {google, ""},
		"oidc":                {OIDCConfigs{oidc}, ""},
		"no client":           {with(hub, func(c *GitHubConfig) { c.Client = Client{} }), "client_id: is missing; client_secret: is missing"},
		"two secrets":         {with(google, func(c *GoogleConfig) { c.ClientSecretFile = "x" }), "client_secret: stands beside"},
		"a file for a secret": {with(google, func(c *GoogleConfig) { c.ClientSecretFile, c.ClientSecret = "x", "" }), ""},
		"times": {with(lab, func(c *GitLabConfig) {
			c.HTTPTimeout, c.RevalidateAfter, c.MaxAge = -1, time.Millisecond, 1e6*time.Hour
		}), "http_timeout: -1ns is not; revalidate_after: 1ms is not; max_age: 1000000h0m0s is not"},
		"everybody of GitHub":    {with(hub, func(c *GitHubConfig) { c.Organization = "" }), "organization: is missing, so everybody"},
		"everybody of our own":   {with(hub, func(c *GitHubConfig) { c.Organization, c.GitHubWebURI = "", "https://git.acme.com" }), ""},
		"everybody of GitLab":    {with(lab, func(c *GitLabConfig) { c.Organization = "" }), "organization: is missing, so everybody"},
		"everybody of Google":    {with(google, func(c *GoogleConfig) { c.Domain = "" }), "domain: is missing, so everybody"},
		"domain with an @":       {with(google, func(c *GoogleConfig) { c.Domain = "@Example.com" }), "domain: \"@Example.com\" is not"},
		"organization is a path": {with(hub, func(c *GitHubConfig) { c.Organization = "../users" }), "organization: \"../users\" is not"},
		"group is a URL":         {with(lab, func(c *GitLabConfig) { c.Organization = "https://gitlab.com/acme" }), "organization: \"https://gitlab.com/acme\" is not"},
		"API alone":              {with(hub, func(c *GitHubConfig) { c.GitHubAPIURI = "https://git.acme.com/api/v3" }), "github_web_uri: is missing"},
		"API of GitLab alone":    {with(lab, func(c *GitLabConfig) { c.GitLabAPIURI = "https://git.acme.com/api/v4" }), "gitlab_web_uri: is missing"},
		"in the open":            {with(lab, func(c *GitLabConfig) { c.GitLabWebURI = "http://git.acme.com" }), "gitlab_web_uri: http://git.acme.com: http would"},
		"on this machine":        {with(lab, func(c *GitLabConfig) { c.GitLabWebURI = "http://127.0.0.1:8080" }), ""},
		"no URL":                 {with(lab, func(c *GitLabConfig) { c.GitLabWebURI = "git.acme.com" }), "gitlab_web_uri: is no https"},
		"URL with a password":    {with(oidc, func(c *OIDCConfig) { c.Issuer = "https://u:hush@x" }), "issuer: must end with its path"},
		"labels of no group":     {with(hub, func(c *GitHubConfig) { c.LabelPatterns = []string{"teams", "groups"} }), "label_patterns[1]: \"groups\" is no label"},
		"patterns of no teams": {with(hub, func(c *GitHubConfig) {
			c.Organization, c.GitHubWebURI, c.LabelPatterns = "", "https://x", []string{"teams"}
		}), "label_patterns[0]"},
		"registry_url":            {with(hub, func(c *GitHubConfig) { c.RegistryURL = "https://x" }), "registry_url: means nothing"},
		"grant type":              {with(lab, func(c *GitLabConfig) { c.GrantType = "password" }), "grant_type: \"password\" is not"},
		"groups without a scope":  {with(lab, func(c *GitLabConfig) { c.Scopes = []string{"read_user"} }), "scopes: need read_api"},
		"two scopes in one":       {with(oidc, func(c *OIDCConfig) { c.Scopes = []string{"openid email"} }), "scopes[0]: \"openid email\" is not one; scopes: need openid"},
		"call-back elsewhere":     {OIDCConfigs{with(oidc, func(c *OIDCConfig) { c.RedirectURL = "https://x/docker/oidc_auth" })}, "redirect_url: must be https://HOST/oidc_auth"},
		"call-back in the open":   {with(lab, func(c *GitLabConfig) { c.RedirectURI = "http://x/gitlab_auth" }), "redirect_uri: must be https://HOST/gitlab_auth"},
		"call-back":               {OIDCConfigs{with(oidc, func(c *OIDCConfig) { c.RedirectURL = "https://x:8443/oidc_auth" })}, ""},
		"call-back of several":    {OIDCConfigs{with(oidc, func(c *OIDCConfig) { c.Name, c.RedirectURL = "a", "https://x/oidc_auth/a" }), with(oidc, func(c *OIDCConfig) { c.Name, c.RedirectURL = "b", "https://x/oidc_auth" })}, "[1].redirect_url: must be https://HOST/oidc_auth/b"},
		"address of the document": {with(oidc, func(c *OIDCConfig) { c.Issuer += "/.well-known/openid-configuration" }), "issuer: ends in /.well-known/openid-configuration: leave that out"},
		"no issuer":               {with(oidc, func(c *OIDCConfig) { c.Issuer = "" }), "issuer: is missing"},
		"prompt":                  {with(oidc, func(c *OIDCConfig) { c.Prompt = "none" }), "prompt: \"none\" is none of"},
		"trusts no e-mail":        {with(oidc, func(c *OIDCConfig) { c.TrustEmail, c.UserClaim = true, "sub" }), "trust_email: is for"},
		"label without a name":    {with(oidc, func(c *OIDCConfig) { c.LabelsClaims = []string{""} }), "label_claims: a claim needs"},
		"both lists of labels": {with(oidc, func(c *OIDCConfig) {
			c.LabelsClaims, c.LabelClaims, c.LabelPatterns = []string{"a"}, []string{"b"}, []string{"a", "b"}
		}), ""},
		"several": {OIDCConfigs{oidc, with(oidc, func(c *OIDCConfig) { c.Name = "a" }), with(oidc, func(c *OIDCConfig) { c.Name = "a" }), with(oidc, func(c *OIDCConfig) { c.Name = "a/b" })}, "[0].name: is missing; [2].name: \"a\" is another's; [3].name: \"a/b\" is not"},
	} {
		t.Run(name, func(t *testing.T) {
			got := ""
			if err := tt.config.Validate(); err != nil {
				got = err.Error()
			}
			lines := strings.Count(got, "\n") + 1
			if (tt.want == "") != (got == "") || tt.want != "" && lines != strings.Count(tt.want, "; ")+1 {
				t.Fatalf("Validate() =\n%s\nwant\n%s", got, tt.want)
			}
			for _, want := range strings.Split(tt.want, "; ") {
				if !strings.Contains("\n"+got, "\n"+want) {
					t.Errorf("Validate() =\n%s\nwithout\n%s", got, want)
				}
			}
			if strings.Contains(got, "hush") {
				t.Errorf("Validate() shows a password: %s", got)
			}
		})
	}
}

// TestIssuers: no two servers are the same one, and each is always the same.
func TestIssuers(t *testing.T) {
	github, err := NewGitHub(GitHubConfig{GitHubWebURI: "https://github.acme.test/"})
	must(t, github, err)
	gitlab, err := NewGitLab(GitLabConfig{})
	must(t, gitlab, err)
	google, err := NewGoogle(GoogleConfig{})
	must(t, google, err)
	oidc, err := NewOIDC(OIDCConfig{Issuer: "https://login.acme.test/realms/a"})
	must(t, oidc, err)
	for want, p := range map[string]anyProvider{
		"https://github.acme.test": github, "https://gitlab.com": gitlab, "https://accounts.google.com": google,
		"https://login.acme.test/realms/a": oidc,
	} {
		if got := p.Terms().Issuer; got != want {
			t.Errorf("Terms() of %T have the issuer %q, want %q", p, got, want)
		}
	}
}

func TestTitleIsTheIssuersHost(t *testing.T) {
	p, err := NewOIDC(OIDCConfig{Client: gate(), Issuer: "https://login.example.com/realms/staff"})
	if got := must(t, p, err).Terms(); got.Title != "login.example.com" || got.RevalidateAfter != time.Hour || got.MaxAge != 720*time.Hour {
		t.Errorf("Terms() = %v", got)
	}
}
