package browser

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/idp"
)

// line returns the fields of the only line with that message.
func (r *rig) line(message string) map[string]any {
	r.t.Helper()
	lines := r.logs.FilterMessage(message).All()
	if len(lines) != 1 {
		r.t.Fatalf("%d lines %q", len(lines), message)
	}
	return lines[0].ContextMap()
}

func TestLoginIsLogged(t *testing.T) {
	r := newRig(t)
	r.github.person.Labels = authn.Labels{"teams": {{Value: "web"}, {Value: "o\x00ps"}}, "a": {{Value: strings.Repeat("x", 100)}}}
	b := r.logIn()
	line := r.line("logged in")
	if got := strings.Join(anyTexts(line["labels"]), " "); got != "a="+strings.Repeat("x", 78)+"… teams=web teams=ops" {
		t.Errorf("labels %q", got)
	}
	if _, ends := line["ends"]; ends {
		t.Error("a login of which the provider can be asked has an end")
	}
	if page := b.get("/tokens").Body.String(); !strings.Contains(page, "teams=web, teams=ops") {
		t.Errorf("the groups are not on the page:\n%s", page)
	}
}

func anyTexts(v any) (all []string) {
	for _, one := range v.([]any) {
		all = append(all, one.(string))
	}
	return all
}

func TestFewOfManyGroupsAreShown(t *testing.T) {
	var many []authn.Label
	for i := range 1000 {
		many = append(many, authn.Label{Value: strconv.Itoa(i)})
	}
	got := named(authn.Labels{"teams": many})
	if len(got) != mostNamed+1 || got[mostNamed] != "and 980 more" || got[0] != "teams=0" {
		t.Errorf("named() = %q", got)
	}
}

// TestWarningsAboutAProvider come once, however many log in.
func TestWarningsAboutAProvider(t *testing.T) {
	r := newRig(t)
	r.okta.person.Missing, r.okta.person.Refresh = []string{"groups"}, ""
	for range 2 {
		b := r.browser()
		b.comeBack("/oidc_auth/okta", b.start("/oidc_auth/okta"))
	}
	for _, message := range []string{
		`the provider sent no claim "groups": it may need a scope (auth.oidc_auth.scopes)`,
		"the provider gives no refresh token, so it is not asked about people for max_age; see scopes and prompt",
	} {
		if line := r.line(message); line["method"] != "oidc_auth/okta" {
			t.Errorf("%s: %v", message, line)
		}
	}
	lines := r.logs.FilterMessage("logged in").All()
	if want := r.clock.Now().Add(r.okta.Terms().MaxAge); !lines[0].ContextMap()["ends"].(time.Time).Equal(want) {
		t.Errorf("ends %v, want %v", lines[0].ContextMap()["ends"], want)
	}
}

func TestMisfitIsNoOutage(t *testing.T) {
	for _, at := range []string{"start", "end"} {
		r := newRig(t)
		b := r.browser()
		target := "/github_auth"
		if at == "end" {
			target += "?code=good&state=" + b.start(target).Get("state")
		}
		r.github.down = &idp.Misfit{Mend: "client_id or client_secret is wrong", Err: errors.New("answers 401")}
		w := b.get(target)
		if w.Code != http.StatusBadGateway || !strings.Contains(w.Body.String(), "does not understand this registry") || strings.Contains(w.Body.String(), "client_id") {
			t.Errorf("%s = %d\n%s", at, w.Code, w.Body)
		}
		line := r.line("the provider and the gate do not understand each other, and nobody can log in until that is mended")
		if line["error"] != "answers 401: client_id or client_secret is wrong" || line["method"] != "github_auth" {
			t.Errorf("%s: %v", at, line)
		}
	}
}

func TestErrorsOfProvidersAreLogged(t *testing.T) {
	r := newRig(t)
	b := r.browser()
	long := "AADSTS50105:\x1b[31m not assigned " + strings.Repeat("x", 300)
	sent := b.start("/github_auth")
	b.get("/github_auth?" + url.Values{"error": {"access_denied"}, "error_description": {long}, "state": sent["state"]}.Encode())
	line := r.line("login refused")
	said, _ := line["description"].(string)
	if line["error"] != "access_denied" || !strings.HasPrefix(said, "AADSTS50105:[31m not assigned x") || len(said) > maxDescription+len("…") {
		t.Errorf("%v", line)
	}
}

func TestRefusedLoginSaysWho(t *testing.T) {
	r := newRig(t)
	b := r.browser()
	sent := b.start("/github_auth")
	r.github.down = &idp.Refusal{Msg: "you are not in acme", Who: "mallory"}
	b.comeBack("/github_auth", sent)
	if line := r.line("login refused"); line["subject"] != "mallory" {
		t.Errorf("%v", line)
	}
}

func TestTakenNameSaysWhose(t *testing.T) {
	r := newRig(t)
	r.before["alice"] = nil
	r.people.holder = func(_ context.Context, account string) string { return "htpasswd_file of " + account }
	b := r.browser()
	b.comeBack("/github_auth", b.start("/github_auth"))
	line := r.line("browser login refused: the name is that of an account which is asked about before")
	if line["of"] != "htpasswd_file of alice" || line["subject"] != "alice" {
		t.Errorf("%v", line)
	}
}
