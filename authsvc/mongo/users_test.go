package mongo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/password"
)

// hash is of "open sesame".
var hash = func() string {
	h, err := password.Hash("open sesame", 4)
	if err != nil {
		panic(err)
	}
	return h
}()

func (s *server) dial() DialInfo {
	return DialInfo{Addrs: []string{s.addr}, Database: "docker_auth", Timeout: 10 * time.Second}
}

func newUsers(t testing.TB, cfg UsersConfig) *Users {
	t.Helper()
	cfg.Collection = "users"
	if err := cfg.Validate(); err != nil && !cfg.AnyPassword {
		t.Fatal(err)
	}
	u, err := NewUsers(cfg, password.NewPool(password.Options{}))
	must(t, err)
	t.Cleanup(func() { _ = u.Close() })
	return u
}

var alice = authn.Credentials{Account: "alice", Password: "open sesame"}

var authenticateTests = []struct {
	name   string
	docs   []any
	any    bool
	cred   authn.Credentials
	want   error  // by errors.Is; nil is an identity
	reason string // part of the error
}{
	{"good", []any{bson.M{"username": "alice", "password": hash}}, false, alice, nil, ""},
	{"other fields", []any{bson.M{"username": "alice", "password": hash, "_id": 7, "since": time.Now(), "labels": nil}}, false, alice, nil, ""},
	{"wrong password", []any{bson.M{"username": "alice", "password": hash}}, false, authn.Credentials{Account: "alice", Password: "x"}, authn.ErrWrongPassword, ""},
	{"empty password", []any{bson.M{"username": "alice", "password": hash}}, false, authn.Credentials{Account: "alice"}, authn.ErrWrongPassword, ""},
	{"nobody", nil, false, alice, authn.ErrUnknownUser, ""},
	{"the anonymous", []any{bson.M{"username": "", "password": hash}}, true, authn.Credentials{}, authn.ErrUnknownUser, ""},
	{"no text", []any{bson.M{"username": "\xff", "password": hash}}, true, authn.Credentials{Account: "\xff", Password: "x"}, authn.ErrUnknownUser, ""},
	{"another name", []any{bson.M{"username": "Alice", "password": hash}}, false, alice, authn.ErrUnknownUser, ""},
	{"no password", []any{bson.M{"username": "alice"}}, false, alice, authn.ErrWrongPassword, "has none"},
	{"null password", []any{bson.M{"username": "alice", "password": nil}}, false, alice, authn.ErrWrongPassword, "has none"},
	{"any password", []any{bson.M{"username": "alice"}}, true, alice, nil, ""},
	{"any password but none", []any{bson.M{"username": "alice"}}, true, authn.Credentials{Account: "alice"}, authn.ErrWrongPassword, ""},
	{"any password beside one", []any{bson.M{"username": "alice", "password": hash}}, true, authn.Credentials{Account: "alice", Password: "x"}, authn.ErrWrongPassword, ""},
	{"empty hash", []any{bson.M{"username": "alice", "password": ""}}, true, alice, authn.ErrWrongPassword, "has none"},
	{"plain text", []any{bson.M{"username": "alice", "password": "open sesame"}}, true, alice, authn.ErrUndecided, `the document of "alice": password: is not a bcrypt hash`},
	{"marked hash", []any{bson.M{"username": "alice", "password": "!" + hash}}, true, alice, authn.ErrUndecided, "not a bcrypt hash"},
	{"hash that takes days", []any{bson.M{"username": "alice", "password": "$2a$31" + hash[6:]}}, false, alice, authn.ErrUndecided, "has cost 31"},
	{"a number", []any{bson.M{"username": "alice", "password": 7}}, true, alice, authn.ErrUndecided, "password is not a text"},
	{"two", []any{bson.M{"username": "alice", "password": hash}, bson.M{"username": "alice", "password": hash}}, false, alice, authn.ErrUndecided, "more than one"},
	{"names", []any{bson.M{"username": bson.A{"alice", "bob"}, "password": hash}}, false, alice, authn.ErrUndecided, "username is not a text"},
	{"twice a field", []any{bson.D{{Key: "username", Value: "alice"}, {Key: "password", Value: hash}, {Key: "password", Value: nil}}}, true, alice, authn.ErrUndecided, `"password" twice`},
	{"labels in a list", []any{bson.M{"username": "alice", "password": hash, "labels": bson.A{"x"}}}, false, alice, authn.ErrUndecided, "labels"},
	{"one label", []any{bson.M{"username": "alice", "password": hash, "labels": bson.M{"a": "x"}}}, false, alice, authn.ErrUndecided, "not an array"},
	{"a label of numbers", []any{bson.M{"username": "alice", "password": hash, "labels": bson.M{"a": bson.A{"x", 7}}}}, false, alice, authn.ErrUndecided, "not an array of texts"},
	{"a label without a name", []any{bson.M{"username": "alice", "password": hash, "labels": bson.M{"": bson.A{"x"}}}}, false, alice, authn.ErrUndecided, "no name"},
	{"too large", []any{bson.M{"username": "alice", "password": hash, "labels": bson.M{"a": bson.A{strings.Repeat("x", mostUser)}}}}, false, alice, errTooLarge, "too large"},
}

