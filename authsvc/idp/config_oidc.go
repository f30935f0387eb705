package idp

import (
	"net/url"
	"slices"
	"strconv"
)

// OIDCConfigs is oidc_auth: providers, in the order in which they are offered.
// In a file, one mapping may stand for a list of one, as in docker_auth's.
type OIDCConfigs []OIDCConfig

// SingleOrList lets one mapping stand for a list of one.
func (OIDCConfigs) SingleOrList() {}

// path is that of one of them, as it is written.
func (c OIDCConfigs) path(i int) string {
	if len(c) == 1 {
		return ""
	}
	return "[" + strconv.Itoa(i) + "]"
}

// Callback is the path to which browsers come back from one of them. It is
// docker_auth's if there is no other; else each has its own, so that none gets
// the code of another (RFC 9700 4.4.2.2).
func (c OIDCConfigs) Callback(i int) string {
	if len(c) == 1 {
		return "/oidc_auth"
	}
	return "/oidc_auth/" + c[i].Name
}

// OIDCConfig is one provider that speaks OpenID Connect.
type OIDCConfig struct {
	Client `yaml:",inline"`
	// Name tells providers apart, in the state too: whoever changes it logs
	// everybody out. Required where there are several.
	Name string `yaml:"name"`
	// Title is what the button says. Default: the host of Issuer.
	Title string `yaml:"title"`
	// Issuer is the provider's URL, exactly as it writes it itself; below it is
	// /.well-known/openid-configuration. Required.
	Issuer string `yaml:"issuer"`
	// RedirectURL is the call-back, as it is registered. Default: /oidc_auth
	// below the name by which one came, and where there are several
	// /oidc_auth/NAME.
	RedirectURL string `yaml:"redirect_url"`
	// Scopes are what the gate asks for, openid among them. Default openid and
	// email, and offline_access of a provider that knows it: without that, most
	// let nobody ask again when the person has been away for half an hour, which
	// ends the login.
	Scopes []string `yaml:"scopes"`
	// Prompt is what the provider is to ask the person at each login, whatever
	// it knows: login, consent or select_account. Default: what it sees fit.
	Prompt string `yaml:"prompt"`
	// UserClaim is the claim that is the account. Default email.
	UserClaim string `yaml:"user_claim"`
	// TrustEmail takes an e-mail address of which the provider does not say
	// whether it is verified. One that is said not to be is never taken.
	// Default false.
	TrustEmail bool `yaml:"trust_email"`
	// LabelClaims are the claims that become labels, text or lists of text.
	// docker_auth's documents write label_claims, and its code labels_claims;
	// here both count.
	LabelClaims  []string `yaml:"label_claims"`
	LabelsClaims []string `yaml:"labels_claims"`
	// LabelPatterns are the labels whose values may hold wildcards, where a
	// rule's glob mentions the label. Others are taken literally.
	LabelPatterns []string `yaml:"label_patterns"`
	// CACertificate is a PEM file with those who may sign the provider's
	// certificate. Default: those that the system trusts.
	CACertificate string `yaml:"ca_certificate"`
}

func (c OIDCConfig) withDefaults() OIDCConfig {
	c.Client = c.Client.withDefaults()
	if len(c.Scopes) == 0 {
		c.Scopes = []string{"openid", "email"}
	}
	if c.UserClaim == "" {
		c.UserClaim = "email"
	}
	if issuer, err := url.Parse(c.Issuer); c.Title == "" && err == nil {
		c.Title = issuer.Host
	}
	return c
}

// labels are the claims that become labels.
func (c OIDCConfig) labels() []string {
	all := slices.Concat(c.LabelClaims, c.LabelsClaims)
	slices.Sort(all)
	return slices.Compact(all)
}
