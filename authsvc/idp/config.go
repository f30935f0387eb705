package idp

import (
	"time"

	"github.com/regate/regate/authsvc/authn"
)

// Client is what every provider's section has: the gate, as the provider knows
// it. The keys are docker_auth's, with the same meaning, and more.
type Client struct {
	// ClientID and ClientSecret are what the provider gave when the gate was
	// registered there. Both required; the secret here, or alone in the file
	// ClientSecretFile.
	ClientID         string       `yaml:"client_id"`
	ClientSecret     authn.Secret `yaml:"client_secret"`
	ClientSecretFile string       `yaml:"client_secret_file"`
	// RegistryURL is docker_auth's, and means nothing here: the pages show the
	// name by which one came to them.
	RegistryURL string `yaml:"registry_url"`
	// HTTPTimeout is how long each answer of the provider may take. Default 10s.
	HTTPTimeout time.Duration `yaml:"http_timeout" zero:"no"`
	// RevalidateAfter is how long an answer of the provider about a person
	// counts, before it is asked again when they use a token. Default 1h.
	RevalidateAfter time.Duration `yaml:"revalidate_after" zero:"no"`
	// MaxAge is how long a login counts at a provider that lets nobody ask
	// again. Default 720h.
	MaxAge time.Duration `yaml:"max_age" zero:"no"`
}

const (
	defaultHTTPTimeout     = 10 * time.Second
	defaultRevalidateAfter = time.Hour
	defaultMaxAge          = 720 * time.Hour
)

func (c Client) withDefaults() Client {
	if c.HTTPTimeout == 0 {
		c.HTTPTimeout = defaultHTTPTimeout
	}
	if c.RevalidateAfter == 0 {
		c.RevalidateAfter = defaultRevalidateAfter
	}
	if c.MaxAge == 0 {
		c.MaxAge = defaultMaxAge
	}
	return c
}

func (c Client) terms(title, issuer string) Terms {
	return Terms{RevalidateAfter: c.RevalidateAfter, MaxAge: c.MaxAge, Title: title, Issuer: issuer}
}

// steps is how many answers a step of a login may take the whole time for.
const steps = 3

// bound is how long a step of a login may take in all.
func (c Client) bound() time.Duration { return steps * c.HTTPTimeout }

// GitHubConfig is github_auth: the accounts of GitHub, or of a GitHub
// Enterprise Server.
type GitHubConfig struct {
	Client `yaml:",inline"`
	// Organization is the one that a person must be a member of; those of its
	// teams are the label teams. Default: everybody with an account gets in,
	// and there are no teams.
	Organization string `yaml:"organization"`
	// GitHubWebURI and GitHubAPIURI are where a server of one's own is. Default
	// https://github.com and https://api.github.com; for another web address,
	// /api/v3 below it.
	GitHubWebURI string `yaml:"github_web_uri"`
	GitHubAPIURI string `yaml:"github_api_uri"`
	// CACertificate is a PEM file with those who may sign the server's
	// certificate. Default: those that the system trusts.
	CACertificate string `yaml:"ca_certificate"`
	// LabelPatterns are the labels whose values may hold wildcards, where a
	// rule's glob mentions the label. Others are taken literally.
	LabelPatterns []string `yaml:"label_patterns"`
}

func (c GitHubConfig) withDefaults() GitHubConfig {
	c.Client = c.Client.withDefaults()
	c.GitHubWebURI, c.GitHubAPIURI = addresses(c.GitHubWebURI, c.GitHubAPIURI,
		[2]string{"https://github.com", "https://api.github.com"}, "/api/v3")
	return c
}

// GitLabConfig is gitlab_auth: the accounts of gitlab.com, or of a GitLab of
// one's own.
type GitLabConfig struct {
	Client `yaml:",inline"`
	// Organization is the full path of a group that a person must be a member
	// of. Default: everybody with an account gets in.
	Organization string `yaml:"organization"`
	// GitLabWebURI and GitLabAPIURI are where a GitLab of one's own is. Default
	// https://gitlab.com, and /api/v4 below the web address.
	GitLabWebURI string `yaml:"gitlab_web_uri"`
	GitLabAPIURI string `yaml:"gitlab_api_uri"`
	// Scopes are what the gate asks for. Without read_api there are no groups.
	// Default [read_user, read_api].
	Scopes []string `yaml:"scopes"`
	// GrantType can be authorization_code alone, which is the default.
	GrantType string `yaml:"grant_type"`
	// RedirectURI is the call-back, as it is registered. Default: /gitlab_auth
	// below the name by which one came.
	RedirectURI string `yaml:"redirect_uri"`
	// CACertificate is a PEM file with those who may sign GitLab's certificate.
	// Default: those that the system trusts.
	CACertificate string `yaml:"ca_certificate"`
	// LabelPatterns are the labels whose values may hold wildcards, where a
	// rule's glob mentions the label. Others are taken literally.
	LabelPatterns []string `yaml:"label_patterns"`
}

func (c GitLabConfig) withDefaults() GitLabConfig {
	c.Client = c.Client.withDefaults()
	c.GitLabWebURI, c.GitLabAPIURI = addresses(c.GitLabWebURI, c.GitLabAPIURI,
		[2]string{"https://gitlab.com", "https://gitlab.com/api/v4"}, "/api/v4")
	if len(c.Scopes) == 0 {
		c.Scopes = []string{"read_user", "read_api"}
	}
	return c
}

// GoogleConfig is google_auth: the accounts of Google.
type GoogleConfig struct {
	Client `yaml:",inline"`
	// Domain is that of the Workspace whose accounts get in; it stands behind
	// the @ of their addresses. Default: everybody with a Google account.
	Domain string `yaml:"domain"`
}

func (c GoogleConfig) withDefaults() GoogleConfig {
	c.Client = c.Client.withDefaults()
	return c
}
