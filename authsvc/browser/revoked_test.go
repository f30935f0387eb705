package browser

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/regate/regate/authsvc/idp"
)

var idField = regexp.MustCompile(`name="id" value="([^"]+)"`)

// TestRevokingIsConfirmed once, to whoever did it.
func TestRevokingIsConfirmed(t *testing.T) {
	r := newRig(t)
	b := r.logIn()
	r.pages.held = 15 * time.Minute
	b.makeToken("lap<b>top")
	page := b.get("/tokens").Body.String()
	id := idField.FindStringSubmatch(page)
	if id == nil || !strings.Contains(page, "rgt_"+id[1][:6]+"…") {
		t.Fatalf("the token is not there by its id:\n%s", page)
	}
	b.post("/tokens", b.form("do", "revoke", "id", id[1]))
	const said = "“lap&lt;b&gt;top” is revoked. What docker holds ends within 15 minutes."
	if page := b.get("/tokens").Body.String(); !strings.Contains(page, said) || !strings.Contains(page, "You have no tokens.") {
		t.Errorf("not confirmed:\n%s", page)
	}
	if page := b.get("/tokens").Body.String(); strings.Contains(page, "is revoked") {
		t.Error("confirmed twice")
	}
	b.post("/tokens", b.form("do", "revoke-all"))
	if page := b.get("/tokens").Body.String(); !strings.Contains(page, "All your tokens are revoked.") {
		t.Errorf("not confirmed:\n%s", page)
	}
}

func TestWhoeverTheGateRefusesIsToldSo(t *testing.T) {
	r := newRig(t)
	b := r.browser()
	sent := b.start("/github_auth")
	r.github.down = &idp.Refusal{Msg: "you are not in acme", Who: "mallory"}
	if w := b.comeBack("/github_auth", sent); w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), "You cannot log in here") {
		t.Errorf("login = %d\n%s", w.Code, w.Body)
	}
}
