package authsvc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/secret"
	"github.com/regate/regate/internal/oci"
)

// A finding is who vouches for the owners of tokens.
type finding func(account string) (authn.Identity, error)

func (f finding) Find(_ context.Context, account string) (authn.Identity, error) { return f(account) }

// A personalRig is a rig before which tokens are asked for.
type personalRig struct {
	*rig
	book  *secret.Book
	vouch error // of the method
}

// newPersonalRig has tokens of the method m, whose owners are of the team web.
func newPersonalRig(t *testing.T, more ...authn.Authenticator) *personalRig {
	t.Helper()
	p := &personalRig{rig: newRig(t, more...)}
	p.book = secret.New(p.store, nil, nil)
	m := finding(func(account string) (authn.Identity, error) {
		return authn.Identity{Account: account, Labels: authn.Labels{"team": {{Value: "web"}}}}, p.vouch
	})
	p.service.users = NewPersonal(p.book, NewVouchers([]Voucher{{Key: "m", Finder: m}}, nil), p.login)
	return p
}

func (p *personalRig) make(t *testing.T, tok secret.Token) (authn.Secret, string) {
	t.Helper()
	tok.Kind = secret.Personal
	text, made, err := p.book.Create(t.Context(), tok)
	if err != nil {
		t.Fatal(err)
	}
	return text, made.ID
}

// asks asks for a token of the gate, and returns the status.
func (p *personalRig) asks(t *testing.T, account string, text authn.Secret) int {
	t.Helper()
	w, body := p.ask(t, shown{method: "GET", basic: account + ":" + text.Reveal(), query: "service=registry.test&scope=repository:web/x:pull,push"})
	if w.Code == http.StatusOK && body["scope"] != "repository:web/x:pull,push" {
		t.Errorf("scope %v", body["scope"])
	}
	return w.Code
}

func TestPersonalTokens(t *testing.T) {
	p := newPersonalRig(t)
	text, _ := p.make(t, secret.Token{Owner: "dev", Method: "m"})
	odd, _ := p.make(t, secret.Token{Owner: "Dev/Two", Method: "m"})
	gone, _ := p.make(t, secret.Token{Owner: "dev", Method: "is not there"})
	old, _ := p.make(t, secret.Token{Owner: "dev", Method: "m", Expires: time.Now()})
	good := text.Reveal()
	for _, tt := range []struct {
		name, account string
		text          string
		want          int
	}{
		{"right", "dev", good, 200},
		{"capitals, where the owner has none", "DEV", good, 200},
		{"another's account", "admin", good, 401},
		{"expired", "dev", old.Reveal(), 401},
		{"of a method that is gone", "dev", gone.Reveal(), 401},
		{"damaged", "dev", good[:len(good)-1] + "_", 401},
		{"cut off", "dev", good[:20], 401},
		{"the mark alone", "dev", "rgt_", 401},
		{"with a password behind it", "dev", good + "dev secret", 401},
		{"other case of an owner with capitals", "dev/two", odd.Reveal(), 401},
	} {
		before := p.asked.Load()
		if got := p.asks(t, tt.account, authn.Secret(tt.text)); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
		if p.asked.Load() != before {
			t.Errorf("%s: a back end is shown the token", tt.name)
		}
	}
	if got := p.asks(t, "dev", "dev secret"); got != 200 {
		t.Errorf("a password gets %d", got)
	}
}

// TestBadTokenLeadsToThePage, if there is one, and says the same of all causes.
func TestBadTokenLeadsToThePage(t *testing.T) {
	p := newPersonalRig(t)
	text, id := p.make(t, secret.Token{Owner: "dev", Method: "m"})
	if err := p.book.Revoke(t.Context(), "dev", id); err != nil {
		t.Fatal(err)
	}
	other, _ := p.make(t, secret.Token{Owner: "somebody", Method: "m"})
	for pages, want := range map[bool]string{true: badToken + ": see https://registry.test:8443/tokens", false: badToken} {
		p.service.pages = pages
		for password, want := range map[string]string{text.Reveal(): want, other.Reveal(): want, "rgt_x": want, "no": badLogin} {
			s := oci.Shown{Authorization: oci.NewSecret(basic("dev:" + password)), Origin: "https://registry.test:8443"}
			_, err := p.door.Authorize(t.Context(), s, needs("repository:web/x:pull"))
			if got := refused(err); got != ": "+want {
				t.Errorf("with pages %v, %s: %q, want %q", pages, password, got, want)
			}
		}
	}
	p.service.pages = true
	w, _ := p.ask(t, shown{method: "GET", basic: "dev:rgt_x", query: "service=registry.test"})
	if w.Code != http.StatusUnauthorized || !strings.Contains(w.Body.String(), "not good (any more) for this user name: see https://") {
		t.Errorf("GET /auth = %d %s", w.Code, w.Body)
	}
}

