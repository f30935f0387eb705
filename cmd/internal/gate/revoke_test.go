package gate

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/secret"
	"github.com/regate/regate/internal/state"
)

// TestRevoke: a token that was good is refused at once, whoever logs in anew
// gets another, and the personal tokens of the account have ended.
func TestRevoke(t *testing.T) {
	t.Parallel()
	g, p := startOpen(t, config(t, registry(t, "main").URL, ""))
	control := NewControl(p.first.ControlSocket())
	pull := func(tok string) int {
		status, _, _ := g.get("https", "/v2/a/manifests/1", "Authorization", "Bearer "+tok)
		return status
	}
	first, second := g.token("repository:a:pull"), g.token("repository:a:pull")
	if pull(first) != 200 || pull(second) != 200 {
		t.Fatal("the tokens are not good to begin with")
	}
	id := claim(t, first, "jti")
	if answer, err := control.Revoke(t.Context(), Revocation{Token: id}); err != nil || !strings.Contains(answer, id) {
		t.Fatalf("Revoke() = %q, %v", answer, err)
	}
	if a, b := pull(first), pull(second); a != 401 || b != 200 {
		t.Errorf("the token gets %d, another one %d", a, b)
	}

	mine := personal(t, p, "dev")
	dev := "dev"
	answer, err := control.Revoke(t.Context(), Revocation{Subject: &dev})
	if err != nil || !strings.Contains(answer, "1 personal tokens") {
		t.Fatalf("Revoke() = %q, %v", answer, err)
	}
	if got := pull(second); got != 401 {
		t.Errorf("a token of the account gets %d", got)
	}
	if _, err := p.desk.book.Verify(t.Context(), mine); err == nil {
		t.Error("a personal token of the account is good still")
	}
	g.until("a new token", func() bool { return pull(g.token("repository:a:pull")) == 200 }) // tokens have whole seconds
}

func TestRevokeFailsLoudly(t *testing.T) {
	t.Parallel()
	g, p := startOpen(t, config(t, registry(t, "main").URL, ""))
	tok := g.token("repository:a:pull")
	if err := p.store.Close(); err != nil {
		t.Fatal(err)
	}
	dev := "dev"
	for _, what := range []Revocation{{Token: claim(t, tok, "jti")}, {Subject: &dev}} {
		if answer, err := NewControl(p.first.ControlSocket()).Revoke(t.Context(), what); err == nil || !strings.Contains(err.Error(), "not all was revoked") {
			t.Errorf("without the state: %q, %v", answer, err)
		}
	}
}

var inOneLineTests = []struct {
	err  error
	want string
}{
	{fmt.Errorf("put a: %w", io.EOF), "put a: EOF"},
	{errors.Join(fmt.Errorf("get a: %w", io.EOF), fmt.Errorf("put b: %w", io.EOF)), "get a: EOF"},
	{errors.Join(fmt.Errorf("get a: %w", io.EOF), errors.Join(errors.New("b is spoilt"), io.EOF)), "get a: EOF; b is spoilt"},
}

func TestInOneLine(t *testing.T) {
	for _, tt := range inOneLineTests {
		if got := inOneLine(tt.err); got == nil || got.Error() != tt.want {
			t.Errorf("inOneLine(%q) = %v, want %q", tt.err, got, tt.want)
		}
	}
}

// TestRevokeWithOneThatIsSpoilt: a secret that cannot be read keeps nothing else
// of the account, and is said.
func TestRevokeWithOneThatIsSpoilt(t *testing.T) {
	t.Parallel()
	g, p := startOpen(t, config(t, registry(t, "main").URL, ""))
	tok, mine := g.token("repository:a:pull"), personal(t, p, "dev")
	personal(t, p, "dev")
	all, err := p.desk.book.List(t.Context(), "dev")
	if err != nil || len(all) < 2 {
		t.Fatal(all, err)
	}
	spoilt := all[0].ID
	if strings.Contains(mine.Reveal(), spoilt) {
		spoilt = all[1].ID
	}
	if _, err := p.store.Put(t.Context(), "secret/"+spoilt, []byte("{"), state.PutOpts{}); err != nil {
		t.Fatal(err)
	}
	dev := "dev"
	answer, err := NewControl(p.first.ControlSocket()).Revoke(t.Context(), Revocation{Subject: &dev})
	if err == nil || !strings.Contains(err.Error(), spoilt) {
		t.Errorf("Revoke() = %q, %v", answer, err)
	}
	if status, _, _ := g.get("https", "/v2/a/manifests/1", "Authorization", "Bearer "+tok); status != 401 {
		t.Errorf("a token of the account gets %d", status)
	}
	if answer, err := NewControl(p.first.ControlSocket()).Revoke(t.Context(), Revocation{Family: spoilt}); err != nil || !strings.Contains(answer, "has been removed") {
		t.Errorf("Revoke() of the spoilt one = %q, %v", answer, err)
	}
	if _, err := p.desk.book.List(t.Context(), "dev"); err != nil {
		t.Errorf("then the account cannot be read: %v", err)
	}
	if _, err := p.desk.book.Verify(t.Context(), mine); err == nil {
		t.Error("a personal token of the account is good still")
	}
}

func personal(t *testing.T, p *process, owner string) authn.Secret {
	t.Helper()
	text, _, err := p.desk.book.Create(t.Context(), secret.Token{Kind: secret.Personal, Owner: owner, Method: "github_auth", Name: "laptop"})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// claim is a text that a token says.
func claim(t *testing.T, tok, name string) string {
	t.Helper()
	parts := strings.Split(tok, ".")
	var claims map[string]any
	raw, err := base64.RawURLEncoding.DecodeString(parts[min(1, len(parts)-1)])
	if err == nil {
		err = json.Unmarshal(raw, &claims)
	}
	text, ok := claims[name].(string)
	if err != nil || !ok {
		t.Fatalf("no %s in the token (%v)", name, err)
	}
	return text
}
