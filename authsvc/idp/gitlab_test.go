package idp

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// gitlab is a fake GitLab.
type gitlab struct {
	*fake
	username, state string
	groups          []string
	pageSize        int
}

func newGitLab(t *testing.T) *gitlab {
	g := &gitlab{fake: newFake(t), username: "Alice", state: "active", groups: []string{"acme", "acme/platform", "Other"}, pageSize: perPage}
	g.scope, g.gives, g.rotates = "read_user read_api", true, true
	g.mux.HandleFunc("POST /oauth/token", g.token)
	g.api("GET /api/v4/user", func(w http.ResponseWriter, _ *http.Request) {
		answerJSON(w, map[string]any{"username": g.username, "id": 42, "state": g.state, "email": "alice@example.com"})
	})
	g.api("GET /api/v4/groups", g.listGroups)
	return g
}

func (g *gitlab) listGroups(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	g.want(q.Get("min_access_level") == "10" && q.Get("per_page") == "100", "%s", r.URL)
	n, _ := strconv.Atoi(q.Get("page"))
	var all []map[string]any
	for i := (n - 1) * g.pageSize; i < min(n*g.pageSize, len(g.groups)); i++ {
		all = append(all, map[string]any{"full_path": g.groups[i], "path": g.groups[i][strings.LastIndexByte(g.groups[i], '/')+1:]})
	}
	if n*g.pageSize < len(g.groups) {
		w.Header().Set("Link", fmt.Sprintf(`<%s/api/v4/groups?page=%d>; rel="next", <x>; rel="first"`, g.url, n+1))
	}
	answerJSON(w, all)
}

func (g *gitlab) provider(t *testing.T, change func(*GitLabConfig)) *GitLab {
	cfg := GitLabConfig{Client: gate(), Organization: "ACME/platform", GitLabWebURI: g.url}
	if change != nil {
		change(&cfg)
	}
	p, err := NewGitLab(cfg)
	return must(t, p, err)
}

func TestGitLab(t *testing.T) {
	g := newGitLab(t)
	if who := g.in(g.provider(t, nil)); shown(who) != "alice (42) groups=Other,acme,acme/platform" || who.Refresh == "" {
		t.Errorf("Exchange() = %s", shown(who))
	}
	if who := g.in(g.provider(t, func(c *GitLabConfig) { c.LabelPatterns = []string{"groups"} })); shown(who) != "alice (42) groups=Other*,acme*,acme/platform*" {
		t.Errorf("with label_patterns: %s", shown(who))
	}
}

// TestGitLabWithoutGroups: docker_auth's applications may have read_user alone.
func TestGitLabWithoutGroups(t *testing.T) {
	g := newGitLab(t)
	g.scope = "read_user"
	p := g.provider(t, func(c *GitLabConfig) { c.Organization, c.Scopes = "", []string{"read_user"} })
	if who := g.in(p); shown(who) != "alice (42)" || g.times("/api/v4/groups") > 0 {
		t.Errorf("Exchange() = %s", shown(who))
	}
}

func TestGitLabReadsAllPages(t *testing.T) {
	g := newGitLab(t)
	g.groups, g.pageSize = nil, 3
	for i := range 9 {
		g.groups = append(g.groups, "acme/team-"+strconv.Itoa(i))
	}
	who := g.in(g.provider(t, func(c *GitLabConfig) { c.Organization = "acme/team-8" }))
	if len(who.Labels["groups"]) != 9 || g.times("/api/v4/groups") != 3 {
		t.Errorf("%d of 9 groups, on %d pages", len(who.Labels["groups"]), g.times("/api/v4/groups"))
	}
}

var gitlabRefusals = []struct {
	name    string
	change  func(*gitlab)
	refused bool
}{
	{"not in the group", func(g *gitlab) { g.groups = []string{"acme", "acme/platform/below", "x/acme/platform"} }, true},
	{"in no group", func(g *gitlab) { g.groups = nil }, true},
	{"blocked", func(g *gitlab) { g.state = "blocked" }, true},
	{"blocked, and told nothing", func(g *gitlab) {
		g.broken("/api/v4/user", func(w http.ResponseWriter, _ *http.Request) {
			refuseJSON(w, http.StatusForbidden, map[string]string{"message": "403 Forbidden - Your account has been blocked."})
		})
	}, true},
	{"token withdrawn", func(g *gitlab) { g.broken("/api/v4/groups", status(http.StatusUnauthorized)) }, true},
	{"renamed", func(g *gitlab) { g.username = "alicia" }, true},
	{"refresh token withdrawn", func(g *gitlab) { g.withdraw(g.refresh) }, true},
	{"no leave to read", func(g *gitlab) { g.broken("/api/v4/groups", status(http.StatusForbidden)) }, false},
	{"too many questions", func(g *gitlab) { g.broken("/", status(http.StatusTooManyRequests)) }, false},
	{"invalid_grant while down", func(g *gitlab) {
		g.broken("/oauth/token", func(w http.ResponseWriter, _ *http.Request) {
			refuseJSON(w, http.StatusServiceUnavailable, map[string]string{"error": "invalid_grant"})
		})
	}, false},
	{"client unknown", func(g *gitlab) {
		g.broken("/oauth/token", func(w http.ResponseWriter, _ *http.Request) {
			refuseJSON(w, http.StatusUnauthorized, map[string]string{"error": "invalid_client"})
		})
	}, false},
	{"down", func(g *gitlab) { g.broken("/", status(http.StatusBadGateway)) }, false},
}

func TestGitLabRefuses(t *testing.T) {
	for _, tt := range gitlabRefusals {
		t.Run(tt.name, func(t *testing.T) {
			g := newGitLab(t)
			p := g.provider(t, nil)
			before := g.in(p)
			tt.change(g)
			if _, err := p.Renew(t.Context(), "alice", before.Refresh); err == nil || isRefusal(err) != tt.refused {
				t.Errorf("Renew() = %v", err)
			}
		})
	}
}

func TestGitLabRotates(t *testing.T) {
	g := newGitLab(t)
	p := g.provider(t, nil)
	first := g.in(p)
	g.groups = []string{"acme/platform"}
	second, err := p.Renew(t.Context(), "alice", first.Refresh)
	if err != nil || shown(second) != "alice (42) groups=acme/platform" || second.Refresh == first.Refresh {
		t.Fatalf("Renew() = %s, %v", shown(second), err)
	}
	g.broken("/api/v4/groups", status(http.StatusInternalServerError))
	third, err := p.Renew(t.Context(), "alice", second.Refresh)
	if err == nil || isRefusal(err) || third.Refresh == "" || third.Refresh == second.Refresh {
		t.Fatalf("Renew() while groups cannot be had = %v", err)
	}
	g.mended()
	if _, err := p.Renew(t.Context(), "alice", third.Refresh); err != nil {
		t.Errorf("Renew() of the one that was saved = %v", err)
	}
}
