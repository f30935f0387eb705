package idp

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/regate/regate/authsvc/authn"
)

const (
	gitlabTitle = "GitLab"
	groupsLabel = "groups"
)

// GitLab has the accounts of gitlab.com, or of a GitLab of one's own.
type GitLab struct {
	cfg      GitLabConfig
	client   client
	endpoint oauth2.Endpoint
	bound    time.Duration
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
	return &GitLab{cfg, c, oauth2.Endpoint{
		AuthURL:   cfg.GitLabWebURI + "/oauth/authorize",
		TokenURL:  cfg.GitLabWebURI + "/oauth/token",
		AuthStyle: oauth2.AuthStyleInParams,
	}, cfg.bound(), set(cfg.LabelPatterns)}, nil
}

// Terms say how long its word counts.
func (p *GitLab) Terms() Terms { return p.cfg.terms(gitlabTitle, p.cfg.GitLabWebURI) }

// Close ends idle connections.
func (p *GitLab) Close() { p.client.http.CloseIdleConnections() }

// AuthURL returns where to send the browser.
func (p *GitLab) AuthURL(_ context.Context, s Start) (string, error) {
	return p.client.authURL(p.endpoint, s), nil
}

// Exchange returns who has logged in.
func (p *GitLab) Exchange(ctx context.Context, r Return) (Person, error) {
	ctx, cancel := context.WithTimeout(ctx, p.bound)
	defer cancel()
	t, err := p.client.exchange(ctx, p.endpoint, r)
	if err != nil {
		return Person{}, p.client.discreet(err, r.Code, r.Verifier)
	}
	who, err := p.person(ctx, t.access)
	if err != nil {
		return Person{}, about(who.Account, p.client.discreet(err, r.Code, r.Verifier))
	}
	who.Refresh = t.refresh
	return who, nil
}

// Renew asks about somebody who logged in before. Beside an error that is no
// Refusal there may be a Refresh, which is then the one to keep.
func (p *GitLab) Renew(ctx context.Context, account string, refresh authn.Secret) (Person, error) {
	ctx, cancel := context.WithTimeout(ctx, p.bound)
	defer cancel()
	t, err := p.client.renew(ctx, p.endpoint, refresh)
	if err != nil {
		return Person{}, p.client.discreet(err, refresh.Reveal())
	}
	who, err := p.person(ctx, t.access)
	if ended(err) {
		err = &Refusal{Msg: "the login at GitLab has ended; please log in again"}
	}
	if err == nil {
		err = still(account, who, gitlabTitle)
	}
	return answer(who, t.refresh, p.client.discreet(err, refresh.Reveal()))
}

func (p *GitLab) person(ctx context.Context, token authn.Secret) (who Person, err error) {
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
