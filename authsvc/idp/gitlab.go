package idp

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/oauth2"

	"github.com/regate/regate/authsvc/authn"
)

const (
	gitlabTitle = "GitLab"
	groupsLabel = "groups"
)

// GitLab has the accounts of gitlab.com, or of a GitLab of one's own.
type GitLab struct {
	service
	cfg      GitLabConfig
	patterns map[string]bool
}

// NewGitLab returns the provider that cfg, which is valid, describes. It reads
// files and connects to nothing. What is wrong with a file is a problem.List.
func NewGitLab(cfg GitLabConfig) (*GitLab, error) {
	cfg = cfg.withDefaults()
	c, err := newClient(cfg.Client, line{plain: isPlain(cfg.GitLabAPIURI)}, cfg.CACertificate)
	if err != nil {
		return nil, err
	}
	c.scopes, c.redirect, c.title = cfg.Scopes, cfg.RedirectURI, gitlabTitle
	p := &GitLab{cfg: cfg, patterns: set(cfg.LabelPatterns)}
	p.service = service{
		client: c,
		endpoint: oauth2.Endpoint{
			AuthURL:   cfg.GitLabWebURI + "/oauth/authorize",
			TokenURL:  cfg.GitLabWebURI + "/oauth/token",
			AuthStyle: oauth2.AuthStyleInParams,
		},
		terms: cfg.terms(gitlabTitle, cfg.GitLabWebURI), bound: cfg.bound(),
		person: p.read,
		keep:   func(t tokens) authn.Secret { return t.refresh },
		hold:   p.renew,
		enter:  func(err error) error { return err },
	}
	return p, nil
}

// renew gets tokens for the refresh token, which is what is kept.
func (p *GitLab) renew(ctx context.Context, refresh authn.Secret) (tokens, error) {
	return p.client.renew(ctx, p.endpoint, refresh)
}

func (p *GitLab) read(ctx context.Context, token authn.Secret) (who Person, err error) {
	r, err := get(ctx, p.client.http, p.cfg.GitLabAPIURI+"/user", token)
	if err != nil {
		return who, err
	}
	var user struct {
		Username string `json:"username"`
		ID       int64  `json:"id"`
		State    string `json:"state"`
	}
	if err := r.account(&user); err != nil {
		return who, err
	}
	name, err := folded(user.Username)
	switch {
	case user.ID == 0:
		return who, errors.New("GitLab gives an account without a number")
	case user.State != "active":
		return who, &Refusal{Msg: "your account at GitLab is not active", Who: name}
	}
	who.Subject = strconv.FormatInt(user.ID, 10)
	if who.Account = name; err != nil || !p.cfg.readsGroups() {
		return who, err
	}
	groups, err := p.groups(ctx, token)
	if err == nil && len(groups) > 0 {
		who.Labels = authn.Labels{groupsLabel: groups}
	}
	return who, err
}

// readsGroups reports whether GitLab tells which groups somebody is in.
func (c GitLabConfig) readsGroups() bool {
	return slices.Contains(c.Scopes, "read_api") || slices.Contains(c.Scopes, "api")
}

// groups are those that the person is a member of, with whatever right: in
// them, or in one above. It is a clear no for whoever is not in the
// organization.
func (p *GitLab) groups(ctx context.Context, token authn.Secret) ([]authn.Label, error) {
	const guest = 10 // the least right of a member who can see what is in a group
	all, err := pages[struct {
		Path string `json:"full_path"`
	}](ctx, p.client.http, p.cfg.GitLabAPIURI+"/groups?order_by=id&min_access_level="+strconv.Itoa(guest), token)
	if err != nil {
		return nil, err
	}
	var paths []string
	within := p.cfg.Organization == ""
	for _, g := range all {
		paths = append(paths, g.Path)
		within = within || strings.EqualFold(g.Path, p.cfg.Organization)
	}
	if !within {
		return nil, &Refusal{Msg: "you are not in the group " + p.cfg.Organization}
	}
	return labels(paths, p.patterns[groupsLabel])
}
