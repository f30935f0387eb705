package gate

import (
	"context"
	"reflect"
	"strconv"
	"time"

	"go.uber.org/zap"

	"github.com/regate/regate/authsvc"
	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/browser"
	"github.com/regate/regate/authsvc/idp"
	"github.com/regate/regate/authsvc/secret"
	"github.com/regate/regate/configs"
	"github.com/regate/regate/internal/edge"
	"github.com/regate/regate/internal/keyring"
	"github.com/regate/regate/internal/problem"
	"github.com/regate/regate/internal/state"
)

// A desk is what logins with a browser need that outlives a reload: the tokens
// that people have made, and what seals their cookies.
type desk struct {
	book    *secret.Book
	ending  *secret.Ending
	cookies [keyring.SecretSize]byte
	spent   *browser.Spent
}

func openDesk(ctx context.Context, st state.Store, now func() time.Time, log *zap.Logger) (d desk, err error) {
	d.book, d.spent = secret.New(st, now, log), browser.NewSpent(now)
	d.ending = secret.NewEnding(d.book)
	d.cookies, err = keyring.Secret(ctx, st, "cookie")
	return d, err
}

// methods are the ways to log in with a browser, in docker_auth's order. What
// is wrong is at the key of each.
func methods(c authsvc.Config) (all []browser.Method, err error) {
	var wrong problem.List
	add := func(key string, m browser.Method, err error) {
		wrong.Under(key, err)
		all = append(all, m)
	}
	if c.GoogleAuth != nil {
		p, err := idp.NewGoogle(*c.GoogleAuth)
		add("google_auth", browser.Method{Name: "google_auth", Path: "/google_auth", Provider: p}, err)
	}
	if c.GitHubAuth != nil {
		p, err := idp.NewGitHub(*c.GitHubAuth)
		add("github_auth", browser.Method{Name: "github_auth", Path: "/github_auth", Provider: p}, err)
	}
	for i, cfg := range c.OIDCAuth {
		p, err := idp.NewOIDC(cfg)
		several := len(c.OIDCAuth) > 1
		key := "oidc_auth"
		if several {
			key += "[" + strconv.Itoa(i) + "]"
		}
		add(key, oidcMethod(cfg, several, p), err)
	}
	if c.GitLabAuth != nil {
		p, err := idp.NewGitLab(*c.GitLabAuth)
		add("gitlab_auth", browser.Method{Name: "gitlab_auth", Path: "/gitlab_auth", Provider: p}, err)
	}
	return all, wrong.Err()
}

// oidcMethod has docker_auth's path if it is the only one.
func oidcMethod(cfg idp.OIDCConfig, several bool, p browser.Provider) browser.Method {
	m := browser.Method{Name: "oidc_auth", Path: "/oidc_auth", Provider: p}
	if cfg.Name != "" {
		m.Name += "/" + cfg.Name
	}
	if several {
		m.Path += "/" + cfg.Name
	}
	return m
}

// addBrowsers makes those who log in with a browser members of the chain, which
// have no passwords, and keep their names from those after them.
func (m *chainMaker) addBrowsers(c authsvc.Config) error {
	all, err := methods(c)
	if err != nil {
		return m.file.Explain("auth", err)
	}
	for _, method := range all {
		before := holders{m.chain[:len(m.chain):len(m.chain)], m.keys[:len(m.keys):len(m.keys)]}
		people := browser.NewPeople(browser.PeopleParts{
			Method: method, Before: before.chain, Holder: before.holder,
			Store: m.store, Book: m.desk.book, Now: m.opts.Now, Log: m.log,
		})
		m.people = append(m.people, people)
		m.chain, m.keys = append(m.chain, people), append(m.keys, method.Name)
	}
	return nil
}

// holders are those of a chain, with their keys in the configuration.
type holders struct {
	chain authn.Chain
	keys  []string
}

// holder is the key of the one that has the account; "" if none says so now.
func (h holders) holder(ctx context.Context, account string) string {
	for i := range h.chain {
		if _, err := h.chain[i:i+1].Find(ctx, account); err == nil {
			return h.keys[i]
		}
	}
	return ""
}

// personal has those let in who show a token of theirs, or a robot's secret,
// before others.
func (m *chainMaker) personal(others authn.Authenticator) authn.Authenticator {
	return authsvc.NewPersonal(m.desk.book, m.vouchers, others)
}

// openPages makes the pages, if there is a way to log in there.
func (p *process) openPages(g *generation, people []*browser.People) {
	if len(people) == 0 {
		return
	}
	pages := browser.NewPages(browser.PagesParts{
		Methods: people, Store: p.store, Book: p.desk.book, Tokens: g.file.Auth.PersonalTokens, Revoked: p.revoked, Life: time.Duration(g.file.Auth.Token.WithDefaults().Expiration) * time.Second,
		Key: p.desk.cookies, Spent: p.desk.spent, Now: p.opts.Now, Log: p.log,
	})
	g.pages = edge.Stack(edge.Handler(pages.Serve), edge.Impatient, edge.LimitBodies(edge.DefaultBodyLimits()))
}

func checkBrowsers(file *configs.File, l *problem.List) {
	_, err := methods(file.Auth)
	l.Under("auth", err)
}

// sameBrowsers compares the ways to log in with a browser.
func sameBrowsers(a, b authsvc.Config) bool {
	return reflect.DeepEqual(a.GoogleAuth, b.GoogleAuth) && reflect.DeepEqual(a.GitHubAuth, b.GitHubAuth) &&
		reflect.DeepEqual(a.OIDCAuth, b.OIDCAuth) && reflect.DeepEqual(a.GitLabAuth, b.GitLabAuth)
}
