package idp

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"golang.org/x/oauth2"

	"github.com/regate/regate/authsvc/authn"
)

const (
	githubTitle = "GitHub"
	teamsLabel  = "teams"
)

// GitHub has the accounts of GitHub, or of a GitHub Enterprise Server.
type GitHub struct {
	service
	cfg      GitHubConfig
	patterns map[string]bool
}

// NewGitHub returns the provider that cfg, which is valid, describes. It reads
// files and connects to nothing. What is wrong with a file is a problem.List.
func NewGitHub(cfg GitHubConfig) (*GitHub, error) {
	cfg = cfg.withDefaults()
	c, err := newClient(cfg.Client, line{
		plain:  isPlain(cfg.GitHubAPIURI),
		header: map[string]string{"X-GitHub-Api-Version": "2022-11-28"},
	}, cfg.CACertificate)
	if err != nil {
		return nil, err
	}
	c.scopes, c.title = []string{"read:org", "user:email"}, githubTitle
	p := &GitHub{cfg: cfg, patterns: set(cfg.LabelPatterns)}
	p.service = service{
		client: c,
		endpoint: oauth2.Endpoint{
			AuthURL:   cfg.GitHubWebURI + "/login/oauth/authorize",
			TokenURL:  cfg.GitHubWebURI + "/login/oauth/access_token",
			AuthStyle: oauth2.AuthStyleInParams,
		},
		terms: cfg.terms(githubTitle, cfg.GitHubWebURI), bound: cfg.bound(),
		person: p.read, keep: kept, hold: p.held, enter: p.opened,
	}
	return p, nil
}

// opened says who is to let this application in, where GitHub tells it nothing.
func (p *GitHub) opened(err error) error {
	if errors.Is(err, errClosed) {
		return &Refusal{Msg: "GitHub does not tell whether you are in the organization " + p.cfg.Organization + ": an owner of it must let this application in"}
	}
	return err
}

// What is kept of the two kinds of application. An OAuth app's access token does
// not end; a GitHub App gets refresh tokens, each of which is good for once.
const (
	keptAccess  = "access:"
	keptRefresh = "refresh:"
)

func kept(t tokens) authn.Secret {
	if t.refresh != "" {
		return keptRefresh + t.refresh
	}
	return keptAccess + t.access
}

// held makes tokens of what was kept.
func (p *GitHub) held(ctx context.Context, secret authn.Secret) (tokens, error) {
	if access, ok := strings.CutPrefix(secret.Reveal(), keptAccess); ok {
		return tokens{access: authn.Secret(access)}, nil
	}
	refresh, ok := strings.CutPrefix(secret.Reveal(), keptRefresh)
	if !ok {
		return tokens{}, errors.New("what was kept of the login is not from GitHub")
	}
	return p.client.renew(ctx, p.endpoint, authn.Secret(refresh))
}

func (p *GitHub) read(ctx context.Context, token authn.Secret) (who Person, err error) {
	r, err := get(ctx, p.client.http, p.cfg.GitHubAPIURI+"/user", token)
	if err != nil {
		return who, err
	}
	var user struct {
		Login string `json:"login"`
		ID    int64  `json:"id"`
	}
	if err := r.account(&user); err != nil {
		return who, err
	}
	if user.ID == 0 {
		return who, errors.New("GitHub gives an account without a number")
	}
	who.Subject = strconv.FormatInt(user.ID, 10)
	if who.Account, err = folded(user.Login); err != nil || p.cfg.Organization == "" {
		return who, err
	}
	if err := p.member(ctx, token); err != nil {
		return who, err
	}
	teams, err := p.teams(ctx, token)
	if err == nil && len(teams) > 0 {
		who.Labels = authn.Labels{teamsLabel: teams}
	}
	return who, err
}

// errClosed: the organization lets the application know nothing.
var errClosed = errors.New("GitHub refuses to tell who is in the organization: an owner of it must let the application in, or the person must log in there (SAML)")

// member is a clear no for whoever is not in the organization. An invitation
// that was not accepted makes nobody a member.
func (p *GitHub) member(ctx context.Context, token authn.Secret) error {
	r, err := get(ctx, p.client.http, p.cfg.GitHubAPIURI+"/user/memberships/orgs/"+url.PathEscape(p.cfg.Organization), token)
	if err != nil {
		return err
	}
	if r.status == http.StatusForbidden && r.header.Get("Retry-After") == "" && r.header.Get("X-RateLimit-Remaining") != "0" {
		return errClosed
	}
	var membership struct {
		State string `json:"state"`
	}
	if r.status != http.StatusNotFound {
		if err := r.decode(&membership); err != nil {
			return err
		}
	}
	if membership.State != "active" {
		return &Refusal{Msg: "you are not in the organization " + p.cfg.Organization}
	}
	return nil
}

// A team is one that the person is in, in whatever organization.
type team struct {
	Slug         string `json:"slug"`
	Organization struct {
		Login string `json:"login"`
	} `json:"organization"`
	Parent *struct {
		Slug string `json:"slug"`
	} `json:"parent"`
}

// teams are those of the organization, and the ones above them.
func (p *GitHub) teams(ctx context.Context, token authn.Secret) ([]authn.Label, error) {
	all, err := pages[team](ctx, p.client.http, p.cfg.GitHubAPIURI+"/user/teams?", token)
	if err != nil {
		return nil, err
	}
	var slugs []string
	for _, t := range all {
		if !strings.EqualFold(t.Organization.Login, p.cfg.Organization) {
			continue
		}
		slugs = append(slugs, t.Slug)
		if t.Parent != nil {
			slugs = append(slugs, t.Parent.Slug)
		}
	}
	return labels(slugs, p.patterns[teamsLabel])
}
