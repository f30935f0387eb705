package idp

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/regate/regate/internal/problem"
)

// IssuerConfig is one issuer of JWTs whose word is taken for workloads, such as
// the jobs of a CI.
type IssuerConfig struct {
	// Issuer is its URL, exactly as it stands in the claim iss. Required.
	Issuer string `yaml:"issuer"`
	// Audience are the names of the gate, one of which must be in the claim aud,
	// so that nobody whom a token was made for can be somebody here with it.
	// Required.
	Audience []string `yaml:"audience"`
	// Algorithms are those that it signs with. Default [RS256, ES256].
	Algorithms []string `yaml:"algorithms"`
	// JWKSURL is where its keys are. Default: where the issuer says, below
	// /.well-known/openid-configuration.
	JWKSURL string `yaml:"jwks_url"`
	// JWKSFile is a file with its keys, as the issuer publishes them, for one
	// that the gate cannot reach. It is read again when it changes.
	JWKSFile string `yaml:"jwks_file"`
	// CA is a PEM file with those who may sign the certificate of the server
	// that has the keys. Default: those that the system trusts.
	CA string `yaml:"ca"`
	// TokenFile is a file with a Bearer token that this server wants to see, such
	// as a Kubernetes API. It is read at each question. Default: none is shown.
	TokenFile string `yaml:"token_file" file:"no"`
	// Leeway is how far its clock may be from the gate's, 1s to 5m. Default 60s.
	Leeway time.Duration `yaml:"leeway" zero:"no"`
	// MaxAge is how old a token may be at most, whatever it says about its end,
	// 1m to 8784h. Default 24h.
	MaxAge time.Duration `yaml:"max_age" zero:"no"`
}

const (
	mostLeeway = 5 * time.Minute
	leastAge   = time.Minute
)

func (c IssuerConfig) withDefaults() IssuerConfig {
	if len(c.Algorithms) == 0 {
		c.Algorithms = []string{"RS256", "ES256"}
	}
	if c.Leeway == 0 {
		c.Leeway = skew
	}
	if c.MaxAge == 0 {
		c.MaxAge = 24 * time.Hour
	}
	return c
}

// Validate reports all mistakes. It opens nothing.
func (c IssuerConfig) Validate() error {
	var l problem.List
	switch {
	case c.Issuer == "":
		l.Addf("issuer", "is missing; it is what tokens have as iss, such as https://token.actions.githubusercontent.com")
	case strings.HasSuffix(strings.TrimRight(c.Issuer, "/"), wellKnown):
		l.Addf("issuer", "ends in %s: leave that out", wellKnown)
	default:
		checkServer(&l, "issuer", c.Issuer)
	}
	c.checkAudience(&l)
	for i, alg := range c.Algorithms {
		if !slices.Contains(algorithms, alg) {
			l.Addf("algorithms["+strconv.Itoa(i)+"]", "%q is none of %s: whoever checks a token must not be able to sign one", alg, strings.Join(algorithms, ", "))
		}
	}
	c.checkKeys(&l)
	full := c.withDefaults()
	checkTime(&l, "leeway", full.Leeway, [2]time.Duration{time.Second, mostLeeway})
	checkTime(&l, "max_age", full.MaxAge, [2]time.Duration{leastAge, mostMaxAge})
	return l.Err()
}

func (c IssuerConfig) checkAudience(l *problem.List) {
	if len(c.Audience) == 0 {
		l.Addf("audience", "is missing; write the name of the gate, such as registry.example.com, and have tokens made for it")
	}
	for i, name := range c.Audience {
		path := "audience[" + strconv.Itoa(i) + "]"
		switch {
		case strings.TrimSpace(name) == "":
			l.Addf(path, "is empty")
		case isGitHubOwner(name):
			l.Addf(path, "%s is in the tokens that GitHub makes for everybody: write the name of the gate, and have jobs ask for it", name)
		}
	}
}

// isGitHubOwner reports whether a name is https://github.com/OWNER: the audience
// of tokens whose job asks for none, so that whoever is shown one of those,
// whatever it is for, could log in with it here.
func isGitHubOwner(name string) bool {
	u, err := url.Parse(strings.ToLower(name))
	if err != nil || u.Host != "github.com" && u.Host != "www.github.com" {
		return false
	}
	owner := strings.Trim(u.Path, "/")
	return !strings.Contains(owner, "/")
}

func (c IssuerConfig) checkKeys(l *problem.List) {
	if c.JWKSURL != "" {
		checkServer(l, "jwks_url", c.JWKSURL)
	}
	if c.JWKSFile == "" {
		return
	}
	for _, other := range []struct{ key, value string }{{"jwks_url", c.JWKSURL}, {"ca", c.CA}, {"token_file", c.TokenFile}} {
		if other.value != "" {
			l.Addf(other.key, "means nothing beside jwks_file, which has the keys: delete one of them")
		}
	}
}
