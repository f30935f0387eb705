package gate

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/regate/regate/authsvc/secret"
)

// A login is what docker has after docker login: a token, and a refresh token in
// the place of the password.
type login struct {
	Token   string `json:"token"`
	Refresh string `json:"refresh_token"`
}

// logIn is docker login.
func (g *running) logIn(user, password string) (l login) {
	g.t.Helper()
	r, err := http.NewRequestWithContext(g.t.Context(), http.MethodGet,
		"https://"+g.Addrs["https"]+"/auth?service=registry&client_id=docker&offline_token=true&scope=repository:a:pull", nil)
	if err != nil {
		g.t.Fatal(err)
	}
	r.SetBasicAuth(user, password)
	if status := g.asks(r, &l); status != http.StatusOK {
		g.t.Fatalf("login of %s: %d", user, status)
	}
	return l
}

// refresh returns a token that a refresh token gets, and the status.
func (g *running) refresh(text string) (string, int) {
	g.t.Helper()
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {text}, "service": {"registry"}, "scope": {"repository:a:pull"}}
	r, err := http.NewRequestWithContext(g.t.Context(), http.MethodPost, "https://"+g.Addrs["https"]+"/auth", strings.NewReader(form.Encode()))
	if err != nil {
		g.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	var l login
	status := g.asks(r, &l)
	return l.Token, status
}

