package idp

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// github is a fake GitHub Enterprise Server.
type github struct {
	*fake
	login, state string
	teams        []map[string]any
	pageSize     int
}

func ofTeam(org, slug, parent string) map[string]any {
	t := map[string]any{"slug": slug, "organization": map[string]any{"login": org}, "parent": nil}
	if parent != "" {
		t["parent"] = map[string]any{"slug": parent}
	}
	return t
}

func newGitHub(t *testing.T) *github {
	g := &github{fake: newFake(t), login: "Alice", state: "active", pageSize: perPage}
	g.scope = "read:org user:email"
	g.teams = []map[string]any{ofTeam("Acme", "web", "engineering"), ofTeam("Acme", "shop", ""), ofTeam("other", "admins", "owners")}
	g.mux.HandleFunc("POST /login/oauth/access_token", g.ownToken)
	g.api("GET /api/v3/user", func(w http.ResponseWriter, r *http.Request) {
		g.want(r.Header.Get("X-GitHub-Api-Version") == "2022-11-28", "no version")
		answerJSON(w, map[string]any{"login": g.login, "id": 4711})
	})
	g.api("GET /api/v3/user/memberships/orgs/acme", func(w http.ResponseWriter, _ *http.Request) {
		if g.state == "" {
			w.WriteHeader(http.StatusNotFound)
		}
		answerJSON(w, map[string]string{"state": g.state})
	})
	g.api("GET /api/v3/user/teams", g.listTeams)
	return g
}

// ownToken is GitHub's way to say no: with status 200.
func (g *github) ownToken(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	g.mu.Lock()
	known := g.codes[r.PostForm.Get("code")] != nil || g.refresh[r.PostForm.Get("refresh_token")]
	g.mu.Unlock()
	if !known {
		kind := map[bool]string{true: "bad_verification_code", false: "bad_refresh_token"}[r.PostForm.Has("code")]
		answerJSON(w, map[string]string{"error": kind, "error_description": "The code passed is incorrect or expired."})
		return
	}
	g.token(w, r)
}

func (g *github) listTeams(w http.ResponseWriter, r *http.Request) {
	g.want(r.URL.Query().Get("per_page") == "100", "%s", r.URL)
	n, _ := strconv.Atoi(r.URL.Query().Get("page"))
	from := min((n-1)*g.pageSize, len(g.teams))
	to := min(from+g.pageSize, len(g.teams))
	if to < len(g.teams) {
		w.Header().Set("Link", fmt.Sprintf(`<%s/api/v3/user/teams?page=%d>; rel="next", <http://evil.test/>; rel="last"`, g.url, n+1))
	}
	answerJSON(w, g.teams[from:to])
}

func (g *github) provider(t *testing.T, patterns ...string) *GitHub {
	p, err := NewGitHub(GitHubConfig{Client: gate(), Organization: "acme", GitHubWebURI: g.url + "/", LabelPatterns: patterns})
	return must(t, p, err)
}

func TestGitHub(t *testing.T) {
	g := newGitHub(t)
	who := g.in(g.provider(t))
	if got, want := shown(who), "alice (4711) teams=engineering,shop,web"; got != want {
		t.Errorf("Exchange() = %s, want %s", got, want)
	}
	if who := g.in(g.provider(t, "teams")); shown(who) != "alice (4711) teams=engineering*,shop*,web*" {
		t.Errorf("with label_patterns: %s", shown(who))
	}
	if got := g.provider(t).Terms(); got != (Terms{RevalidateAfter: defaultRevalidateAfter, MaxAge: defaultMaxAge, Title: "GitHub", Issuer: g.url}) {
		t.Errorf("Terms() = %v", got)
	}
}

func TestGitHubWithoutOrganization(t *testing.T) {
	g := newGitHub(t)
	g.state = ""
	p, err := NewGitHub(GitHubConfig{Client: gate(), GitHubWebURI: g.url})
	if who := g.in(must(t, p, err)); shown(who) != "alice (4711)" {
		t.Errorf("Exchange() = %s", shown(who))
	}
	if g.times("/api/v3/user/teams") > 0 {
		t.Error("teams were asked for, of no organization")
	}
}

func TestGitHubReadsAllPages(t *testing.T) {
	g := newGitHub(t)
	g.teams, g.pageSize = nil, 2
	for i := range 7 {
		g.teams = append(g.teams, ofTeam("acme", "team-"+strconv.Itoa(i), ""))
	}
	if who := g.in(g.provider(t)); len(who.Labels["teams"]) != 7 || g.times("/api/v3/user/teams") != 4 {
		t.Errorf("%d of 7 teams, on %d pages", len(who.Labels["teams"]), g.times("/api/v3/user/teams"))
	}
}

