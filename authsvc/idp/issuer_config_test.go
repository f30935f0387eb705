package idp

import (
	"strings"
	"testing"
	"time"
)

func TestIssuerConfig(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*IssuerConfig)
		want   string // all of it
	}{
		"least":                  {func(c *IssuerConfig) {}, ""},
		"slash":                  {func(c *IssuerConfig) { c.Issuer += "/" }, ""},
		"no issuer":              {func(c *IssuerConfig) { c.Issuer = "" }, "issuer: is missing"},
		"plain issuer":           {func(c *IssuerConfig) { c.Issuer = "http://issuer.example" }, "issuer: http://issuer.example: http would"},
		"name for an issuer":     {func(c *IssuerConfig) { c.Issuer = "kubernetes/serviceaccount" }, "issuer: is no https://"},
		"document for an issuer": {func(c *IssuerConfig) { c.Issuer += wellKnown }, "issuer: ends in"},
		"no audience":            {func(c *IssuerConfig) { c.Audience = nil }, "audience: is missing"},
		"empty audience":         {func(c *IssuerConfig) { c.Audience = []string{"a", " "} }, "audience[1]: is empty"},
		"GitHub's own":           {func(c *IssuerConfig) { c.Audience = []string{"https://github.com/acme"} }, "audience[0]: https://github.com/acme is in the tokens"},
		"GitHub's own, slash":    {func(c *IssuerConfig) { c.Audience = []string{"HTTPS://GitHub.com/acme/"} }, "audience[0]: "},
		"GitHub's own, http":     {func(c *IssuerConfig) { c.Audience = []string{"http://github.com/acme?x"} }, "audience[0]: "},
		"a repository":           {func(c *IssuerConfig) { c.Audience = []string{"https://github.com/acme/registry"} }, ""},
		"none":                   {func(c *IssuerConfig) { c.Algorithms = []string{"RS256", "none"} }, `algorithms[1]: "none" is none of RS256`},
		"HS256":                  {func(c *IssuerConfig) { c.Algorithms = []string{"HS256"} }, `algorithms[0]: "HS256" is none of`},
		"small letters":          {func(c *IssuerConfig) { c.Algorithms = []string{"rs256"} }, `algorithms[0]: "rs256" is none of`},
		"all algorithms":         {func(c *IssuerConfig) { c.Algorithms = algorithms }, ""},
		"plain keys":             {func(c *IssuerConfig) { c.JWKSURL = "http://keys.example" }, "jwks_url: "},
		"keys twice":             {func(c *IssuerConfig) { c.JWKSURL, c.JWKSFile = "https://a.example", "b" }, "jwks_url: means nothing beside jwks_file"},
		"file and CA":            {func(c *IssuerConfig) { c.JWKSFile, c.CA = "a", "b" }, "ca: means nothing"},
		"file and token":         {func(c *IssuerConfig) { c.JWKSFile, c.TokenFile = "a", "b" }, "token_file: means nothing"},
		"much leeway":            {func(c *IssuerConfig) { c.Leeway = time.Hour }, "leeway: 1h0m0s is not between 1s and 5m0s"},
		"negative leeway":        {func(c *IssuerConfig) { c.Leeway = -time.Second }, "leeway: "},
		"short age":              {func(c *IssuerConfig) { c.MaxAge = time.Second }, "max_age: 1s is not between 1m0s and"},
	} {
		c := IssuerConfig{Issuer: "https://issuer.example", Audience: []string{gateName}}
		tt.change(&c)
		got := ""
		if err := c.Validate(); err != nil {
			got = err.Error()
		}
		if tt.want == "" && got != "" || !strings.HasPrefix(got, tt.want) || strings.Contains(got, "\n") {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}
