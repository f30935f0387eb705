package static

import (
	"errors"
	"reflect"
	"testing"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/password"
)

func hashed(t testing.TB, text string) string {
	t.Helper()
	hash, err := password.Hash(text, 4)
	if err != nil {
		t.Fatal(err)
	}
	return hash
}

var authenticateTests = []struct {
	name     string
	account  string
	password authn.Secret
	want     error
}{
	{"right password", "alice", "secret", nil},
	{"wrong password", "alice", "Secret", authn.ErrWrongPassword},
	{"no password", "alice", "", authn.ErrWrongPassword},
	{"hash of no password", "empty", "", authn.ErrWrongPassword},
	{"unknown", "Alice", "secret", authn.ErrUnknownUser},
	{"unknown without a password", "mallory", "", authn.ErrUnknownUser},
	{"any password", "guest", "x", nil},
	{"any password is not none", "guest", "", authn.ErrWrongPassword},
	{"no password is right", "ci", "x", authn.ErrWrongPassword},
	{"not even none", "ci", "", authn.ErrWrongPassword},
	{"anonymous", "", "", nil},
	{"password without an account", "", "secret", authn.ErrWrongPassword},
}

// emptyHash is the hash of "", which other programs make.
const emptyHash = "$2a$04$/d/EONPSGqKQq3WFl1cMIONslpE2cmF3DoYtLOYPlHzn96cO1q/J."

func TestAuthenticate(t *testing.T) {
	users := New(Config{
		"alice": {Password: hashed(t, "secret"), Labels: map[string][]string{"group": {"dev", "ops-*"}}},
		"empty": {Password: emptyHash},
		"guest": {AnyPassword: true},
		"ci":    {NoPassword: true},
		"":      {},
	}, password.NewPool(password.Options{}))
	for _, tt := range authenticateTests {
		t.Run(tt.name, func(t *testing.T) {
			id, err := users.Authenticate(t.Context(), authn.Credentials{Account: tt.account, Password: tt.password})
			if !errors.Is(err, tt.want) {
				t.Fatalf("Authenticate() = %v, want %v", err, tt.want)
			}
			if err != nil && !reflect.DeepEqual(id, authn.Identity{}) {
				t.Errorf("identity beside an error: %+v", id)
			}
			if err == nil && id.Account != tt.account {
				t.Errorf("Authenticate(%q) is %q", tt.account, id.Account)
			}
		})
	}
}

func TestAnonymousMustBeConfigured(t *testing.T) {
	users := New(Config{"guest": {AnyPassword: true}}, password.NewPool(password.Options{}))
	if id, err := users.Authenticate(t.Context(), authn.Credentials{}); !errors.Is(err, authn.ErrUnknownUser) {
		t.Errorf("Authenticate() of the anonymous = %+v, %v", id, err)
	}
}

// TestUserWithoutPasswordIsClosed has a configuration that nobody validated.
func TestUserWithoutPasswordIsClosed(t *testing.T) {
	users := New(Config{"alice": {}}, password.NewPool(password.Options{}))
	id, err := users.Authenticate(t.Context(), authn.Credentials{Account: "alice", Password: "x"})
	if err == nil {
		t.Errorf("Authenticate() = %+v", id)
	}
}

func TestLabelsArePatterns(t *testing.T) {
	users := New(Config{"": {Labels: map[string][]string{"group": {"dev", "ops-*"}, "none": {}}}}, password.NewPool(password.Options{}))
	id, err := users.Authenticate(t.Context(), authn.Credentials{})
	if err != nil {
		t.Fatal(err)
	}
	want := authn.Labels{"group": {{Value: "dev", Pattern: true}, {Value: "ops-*", Pattern: true}}}
	if !reflect.DeepEqual(id.Labels, want) {
		t.Errorf("labels = %+v, want %+v", id.Labels, want)
	}
	id.Labels["group"] = nil
	if again, _ := users.Authenticate(t.Context(), authn.Credentials{}); !reflect.DeepEqual(again.Labels, want) {
		t.Errorf("labels changed through an identity: %+v", again.Labels)
	}
}

const goodHash = "$2y$10$WDfoltjOSUfHq2cBTnDIYOwjLCCQQfFhqnMm9oRZy0VbmOB3pEI3q"

var validateTests = []struct {
	name string
	cfg  Config
	want string
	only bool // warnings
}{
	{"good", Config{"alice": {Password: goodHash}, "": {Labels: map[string][]string{"x": nil}}}, "", false},
	{"no password", Config{"alice": {}},
		"alice: no password: add a bcrypt hash from `regate hash`, no_password: true if only robots act for the account, or any_password: true to let everybody in by this name", false},
	{"nobody logs in", Config{"ci": {NoPassword: true, Labels: map[string][]string{"team": {"web"}}}}, "", false},
	{"no password and one", Config{"ci": {NoPassword: true, Password: goodHash}}, "ci.no_password: contradicts password: leave one of them out", false},
	{"no password and any", Config{"ci": {NoPassword: true, AnyPassword: true}}, "ci.no_password: contradicts any_password: leave one of them out", false},
	{"the anonymous without one", Config{"": {NoPassword: true}}, `[""]: "" is whoever does not log in, and has no password`, false},
	{"both", Config{"alice": {Password: goodHash, AnyPassword: true}}, "alice.any_password: contradicts password: leave one of them out", false},
	{"anyone", Config{"alice": {AnyPassword: true}}, "alice.any_password: everybody can be this account", true},
	{"password of the anonymous", Config{"": {Password: goodHash}}, `[""]: "" is whoever does not log in, and has no password`, false},
	{"plain text", Config{"a.b@c": {Password: "hunter2"}},
		`["a.b@c"].password: not a bcrypt hash ($2a$, $2b$ or $2y$, cost 04 to 17): make one with ` + "`regate hash`", false},
	{"costly", Config{"alice": {Password: "$2y$15" + goodHash[6:]}}, "alice.password: cost 15 makes each login take a second or more; 10 to 12 is usual", true},
	{"endless", Config{"alice": {Password: "$2y$31" + goodHash[6:]}}, "alice.password: cost 31 keeps a core busy for minutes at each login, or for days: make one of 10 to 12 with `regate hash`", false},
	{"costs differ", Config{"alice": {Password: goodHash}, "bob": {Password: "$2y$09" + goodHash[6:]}}, "the hashes have costs from 9 to 10, so that the time of a refusal tells which accounts exist: make all of them with one cost", true},
	{"label without a name", Config{"": {Labels: map[string][]string{"": {"x"}}}}, `[""].labels[""]: a label needs a name`, false},
	{"all at once", Config{"b": {Password: "x"}, "a": {Password: "$1$x"}},
		"a.password: not a bcrypt hash ($2a$, $2b$ or $2y$, cost 04 to 17): make one with `regate hash`\n" +
			"b.password: not a bcrypt hash ($2a$, $2b$ or $2y$, cost 04 to 17): make one with `regate hash`", false},
}

func TestValidate(t *testing.T) {
	for _, tt := range validateTests {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.cfg.Validate()
			if got := text(err); got != tt.want {
				t.Errorf("Validate() =\n%s\nwant\n%s", got, tt.want)
			}
			var list interface{ Fatal() bool }
			if errors.As(err, &list) && list.Fatal() == tt.only {
				t.Errorf("Fatal() = %v", list.Fatal())
			}
		})
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