func (g *running) asks(r *http.Request, answer any) (status int) {
	g.t.Helper()
	res, err := g.https.Do(r)
	if err != nil {
		g.t.Fatal(err)
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(answer); err != nil {
		g.t.Fatal(err)
	}
	return res.StatusCode
}

func (g *running) pull(token string) int {
	g.t.Helper()
	status, _, _ := g.get("https", "/v2/a/manifests/1", "Authorization", "Bearer "+token)
	return status
}

// TestRevokeFamily: one login ends, with all that has followed from it, and
// another one of the same account goes on. The log has the id.
func TestRevokeFamily(t *testing.T) {
	t.Parallel()
	g, p := startOpen(t, config(t, registry(t, "main").URL, ""))
	control := NewControl(p.first.ControlSocket())
	lost, kept := g.logIn("dev", "secret"), g.logIn("dev", "secret")
	second, _ := g.refresh(lost.Refresh)
	other, _ := g.refresh(kept.Refresh)
	for _, tok := range []string{lost.Token, second, kept.Token, other} {
		if got := g.pull(tok); got != 200 {
			t.Fatalf("before: %d", got)
		}
	}
	id := claim(t, second, "rgf")
	if !strings.HasPrefix(lost.Refresh, secret.Prefix+id+"_") || claim(t, lost.Token, "rgf") != id || !g.logged(`"family":"`+id+`"`) {
		t.Errorf("%s is not the family of all of them, or not in the log", id)
	}
	answer, err := control.Revoke(t.Context(), Revocation{Family: id})
	if err != nil || !strings.Contains(answer, `of "dev" has ended`) {
		t.Fatalf("Revoke() = %q, %v", answer, err)
	}
	if _, status := g.refresh(lost.Refresh); status != 401 || g.pull(lost.Token) != 401 || g.pull(second) != 401 {
		t.Errorf("after: %d for the refresh token, or a token is good", status)
	}
	if _, status := g.refresh(kept.Refresh); status != 200 || g.pull(kept.Token) != 200 || g.pull(other) != 200 {
		t.Errorf("after: %d for another login, or its tokens are not good", status)
	}
	answer, err = control.Revoke(t.Context(), Revocation{Family: id})
	if err != nil || !strings.Contains(answer, "No secret has the id") {
		t.Errorf("Revoke() again = %q, %v", answer, err)
	}
	dev := "dev"
	answer, err = control.Revoke(t.Context(), Revocation{Subject: &dev})
	if err != nil || !strings.Contains(answer, "1 logins of docker") {
		t.Errorf("Revoke() of the account = %q, %v", answer, err)
	}
	if _, status := g.refresh(kept.Refresh); status != 401 || g.pull(other) != 401 {
		t.Errorf("after that: %d for the other login, or its token is good", status)
	}
	if err := p.store.Close(); err != nil {
		t.Fatal(err)
	}
	if answer, err := control.Revoke(t.Context(), Revocation{Family: id}); err == nil || !strings.Contains(err.Error(), "not all was revoked") {
		t.Errorf("without the state: %q, %v", answer, err)
	}
}

// TestRefreshOutlivesReloads, and a restart, but not its account, nor the wish
// to have none.
func TestRefreshOutlivesReloads(t *testing.T) {
	t.Parallel()
	path := config(t, registry(t, "main").URL, "")
	htpasswd := path + ".htpasswd"
	write(t, htpasswd, "web:"+devHash+"\n")
	changed(t, path, "auth:\n", "auth:\n  htpasswd_file: "+htpasswd+"\n")
	g := start(t, path)
	dev, web := g.logIn("dev", "secret"), g.logIn("web", "secret")
	check := func(when string, wantDev, wantWeb int) {
		t.Helper()
		_, d := g.refresh(dev.Refresh)
		_, w := g.refresh(web.Refresh)
		if d != wantDev || w != wantWeb {
			t.Errorf("%s: dev %d, web %d; want %d, %d", when, d, w, wantDev, wantWeb)
		}
	}
	reload := func() {
		t.Helper()
		if _, err := NewControl(filepath.Join(filepath.Dir(path), "state", "control.sock")).Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	check("at first", 200, 200)
	g.stop()
	g.ends()
	g = start(t, path)
	check("after a restart", 200, 200)
	write(t, htpasswd, "others:"+devHash+"\n")
	reload()
	check("when the file has web no longer", 200, 401)
	write(t, htpasswd, "web:"+devHash+"\n")
	reload()
	check("when it has again", 200, 200)
	g.edit("users: {", `users: {"web": {any_password: true}, `)
	reload()
	check("when somebody else has the name", 200, 401)
	g.edit("auth:\n", "auth:\n  token: {refresh: off}\n")
	reload()
	check("when there are none any more", 401, 401)
	if l := g.logIn("dev", "secret"); l.Refresh != "" || g.pull(l.Token) != 200 {
		t.Error("a login is given one, or is not good")
	}
	for _, secret := range []string{dev.Refresh, web.Refresh} {
		if log, err := os.ReadFile(g.log); err != nil || strings.Contains(string(log), secret[20:]) {
			t.Errorf("a refresh token is in the log (%v)", err)
		}
	}
}

// TestWhoVouchesForLogins: each of the chain by a name of its own, two
// directories too, and those who can find nobody as such.
func TestWhoVouchesForLogins(t *testing.T) {
	t.Parallel()
	path := config(t, "http://127.0.0.1:1", "")
	changed(t, path, "auth:\n", `auth:
  ext_auth: {command: /bin/true}
  ldap_auth:
    - {addr: "127.0.0.1:1", base: dc=one, filter: "(uid=${account})"}
    - {addr: "127.0.0.1:1", base: dc=two, filter: "(uid=${account})"}
    - {addr: "127.0.0.1:1", base: dc=blind, filter: "(uid=${account})", bind_dn: "uid=${account},dc=blind", initial_bind_as_user: true}
`)
	g, p := startOpen(t, path)
	vouchers := p.board.live.Load().vouchers
	for key, blind := range map[string]bool{
		"users": false, "ext_auth": true, "ldap_auth/dc=one": false, "ldap_auth/dc=two": false, "ldap_auth/dc=blind": true,
	} {
		_, err := vouchers.Find(t.Context(), key, "dev", time.Time{}) // a name of the file, which is asked first
		if known := err == nil || strings.Contains(err.Error(), "the name is that of an account of users"); !known || vouchers.Blind(key) != blind {
			t.Errorf("%s: blind %v, %v", key, vouchers.Blind(key), err)
		}
	}
	// The program takes any password of any name.
	l := g.logIn("somebody", "whatever")
	if _, status := g.refresh(l.Refresh); status != 200 {
		t.Errorf("an account of the program: %d", status)
	}
	if t, err := p.desk.book.Get(t.Context(), familyOf(l)); err != nil || t.Method != "ext_auth" || t.Owner != "somebody" {
		g.t.Errorf("%+v, %v", t, err)
	}
}

// familyOf is the family of a login.
func familyOf(l login) string { return strings.TrimPrefix(l.Refresh, secret.Prefix)[:14] }
