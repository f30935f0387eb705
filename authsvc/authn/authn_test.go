package authn

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func answers(account string, err error) Authenticator {
	return Func(func(context.Context, Credentials) (Identity, error) {
		return Identity{Account: account}, err
	})
}

var errDown = errors.New("directory is down")

var chainTests = []struct {
	name    string
	chain   Chain
	want    string
	wantErr error
}{
	{"empty", nil, "", ErrUnknownUser},
	{"first knows", Chain{answers("a", nil), answers("b", nil)}, "a", nil},
	{"second knows", Chain{answers("", ErrUnknownUser), answers("b", nil)}, "b", nil},
	{"wrong password settles it", Chain{answers("", ErrWrongPassword), answers("b", nil)}, "", ErrWrongPassword},
	{"nobody knows", Chain{answers("", ErrUnknownUser), answers("", ErrUnknownUser)}, "", ErrUnknownUser},
	{"broken does not lock out the next", Chain{answers("", errDown), answers("b", nil)}, "b", nil},
	{"broken is no refusal", Chain{answers("", errDown), answers("", ErrUnknownUser)}, "", errDown},
	{"busy does not lock out the next", Chain{answers("", ErrBusy), answers("b", nil)}, "b", nil},
	{"busy is no refusal", Chain{answers("", ErrBusy), answers("", ErrUnknownUser)}, "", ErrBusy},
	{"busy with a known user settles it", Chain{answers("", Undecided(ErrBusy)), answers("b", nil)}, "", ErrBusy},
	{"broken over a known user settles it", Chain{answers("", Undecided(errDown)), answers("", ErrWrongPassword)}, "", ErrUndecided},
	{"broken, then busy with a known user", Chain{answers("", errDown), answers("", Undecided(ErrBusy)), answers("c", nil)}, "", ErrBusy},
	{"reason of a refusal", Chain{answers("", fmt.Errorf("%w: account is locked", ErrWrongPassword)), answers("b", nil)}, "", ErrWrongPassword},
	{"reason of not knowing", Chain{answers("", fmt.Errorf("%w: not in the base", ErrUnknownUser)), answers("b", nil)}, "b", nil},
	{"an identity beside an error is none", Chain{answers("a", ErrWrongPassword)}, "", ErrWrongPassword},
	{"broken, then wrong password", Chain{answers("", errDown), answers("", ErrWrongPassword)}, "", ErrWrongPassword},
}

func TestChain(t *testing.T) {
	for _, tt := range chainTests {
		t.Run(tt.name, func(t *testing.T) {
			id, err := tt.chain.Authenticate(t.Context(), Credentials{Account: "x"})
			if id.Account != tt.want || !errors.Is(err, tt.wantErr) {
				t.Errorf("Authenticate() = %q, %v; want %q, %v", id.Account, err, tt.want, tt.wantErr)
			}
		})
	}
}

// spelling is who takes the account in any case, and says how it is written.
func spelling(account string) Authenticator {
	return Func(func(_ context.Context, c Credentials) (Identity, error) {
		if !strings.EqualFold(c.Account, account) {
			return Identity{}, ErrUnknownUser
		}
		return Identity{Account: account, Labels: Labels{"from": {{Value: "directory"}}}}, nil
	})
}

// exact is who knows the account as it is written, and nobody else.
func exact(account string, err error) Authenticator {
	return Func(func(_ context.Context, c Credentials) (Identity, error) {
		if c.Account != account {
			return Identity{}, ErrUnknownUser
		}
		return Identity{Account: account}, err
	})
}

// A name that is written in another way is no way past whoever has it first.
func TestChainAsksAboutTheNameThatIsMeant(t *testing.T) {
	tests := []struct {
		name    string
		before  Chain
		want    string
		labels  int
		wantErr error
	}{
		{"nobody before", nil, "admin", 1, nil},
		{"another before", Chain{exact("bob", nil)}, "admin", 1, nil},
		{"turned away before", Chain{exact("admin", ErrWrongPassword)}, "", 0, ErrWrongPassword},
		{"not told before", Chain{exact("admin", Undecided(ErrBusy))}, "", 0, ErrBusy},
		{"let in before", Chain{exact("bob", nil), exact("admin", nil)}, "admin", 0, nil},
		{"broken before", Chain{answers("", errDown)}, "admin", 1, nil},
		{"broken about that name before", Chain{exact("admin", errDown)}, "admin", 1, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			id, err := append(tt.before, spelling("admin")).Authenticate(t.Context(), Credentials{Account: "Admin", Password: "p"})
			if id.Account != tt.want || len(id.Labels) != tt.labels || !errors.Is(err, tt.wantErr) {
				t.Errorf("Authenticate() = %v, %v; want %q, %v", id, err, tt.want, tt.wantErr)
			}
		})
	}
}

func TestUndecidedKeepsRefusals(t *testing.T) {
	for _, err := range []error{nil, ErrUnknownUser, fmt.Errorf("%w: locked", ErrWrongPassword)} {
		if got := Undecided(err); got != err {
			t.Errorf("Undecided(%v) = %v", err, got)
		}
	}
}

func TestSecretCannotBePrinted(t *testing.T) {
	s := Secret("hunter2")
	c := Credentials{Account: "a", Password: s}
	asJSON, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%T %[1]v"} {
		for _, v := range []any{s, &s, c, []Secret{s}, map[string]Secret{"k": s}} {
			if got := fmt.Sprintf(verb, v); strings.Contains(got, "hunter2") || strings.Contains(got, "68756e74657232") {
				t.Errorf("Sprintf(%q) shows the secret: %s", verb, got)
			}
		}
	}
	if strings.Contains(string(asJSON), "hunter2") {
		t.Errorf("JSON shows the secret: %s", asJSON)
	}
	if s.Reveal() != "hunter2" {
		t.Errorf("Reveal() = %q", s.Reveal())
	}
}