func TestAuthenticate(t *testing.T) {
	t.Parallel()
	for _, tt := range authenticateTests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			u := newUsers(t, UsersConfig{DialInfo: serve(t, tt.docs...).dial(), AnyPassword: tt.any})
			id, err := u.Authenticate(t.Context(), tt.cred)
			if !errors.Is(err, tt.want) || !strings.Contains(fmt.Sprint(err), tt.reason) || strings.Contains(fmt.Sprint(err), "open sesame") || strings.Contains(fmt.Sprint(err), "$2") {
				t.Errorf("Authenticate() = %v, want %v with %q", err, tt.want, tt.reason)
			}
			if err == nil && id.Account != tt.cred.Account {
				t.Errorf("Authenticate() vouches for %q", id.Account)
			}
			for _, never := range []error{authn.ErrUnknownUser, authn.ErrWrongPassword, authn.ErrUndecided} {
				if err != nil && !errors.Is(tt.want, never) && errors.Is(err, never) {
					t.Errorf("%v is %v as well", err, never)
				}
			}
		})
	}
}

var findTests = []struct {
	name string
	doc  bson.M
	any  bool
	want error
}{
	{"good", bson.M{"username": "alice", "password": hash}, false, nil},
	{"nobody could log in", bson.M{"username": "alice"}, false, authn.ErrUnknownUser},
	{"anybody could log in", bson.M{"username": "alice"}, true, nil},
	{"closed", bson.M{"username": "alice", "password": ""}, true, authn.ErrUnknownUser},
	{"malformed", bson.M{"username": "alice", "password": 7}, false, authn.ErrUndecided},
	{"no hash", bson.M{"username": "alice", "password": "x"}, false, authn.ErrUndecided},
}

func TestFind(t *testing.T) {
	t.Parallel()
	for _, tt := range findTests {
		u := newUsers(t, UsersConfig{DialInfo: serve(t, tt.doc).dial(), AnyPassword: tt.any})
		if id, err := u.Find(t.Context(), "alice"); !errors.Is(err, tt.want) || err == nil && id.Account != "alice" {
			t.Errorf("%s: Find() = %v, %v; want %v", tt.name, id, err, tt.want)
		}
	}
}

// TestLabels: who writes documents writes rules, as with users of the file.
func TestLabels(t *testing.T) {
	t.Parallel()
	u := newUsers(t, UsersConfig{DialInfo: serve(t, bson.M{
		"username": "alice", "password": hash, "labels": bson.M{"group": bson.A{"web", "lab/*"}, "none": bson.A{}},
	}).dial()})
	id, err := u.Authenticate(t.Context(), alice)
	must(t, err)
	want := authn.Labels{"group": {{Value: "web", Pattern: true}, {Value: "lab/*", Pattern: true}}}
	if !reflect.DeepEqual(id.Labels, want) {
		t.Errorf("labels are %v, want %v", id.Labels, want)
	}
}

// TestAccountIsText: whatever an account looks like, it is compared as a text,
// and nothing but the account is asked for.
func TestAccountIsText(t *testing.T) {
	t.Parallel()
	s := serve(t)
	u := newUsers(t, UsersConfig{DialInfo: s.dial()})
	names := []string{"alice", `{"$ne": null}`, "/.*/", "$where", "a\x00b", "'; return true; '", "alice ", "{$gt: ''}"}
	for i, name := range names {
		if _, err := u.Authenticate(t.Context(), authn.Credentials{Account: name, Password: "x"}); !errors.Is(err, authn.ErrUnknownUser) {
			t.Fatalf("%q: %v", name, err)
		}
		asked := s.questions()
		if len(asked) != i+1 {
			t.Fatalf("%q: %d questions", name, len(asked))
		}
		q := asked[i]
		filter, err := bson.Marshal(bson.D{{Key: "username", Value: name}})
		must(t, err)
		if !bytes.Equal(q.Lookup("filter").Document(), filter) {
			t.Errorf("%q: the filter is %v", name, q.Lookup("filter"))
		}
		if q.Lookup("find").StringValue() != "users" || q.Lookup("$db").StringValue() != "docker_auth" || q.Lookup("limit").AsInt64() != 2 {
			t.Errorf("%q: asked %v", name, q)
		}
	}
}

