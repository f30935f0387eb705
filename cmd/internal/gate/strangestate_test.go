//go:build redis

package gate

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestRedisTakesNothing: a server that can only be read is no better than none
// for what writes, and as good as ever for all else.
func TestRedisTakesNothing(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name      string
		now, then []string
	}{
		{"full", []string{"CONFIG", "SET", "maxmemory", "1"}, []string{"CONFIG", "SET", "maxmemory", "0"}},
		{"a replica", []string{"REPLICAOF", "127.0.0.1", "1"}, []string{"REPLICAOF", "NO", "ONE"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t)
			g := f.start()
			tok, login := g.token("repository:a:pull"), g.logIn("dev", "secret")
			f.redis.Do(t, tt.now...)
			if got := g.pull(tok); got != http.StatusOK {
				t.Errorf("pull: %d", got)
			}
			for i := range 3 {
				if _, status := g.refresh(login.Refresh); status != http.StatusOK {
					t.Errorf("refresh %d: %d", i, status)
				}
			}
			if got := g.guess("a guess"); got != http.StatusUnauthorized {
				t.Errorf("wrong password: %d", got)
			}
			if status, body, _ := g.get("https", "/auth?offline_token=true&scope=repository:a:pull", "Authorization", basic); status != http.StatusOK || strings.Contains(body, "refresh_token") {
				t.Errorf("docker login: %d %s, want no more than a token", status, body)
			}
			f.redis.Do(t, tt.then...)
			g.until("logins are kept again", func() bool { return g.logIn("dev", "secret").Refresh != "" })
		})
	}
}

// TestNewGateWithoutRedis has nothing to begin with, and says what it lacks.
func TestNewGateWithoutRedis(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.redis.Kill()
	path := f.config()
	for range 2 { // it has not made a copy meanwhile
		turnsDown(t, path, "no copy of the fleet's state in "+stateOf(path, "copy")+" yet", "connection refused")
	}
}

// TestFleetLosesHints: what nobody was told of is seen all the same.
func TestFleetLosesHints(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	one, two := f.start(), f.start()
	tok := two.token("repository:a:pull")
	f.redis.Do(t, "ACL", "SETUSER", "default", "resetchannels")
	f.redis.Do(t, "CLIENT", "KILL", "TYPE", "pubsub")
	if _, err := one.control().Revoke(t.Context(), Revocation{Token: claim(t, tok, "jti")}); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	two.until("the token is refused", func() bool { return two.pull(tok) == http.StatusUnauthorized })
	if took := time.Since(begin); took > 6*time.Second {
		t.Errorf("it takes %v", took)
	}
}

// TestWhatRedisCanRead: no key, no secret, no token.
func TestWhatRedisCanRead(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	g := f.start()
	login := g.logIn("dev", "secret")
	tok := g.token("repository:a:pull")
	g.guess("a wrong password")
	var all strings.Builder
	for name := range strings.Lines(f.redis.Do(t, "--scan")) {
		name = strings.TrimSpace(name)
		all.WriteString(name + "\n")
		if f.redis.Do(t, "TYPE", name) == "hash" {
			all.WriteString(f.redis.Do(t, "--raw", "HGETALL", name) + "\n")
		}
	}
	text := all.String()
	if !strings.Contains(text, "rg:{keys/token}:root") || !strings.Contains(text, "rg:{tls/") {
		t.Fatalf("not all is read:\n%q", text)
	}
	for what, secret := range map[string]string{
		"a private key": "PRIVATE KEY", "a refresh token": login.Refresh, "the end of one": login.Refresh[len(login.Refresh)-12:],
		"a token": tok, "a password": "a wrong password",
	} {
		if strings.Contains(text, secret) {
			t.Errorf("%s can be read", what)
		}
	}
}

// TestFleetSharesRobots: the secret that one gate has made is good at another,
// and for nothing there once a third has ended it.
func TestFleetSharesRobots(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	var gates []*running
	for range 3 {
		gates = append(gates, start(t, f.shared(robotConfig(t, ""))))
	}
	made, err := gates[0].control().CreateToken(t.Context(), robotOrder)
	if err != nil {
		t.Fatal(err)
	}
	code, tok := gates[1].bearer("team-ci", made.Text, "repository:team/a:pull")
	pull := func(g *running) int {
		got, _, _ := g.get("https", "/v2/team/a/manifests/1", "Authorization", "Bearer "+tok)
		return got
	}
	if code != http.StatusOK || pull(gates[2]) != http.StatusOK {
		t.Errorf("at another gate: %d, and its token at a third: %d", code, pull(gates[2]))
	}
	if _, err := gates[2].control().DeleteTokens(t.Context(), TokenName{Owner: "team-ci", Robot: "deploy"}); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	gates[1].until("the token is refused", func() bool { return pull(gates[1]) == http.StatusUnauthorized })
	if took := time.Since(begin); took > 6*time.Second {
		t.Errorf("its token is refused after %v", took)
	}
	for i, g := range gates {
		if code, _ := g.bearer("team-ci", made.Text, "repository:team/a:pull"); code != http.StatusUnauthorized {
			t.Errorf("gate %d answers %d to a secret that has ended", i, code)
		}
	}
}
