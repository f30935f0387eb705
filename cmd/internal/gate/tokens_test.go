package gate

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/regate/regate/authsvc/authn"
)

// robotConfig has an account of robots beside dev, and more in auth.
func robotConfig(t *testing.T, more string) string {
	path := config(t, registry(t, "main").URL, "")
	changed(t, path, "  users: {", "  users: {\"team-ci\": {no_password: true}, ")
	return changed(t, path, `{account: "dev"}`, `{account: "/^(dev|team-ci)$/"}`+more)
}

// robotOrder makes the robot deploy of team-ci.
var robotOrder = TokenOrder{
	Owner: "team-ci", Robot: "deploy", Life: 90 * 24 * time.Hour,
	Within: []authn.Bound{{Repository: "team/**", Actions: []string{"pull", "push"}}},
}

// bearer is a token that somebody is given who shows a secret.
func (g *running) bearer(account, text, scope string) (status int, token string) {
	g.t.Helper()
	status, body, _ := g.get("https", "/auth?scope="+scope, "Authorization", basicOf(account, text))
	_, rest, _ := strings.Cut(body, `"token":"`)
	token, _, _ = strings.Cut(rest, `"`)
	return status, token
}

// TestRobotsOfTheGate: made, used, rotated without a gap, and deleted, with what
// was given out for it.
func TestRobotsOfTheGate(t *testing.T) {
	t.Parallel()
	g, p := startOpen(t, robotConfig(t, ""))
	control := NewControl(p.first.ControlSocket())
	made, err := control.CreateToken(t.Context(), robotOrder)
	if err != nil || made.Token.Kind != "robot" || made.Token.Method != "users" || made.Token.Within[0].Repository != "team/**" {
		t.Fatalf("CreateToken() = %+v, %v", made.Token, err)
	}
	status := func(path, tok string) int {
		code, _, _ := g.get("https", path, "Authorization", "Bearer "+tok)
		return code
	}
	code, tok := g.bearer("team-ci", made.Text, "repository:team/a:pull,push+repository:other:pull")
	if code != 200 || status("/v2/team/a/manifests/1", tok) != 200 || status("/v2/other/manifests/1", tok) != 401 {
		t.Errorf("/auth = %d, and it is good for %d and %d", code, status("/v2/team/a/manifests/1", tok), status("/v2/other/manifests/1", tok))
	}
	if code, _ := g.bearer("dev", made.Text, "repository:team/a:pull"); code != 401 {
		t.Errorf("with another's name: %d", code)
	}

	done, err := control.RotateRobot(t.Context(), RobotOrder{Owner: "team-ci", Robot: "deploy", Keep: time.Hour})
	if err != nil || len(done.Kept) != 1 || done.Kept[0].ID != made.Token.ID || !done.Kept[0].Replaced {
		t.Fatalf("RotateRobot() = %+v, %v", done.Token, err)
	}
	for _, text := range []string{made.Text, done.Text} {
		if code, _ := g.bearer("team-ci", text, "repository:team/a:pull"); code != 200 {
			t.Errorf("after a rotation: %d", code)
		}
	}
	if _, err := control.RotateRobot(t.Context(), RobotOrder{Owner: "team-ci", Robot: "deploy", Keep: time.Hour}); err == nil || !strings.Contains(err.Error(), "another only when") {
		t.Errorf("a third secret: %v", err)
	}
	last, err := control.RotateRobot(t.Context(), RobotOrder{Owner: "team-ci", Robot: "deploy"})
	if err != nil || len(last.Ended) != 2 || len(last.Held) != 0 {
		t.Fatalf("RotateRobot() = %+v, %v", last.Token, err)
	}
	if got := status("/v2/team/a/manifests/1", tok); got != 401 {
		t.Errorf("a token for a secret that has ended: %d", got)
	}

	_, tok = g.bearer("team-ci", last.Text, "repository:team/a:pull")
	if got := status("/v2/team/a/manifests/1", tok); got != 200 {
		t.Fatalf("a token for the last secret: %d", got)
	}
	ended, err := control.DeleteTokens(t.Context(), TokenName{Owner: "team-ci", Robot: "deploy"})
	if err != nil || len(ended) != 1 {
		t.Fatalf("DeleteTokens() = %+v, %v", ended, err)
	}
	if code, _ := g.bearer("team-ci", last.Text, "repository:team/a:pull"); code != 401 || status("/v2/team/a/manifests/1", tok) != 401 {
		t.Errorf("after the end: %d, and a token gets %d", code, status("/v2/team/a/manifests/1", tok))
	}
	log, err := os.ReadFile(g.log)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{made.Text, done.Text, last.Text} {
		if strings.Contains(string(log), text[20:]) {
			t.Error("the log has a secret")
		}
	}
}

// TestAccountOfRobotsHasNoPassword that would be right.
func TestAccountOfRobotsHasNoPassword(t *testing.T) {
	t.Parallel()
	g, _ := startOpen(t, robotConfig(t, ""))
	for _, password := range []string{"secret", "rgt_x", "x"} {
		if code, _ := g.bearer("team-ci", password, ""); code != 401 {
			t.Errorf("%s: %d", password, code)
		}
	}
}