// TestTrouble: whatever is wrong with a server is no refusal, and over in time.
func TestTrouble(t *testing.T) {
	t.Parallel()
	silent := serve(t)
	silent.answers(nil)
	for name, dial := range map[string]DialInfo{
		"nobody there": {Addrs: []string{"127.0.0.1:1"}},
		"no answer":    {Addrs: []string{silent.addr}},
		"no login":     {Addrs: []string{serve(t).addr}, Username: "gate", Password: "secret of the gate"}, // which it does not know
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dial.Database, dial.Timeout = "docker_auth", 300*time.Millisecond
			u := newUsers(t, UsersConfig{DialInfo: dial})
			begun := time.Now()
			_, err := u.Authenticate(t.Context(), alice)
			if took := time.Since(begun); took > 5*time.Second {
				t.Errorf("it took %s", took)
			}
			if err == nil || errors.Is(err, authn.ErrUnknownUser) || errors.Is(err, authn.ErrWrongPassword) || errors.Is(err, authn.ErrUndecided) {
				t.Errorf("Authenticate() = %v, want an error that says nothing of the account", err)
			}
			if text := fmt.Sprint(err); !strings.Contains(text, "mongo_auth "+dial.Addrs[0]) || strings.Contains(text, "open sesame") || strings.Contains(text, "secret of") {
				t.Errorf("the error is %q", text)
			}
		})
	}
}

// TestOthersAreAsked: of a set's members those answer that are there, and also
// those that only the others name.
func TestOthersAreAsked(t *testing.T) {
	t.Parallel()
	s := serve(t, bson.M{"username": "alice", "password": hash})
	s.member = "rs0"
	dial := s.dial()
	dial.Addrs = []string{"127.0.0.1:1", s.addr}
	_, err := newUsers(t, UsersConfig{DialInfo: dial}).Authenticate(t.Context(), alice)
	must(t, err)
	dial.ReplicaSet, dial.Timeout = "rs1", 300*time.Millisecond
	if _, err := newUsers(t, UsersConfig{DialInfo: dial}).Authenticate(t.Context(), alice); err == nil {
		t.Error("the member of another set was asked")
	}
}

// TestCloseEndsConnections, and whoever is still asking is answered.
func TestCloseEndsConnections(t *testing.T) {
	t.Parallel()
	s := serve(t, bson.M{"username": "alice", "password": hash})
	u := newUsers(t, UsersConfig{DialInfo: s.dial()})
	if s.connections() != 0 {
		t.Error("there are connections before anybody asks")
	}
	_, err := u.Authenticate(t.Context(), alice)
	must(t, err)
	asked, goOn := make(chan bool), make(chan bool)
	doc, err := bson.Marshal(bson.M{"username": "alice", "password": hash})
	must(t, err)
	s.answers(func(bson.Raw) []bson.Raw {
		asked <- true
		<-goOn
		return []bson.Raw{doc}
	})
	late := make(chan error)
	go func() {
		_, err := u.Authenticate(context.WithoutCancel(t.Context()), alice)
		late <- err
	}()
	<-asked
	must(t, u.Close())
	close(goOn)
	if err := <-late; err != nil {
		t.Errorf("who was asking when it was closed: %v", err)
	}
	until(t, "no connections", func() bool { return s.connections() == 0 })
	s.holds(t, bson.M{"username": "alice", "password": hash})
	if _, err := u.Authenticate(t.Context(), alice); err != nil {
		t.Errorf("who asks after it was closed: %v", err)
	}
	until(t, "no connections again", func() bool { return s.connections() == 0 })
}

// TestBusy: who would only wait is told so.
func TestBusy(t *testing.T) {
	t.Parallel()
	u := newUsers(t, UsersConfig{DialInfo: serve(t, bson.M{"username": "alice", "password": hash}).dial()})
	for range mostAsking {
		_, err := u.acquire()
		must(t, err)
	}
	if _, err := u.Authenticate(t.Context(), alice); !errors.Is(err, authn.ErrBusy) {
		t.Errorf("Authenticate() = %v", err)
	}
	u.release()
	if _, err := u.Authenticate(t.Context(), alice); err != nil {
		t.Errorf("Authenticate() = %v", err)
	}
	for range mostAsking - 1 {
		u.release()
	}
}