// TestBadTokenIsFound in the log, by its id, which is no secret.
func TestBadTokenIsFound(t *testing.T) {
	p := newPersonalRig(t)
	text, id := p.make(t, secret.Token{Owner: "dev", Method: "m"})
	if err := p.book.Revoke(t.Context(), "dev", id); err != nil {
		t.Fatal(err)
	}
	p.ask(t, shown{method: "GET", basic: "dev:" + text.Reveal(), query: "service=registry.test"})
	for _, line := range p.logs.FilterMessage("request").All() {
		if line.ContextMap()["family"] == id {
			return
		}
	}
	t.Errorf("no %s in %v", id, p.logs.All())
}

// TestRevokedStopsAtOnce: at /auth, and where Basic credentials come along with
// the request itself.
func TestRevokedStopsAtOnce(t *testing.T) {
	p := newPersonalRig(t)
	text, id := p.make(t, secret.Token{Owner: "dev", Method: "m"})
	enters := func() error {
		_, err := p.door.Authorize(t.Context(), oci.Shown{Authorization: oci.NewSecret(basic("dev:" + text.Reveal()))}, needs("repository:web/x:pull"))
		return err
	}
	for range 2 {
		if got := p.asks(t, "dev", text); got != 200 {
			t.Errorf("before: %d", got)
		}
		if err := enters(); err != nil {
			t.Errorf("before: %v", err)
		}
	}
	if err := p.book.Revoke(t.Context(), "dev", id); err != nil {
		t.Fatal(err)
	}
	if got := p.asks(t, "dev", text); got != 401 {
		t.Errorf("after: %d", got)
	}
	var refused *oci.Refusal
	if err := enters(); !errors.As(err, &refused) || refused.Reason != oci.NoToken {
		t.Errorf("after: %v", err)
	}
}

func TestOwnerOfAToken(t *testing.T) {
	p := newPersonalRig(t)
	text, _ := p.make(t, secret.Token{Owner: "dev", Method: "m"})
	for _, tt := range []struct {
		vouch error
		want  int
	}{
		{nil, 200},
		{authn.ErrUnknownUser, 401},
		{fmt.Errorf("%w: not in acme", authn.ErrUnknownUser), 401},
		{errDown, 503},
		{nil, 200},
	} {
		p.vouch = tt.vouch
		if got := p.asks(t, "dev", text); got != tt.want {
			t.Errorf("%v: %d, want %d", tt.vouch, got, tt.want)
		}
	}
	other, _ := p.make(t, secret.Token{Owner: "dev", Method: "m"})
	if err := p.store.Close(); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[authn.Secret]int{text: 200, other: 503} {
		if got := p.asks(t, "dev", text); got != want {
			t.Errorf("without the state: %d, want %d", got, want)
		}
	}
}

// TestRefusedTokenIsLoggedWithItsReason, and without its text.
func TestRefusedTokenIsLoggedWithItsReason(t *testing.T) {
	p := newPersonalRig(t)
	text, id := p.make(t, secret.Token{Owner: "dev", Method: "m"})
	if err := p.book.Revoke(t.Context(), "dev", id); err != nil {
		t.Fatal(err)
	}
	p.asks(t, "dev", text)
	found := false
	for _, line := range p.logs.All() {
		all := fmt.Sprint(line.Message, line.ContextMap())
		found = found || strings.Contains(all, secret.ErrUnknown.Error())
		if strings.Contains(all, text.Reveal()[20:]) {
			t.Errorf("line %s", all)
		}
	}
	if !found {
		t.Error("no line says why")
	}
}

// TestTokenInThePlaceOfTheNameIsNotLogged: a slip of the hand, at each place
// where people log in.
func TestTokenInThePlaceOfTheNameIsNotLogged(t *testing.T) {
	p := newPersonalRig(t)
	text, _ := p.make(t, secret.Token{Owner: "dev", Method: "m"})
	if got := p.asks(t, text.Reveal(), "dev"); got != 401 {
		t.Errorf("a token for a name gets %d", got)
	}
	form := url.Values{"grant_type": {"password"}, "username": {text.Reveal()}, "password": {"dev"}, "service": {"registry.test"}}
	if w, _ := p.ask(t, shown{method: "POST", body: form.Encode()}); w.Code != 401 {
		t.Errorf("a token for a name in a form gets %d", w.Code)
	}
	_, err := p.door.Authorize(t.Context(), oci.Shown{Authorization: oci.NewSecret(basic(text.Reveal() + ":dev"))}, needs("repository:web/x:pull"))
	var refused *oci.Refusal
	if !errors.As(err, &refused) || strings.Contains(fmt.Sprint(refused, refused.Msg, refused.Err), text.Reveal()) {
		t.Errorf("a token for a name at the door: %v", err)
	}
	for _, line := range p.logs.All() {
		if all := fmt.Sprint(line.Message, line.ContextMap()); strings.Contains(all, text.Reveal()[20:]) {
			t.Errorf("line %s", all)
		}
	}
}