func TestOrdersThatCannotBe(t *testing.T) {
	t.Parallel()
	_, p := startOpen(t, changed(t, robotConfig(t, ""), "  acl:", "  ext_auth: {command: /bin/false}\n  acl:"))
	control := NewControl(p.first.ControlSocket())
	for want, change := range map[string]func(*TokenOrder){
		`nobody knows "mallory": unknown user (accounts of ext_auth cannot`: func(o *TokenOrder) { o.Owner = "mallory" },
		`nobody knows ""`:                  func(o *TokenOrder) { o.Owner = "" },
		"not a good name":                  func(o *TokenOrder) { o.Robot = "-x" },
		"say how long the secret":          func(o *TokenOrder) { o.Life = 0 },
		"not for so long":                  func(o *TokenOrder) { o.Robot, o.Name, o.Endless, o.Life = "", "laptop", true, 0 },
		"auth.personal_tokens.max_life is": func(o *TokenOrder) { o.Robot, o.Name, o.Life = "", "laptop", 366*24*time.Hour },
		`action "admin" is unknown`:        func(o *TokenOrder) { o.Within = []authn.Bound{{Repository: "**", Actions: []string{"admin"}}} },
		`"[" is no pattern`:                func(o *TokenOrder) { o.Within = []authn.Bound{{Repository: "[", Actions: []string{"pull"}}} },
	} {
		o := robotOrder
		change(&o)
		if made, err := control.CreateToken(t.Context(), o); err == nil || !strings.Contains(err.Error(), want) || made.Text != "" {
			t.Errorf("CreateToken(%+v) = %v; want %s", o, err, want)
		}
	}
	if _, err := control.ShowToken(t.Context(), "00000000000000"); err == nil || !strings.Contains(err.Error(), "unknown token") {
		t.Errorf("ShowToken() = %v", err)
	}
	for _, which := range []TokenName{{ID: "x"}, {Owner: "team-ci", Robot: "x"}, {}} {
		if _, err := control.DeleteTokens(t.Context(), which); err == nil {
			t.Errorf("DeleteTokens(%+v) did something", which)
		}
	}
}

// TestTokensAreListed: all but what docker was given, of everybody or of one.
func TestTokensAreListed(t *testing.T) {
	t.Parallel()
	g, p := startOpen(t, robotConfig(t, ""))
	control := NewControl(p.first.ControlSocket())
	if _, err := control.CreateToken(t.Context(), robotOrder); err != nil {
		t.Fatal(err)
	}
	made, err := control.CreateToken(t.Context(), TokenOrder{Owner: "dev", Name: "laptop"})
	if err != nil {
		t.Fatal(err)
	}
	if code, _ := g.bearer("dev", "secret", "repository:a:pull&offline_token=true&client_id=docker"); code != 200 {
		t.Fatal(code)
	}
	for _, tt := range []struct {
		query TokenQuery
		want  string
	}{
		{TokenQuery{}, "personal robot"},
		{TokenQuery{Owner: "dev"}, "personal refresh"},
		{TokenQuery{Owner: "dev", Kind: "personal"}, "personal"},
		{TokenQuery{Kind: "refresh"}, "refresh"},
		{TokenQuery{Owner: "nobody"}, ""},
	} {
		all, err := control.Tokens(t.Context(), tt.query)
		if err != nil {
			t.Fatal(err)
		}
		found := map[string]bool{}
		for _, one := range all {
			found[one.Kind] = true
		}
		for _, kind := range []string{"personal", "robot", "refresh"} {
			if found[kind] != strings.Contains(tt.want, kind) {
				t.Errorf("Tokens(%+v) = %+v, want %s", tt.query, all, tt.want)
			}
		}
	}
	one, err := control.ShowToken(t.Context(), made.Token.ID)
	if err != nil || one.Name != "laptop" || one.Owner != "dev" || one.Expires == nil || one.Used != nil {
		t.Errorf("ShowToken() = %+v, %v", one, err)
	}
}

// TestTokensWithoutTheState: who asks is told that nothing was done, and robots
// that it cannot be told now.
func TestTokensWithoutTheState(t *testing.T) {
	t.Parallel()
	g, p := startOpen(t, robotConfig(t, ""))
	control := NewControl(p.first.ControlSocket())
	made, err := control.CreateToken(t.Context(), robotOrder)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.store.Close(); err != nil {
		t.Fatal(err)
	}
	if code, _, header := g.get("https", "/auth", "Authorization", basicOf("team-ci", made.Text)); code != 503 || header.Get("Retry-After") == "" {
		t.Errorf("a robot: %d, %v", code, header)
	}
	if _, err := control.CreateToken(t.Context(), TokenOrder{Owner: "dev", Name: "x"}); err == nil {
		t.Error("a token was made")
	}
	if _, err := control.DeleteTokens(t.Context(), TokenName{ID: made.Token.ID}); err == nil {
		t.Error("a token was ended")
	}
	if _, err := control.Tokens(t.Context(), TokenQuery{}); err == nil {
		t.Error("the tokens are listed")
	}
}

// TestRobotOutOfTheFile is refused as soon as its owner is gone, and let in when
// it is back: another gate may have the account still.
func TestRobotOutOfTheFile(t *testing.T) {
	t.Parallel()
	g, p := startOpen(t, robotConfig(t, ""))
	control := NewControl(p.first.ControlSocket())
	made, err := control.CreateToken(t.Context(), robotOrder)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		from, to string
		want     int
	}{
		{`"team-ci": {no_password: true}`, `"other-ci": {no_password: true}`, 401},
		{`"other-ci": {no_password: true}`, `"team-ci": {no_password: true}`, 200},
	} {
		g.edit(tt.from, tt.to)
		if _, err := control.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		if code, _ := g.bearer("team-ci", made.Text, "repository:team/a:pull"); code != tt.want {
			t.Errorf("with %s: %d, want %d", tt.to, code, tt.want)
		}
	}
}

// TestEndingIsShown at /metrics.
func TestEndingIsShown(t *testing.T) {
	t.Parallel()
	g := start(t, robotConfig(t, ""))
	g.until("a count", func() bool {
		_, body, _ := g.get("admin", "/metrics")
		return strings.Contains(body, `regate_tokens_expiring{within="7d"} 0`)
	})
}