var githubRefusals = []struct {
	name    string
	change  func(*github)
	refused bool   // at a renewal; else it could not tell
	want    string // what is said at a login; "" if that is no refusal either
}{
	{"no member", func(g *github) { g.state = "" }, true, "you are not in the organization acme"},
	{"invited", func(g *github) { g.state = "pending" }, true, "you are not in the organization acme"},
	{"renamed to what is no name", func(g *github) { g.login = "a:b" }, false, ""},
	{"suspended", func(g *github) {
		g.broken("/api/v3/user", func(w http.ResponseWriter, _ *http.Request) {
			refuseJSON(w, http.StatusForbidden, map[string]string{"message": "Sorry. Your account was suspended."})
		})
	}, true, "is blocked"},
	{"token withdrawn", func(g *github) { g.broken("/api/v3/user", status(http.StatusUnauthorized)) }, true, ""},
	{"no API there", func(g *github) { g.broken("/api/v3/user", status(http.StatusNotFound)) }, false, ""},
	{"organization is closed", func(g *github) { g.broken("/api/v3/user/memberships", status(http.StatusForbidden)) }, false, "an owner of it must let this application in"},
	{"rate limit", func(g *github) {
		g.broken("/api/v3/user/memberships", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-RateLimit-Remaining", "0")
			w.WriteHeader(http.StatusForbidden)
		})
	}, false, ""},
	{"secondary rate limit", func(g *github) {
		g.broken("/api/v3/user/memberships", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "60")
			w.WriteHeader(http.StatusForbidden)
		})
	}, false, ""},
	{"down", func(g *github) { g.broken("/", status(http.StatusBadGateway)) }, false, ""},
	{"half down", func(g *github) { g.broken("/api/v3/user/teams", status(http.StatusServiceUnavailable)) }, false, ""},
	{"teams gone", func(g *github) { g.broken("/api/v3/user/teams", status(http.StatusNotFound)) }, false, ""},
	{"not JSON", func(g *github) {
		g.broken("/api/v3/user", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") })
	}, false, ""},
	{"endless teams", func(g *github) {
		g.broken("/api/v3/user/teams", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Link", `<x>; rel="next"`)
			fmt.Fprint(w, "[]")
		})
	}, false, ""},
}

func TestGitHubRefuses(t *testing.T) {
	for _, tt := range githubRefusals {
		t.Run(tt.name, func(t *testing.T) {
			g := newGitHub(t)
			p := g.provider(t)
			before := g.in(p)
			tt.change(g)
			_, err := p.Renew(t.Context(), "alice", before.Refresh)
			if err == nil || isRefusal(err) != tt.refused {
				t.Errorf("Renew() = %v", err)
			}
			_, err = g.fake.login(p)
			if err == nil || isRefusal(err) != (tt.want != "") || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Exchange() = %v, want %q", err, tt.want)
			}
		})
	}
}

func isRefusal(err error) bool {
	var no *Refusal
	return errors.As(err, &no)
}

// TestGitHubRenews with the access token of an OAuth app, which does not end.
func TestGitHubRenews(t *testing.T) {
	g := newGitHub(t)
	p := g.provider(t)
	before := g.in(p)
	g.teams = g.teams[1:]
	who, err := p.Renew(t.Context(), "alice", before.Refresh)
	if err != nil || shown(who) != "alice (4711) teams=shop" || who.Refresh != before.Refresh {
		t.Errorf("Renew() = %s, %v", shown(who), err)
	}
	g.login = "alicia"
	if _, err := p.Renew(t.Context(), "alice", before.Refresh); !isRefusal(err) {
		t.Errorf("Renew() of another name = %v", err)
	}
	if _, err := p.Renew(t.Context(), "alice", "something else"); err == nil || isRefusal(err) {
		t.Errorf("Renew() of what is not GitHub's = %v", err)
	}
}

// TestGitHubAppRotates: a GitHub App's refresh tokens are good for once, so the
// new one must not get lost, whatever else goes wrong.
func TestGitHubAppRotates(t *testing.T) {
	g := newGitHub(t)
	g.gives, g.rotates = true, true
	p := g.provider(t)
	first := g.in(p)
	second, err := p.Renew(t.Context(), "alice", first.Refresh)
	if err != nil || second.Refresh == first.Refresh || second.Refresh == "" {
		t.Fatalf("Renew() = %v", err)
	}
	g.broken("/api/", status(http.StatusBadGateway))
	third, err := p.Renew(t.Context(), "alice", second.Refresh)
	if err == nil || isRefusal(err) || third.Refresh == second.Refresh || third.Refresh == "" || third.Account != "" {
		t.Fatalf("Renew() while the API is down = %v, %v", third, err)
	}
	g.mended()
	if _, err = p.Renew(t.Context(), "alice", second.Refresh); !isRefusal(err) {
		t.Errorf("Renew() of one that was used = %v", err)
	}
	if who, err := p.Renew(t.Context(), "alice", third.Refresh); err != nil || who.Account != "alice" {
		t.Errorf("Renew() of the one that was saved = %v", err)
	}
}

func TestCodeIsGoodForOnce(t *testing.T) {
	g := newGitHub(t)
	p := g.provider(t)
	to, _ := p.AuthURL(t.Context(), Start{Redirect: callback, State: someState, Nonce: someNonce, Verifier: someVerifier})
	back := Return{callback, g.browse(to), someNonce, someVerifier}
	if _, err := p.Exchange(t.Context(), back); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Exchange(t.Context(), back); !isRefusal(err) {
		t.Errorf("Exchange() of a code that was used = %v", err)
	}
}

func TestGitHubDefaults(t *testing.T) {
	for web, want := range map[string][2]string{
		"":                        {"https://github.com", "https://api.github.com"},
		"https://github.com/":     {"https://github.com", "https://api.github.com"},
		"https://github.acme.com": {"https://github.acme.com", "https://github.acme.com/api/v3"},
	} {
		cfg := GitHubConfig{GitHubWebURI: web}.withDefaults()
		if got := [2]string{cfg.GitHubWebURI, cfg.GitHubAPIURI}; got != want {
			t.Errorf("web %q: %v, want %v", web, got, want)
		}
	}
}
