package browser

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/idp"
	"github.com/regate/regate/authsvc/secret"
)

func TestLinesForDocker(t *testing.T) {
	r := newRig(t)
	r.github.person.Account = "team a/o'neil"
	b := r.logIn()
	w := b.post("/tokens", b.form("do", "make", "name", "x", "life", "0"))
	if w.Code != http.StatusSeeOther {
		t.Fatalf("make = %d\n%s", w.Code, w.Body)
	}
	page := strings.NewReplacer("&#39;", "'", "&#43;", "+").Replace(b.get("/tokens").Body.String())
	text := tokenText.FindStringSubmatch(page)[1]
	for _, want := range []string{
		`docker login registry.test -u 'team a/o'\''neil' -p ` + text + "<",
		`docker login registry.test -u 'team a/o'\''neil' <span class="whole">--password-stdin<`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("no line %s on\n%s", want, page)
		}
	}
}

var quotedTests = []struct{ text, want string }{
	{"alice", "alice"},
	{"alice@example.com", "alice@example.com"},
	{"a+b/c.d-e_f", "a+b/c.d-e_f"},
	{"", "''"},
	{"-p", "'-p'"},
	{"a b", "'a b'"},
	{"$(reboot)", "'$(reboot)'"},
	{"a'b", `'a'\''b'`},
	{"~root", "'~root'"},
	{"ä", "'ä'"},
}

func TestQuoted(t *testing.T) {
	for _, tt := range quotedTests {
		if got := quoted(tt.text); got != tt.want {
			t.Errorf("quoted(%q) = %s, want %s", tt.text, got, tt.want)
		}
	}
}

// TestMakingATokenAsksTheProvider: there is no token for somebody who has left.
func TestMakingATokenAsksTheProvider(t *testing.T) {
	r := newRig(t)
	b := r.logIn()
	form := b.form("do", "make", "name", "x", "life", "30d")
	r.github.renew = func(string, authn.Secret) (idp.Person, error) { return idp.Person{}, &idp.Refusal{Msg: "gone"} }
	r.clock.pass(2 * time.Hour)
	if w := b.post("/tokens", form); w.Header().Get("Location") != "/login?ended" || r.tokens() != 0 {
		t.Errorf("make = %d to %q, with %d tokens", w.Code, w.Header().Get("Location"), r.tokens())
	}
	if page := b.get("/login?ended").Body.String(); !strings.Contains(page, "has ended") {
		t.Errorf("the page does not say why:\n%s", page)
	}
}

// TestNobodyMakesATokenOfTheNext: while the provider was asked about whoever had
// the name, somebody else was given it and has logged in.
func TestNobodyMakesATokenOfTheNext(t *testing.T) {
	for _, down := range []error{nil, errDown} {
		r := newRig(t)
		b := r.logIn()
		form := b.form("do", "make", "name", "x", "life", "30d")
		r.clock.pass(time.Hour)
		r.github.renew = func(string, authn.Secret) (idp.Person, error) {
			next := alice()
			next.Subject = "id-2"
			if err := r.people.enter(t.Context(), next); err != nil {
				t.Error(err)
			}
			return alice(), down
		}
		if w := b.post("/tokens", form); w.Header().Get("Location") != "/login?ended" || r.tokens() != 0 {
			t.Errorf("make = %d to %q, with %d tokens", w.Code, w.Header().Get("Location"), r.tokens())
		}
		r.asked(1)
	}
}

func TestFaultsInTheForm(t *testing.T) {
	r := newRig(t)
	b := r.logIn()
	for _, form := range [][2]string{
		{"", "30d"}, {"  ", "30d"}, {strings.Repeat("x", 65), "30d"}, {"a\nb", "30d"}, {"\xff", "30d"}, {"a\u202eb", "30d"},
		{"x", ""}, {"x", "31d"}, {"x", "-30d"}, {"x", "99999h"},
	} {
		w := b.post("/tokens", b.form("do", "make", "name", form[0], "life", form[1]))
		if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), `role="alert"`) || r.tokens() != 0 {
			t.Errorf("%q = %d\n%s", form, w.Code, w.Body)
		}
	}
	if w := b.post("/tokens", b.form("do", "else")); w.Code != http.StatusBadRequest {
		t.Errorf("an unknown form = %d", w.Code)
	}
	if w := b.post("/tokens", b.form("do", "revoke", "id", "unknown")); w.Code != http.StatusSeeOther {
		t.Errorf("revoke of what is gone = %d", w.Code)
	}
	for range secret.Most {
		if _, _, err := r.book.Create(t.Context(), secret.Token{Kind: secret.Personal, Owner: "alice", Method: "github_auth", Name: "n"}); err != nil {
			t.Fatal(err)
		}
	}
	if w := b.post("/tokens", b.form("do", "make", "name", "one more", "life", "30d")); w.Code != http.StatusConflict || r.tokens() != secret.Most {
		t.Errorf("one too many = %d", w.Code)
	}
}

// TestMadeTokenIsShownToItsOwnerAlone: the cookie that carries it is worth
// nothing in another's session, nor later.
func TestMadeTokenIsShownToItsOwnerAlone(t *testing.T) {
	r := newRig(t)
	b := r.logIn()
	b.post("/tokens", b.form("do", "make", "name", "x", "life", "30d"))
	kept := b.cookies[madeCookie]
	r.github.person = idp.Person{Account: "bob", Subject: "id-3", Refresh: "r"}
	bob := r.logIn()
	bob.cookies[madeCookie] = kept
	if page := bob.get("/tokens").Body.String(); tokenText.MatchString(page) || bob.cookies[madeCookie] != nil {
		t.Errorf("bob is shown\n%s", page)
	}
	r.clock.pass(handoverTime)
	if page := b.get("/tokens").Body.String(); tokenText.MatchString(page) {
		t.Errorf("after a minute, alice is shown\n%s", page)
	}
}
