package ext

import (
	"errors"
	"net/http"
	"net/netip"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/regate/regate/authsvc/authn"
)

const aliceSecret = "open sesame"

var programTests = []struct {
	name     string
	program  Backend
	cred     authn.Credentials
	want     authn.Labels
	wantErr  error  // one of authn's
	wantText string // of an error that says that it could not tell
}{{
	name: "allowed", program: userScript, cred: alice,
	want: authn.Labels{"team": {{Value: "web", Pattern: true}, {Value: "lab/*", Pattern: true}}},
}, {
	name: "wrong password", program: userScript, cred: authn.Credentials{Account: "alice", Password: "no"}, wantErr: authn.ErrWrongPassword,
}, {
	name: "unknown user", program: userScript, cred: authn.Credentials{Account: "bob", Password: "x"}, wantErr: authn.ErrUnknownUser,
}, {
	name: "exactly user, space, password", program: sh(`[ "$(od -An -c | tr -d ' \n')" = 'aliceopensesame' ]`), cred: alice,
}, {
	name: "no newline at the end", program: sh(`[ "$(wc -c)" -eq 17 ]`), cred: alice,
}, {
	name: "nothing written", program: sh("exit 0"), cred: alice,
}, {
	name: "an empty line written", program: sh("echo"), cred: alice,
}, {
	name: "no labels", program: sh("echo '{}'"), cred: alice, want: authn.Labels{},
}, {
	name: "denied, whatever is written", program: sh("echo '{'; exit 1"), cred: alice, wantErr: authn.ErrWrongPassword,
}, {
	name: "another status", program: sh("exit 3"), cred: alice, wantText: "exit status 3",
}, {
	name: "a status that a shell has for a program that is not there", program: sh("no-such-program-at-all"), cred: alice, wantText: "exit status 127",
}, {
	name: "killed by a signal", program: sh("kill -TERM $$"), cred: alice, wantText: "signal: terminated",
}, {
	name: "no JSON", program: sh("echo yes"), cred: alice, wantText: errMalformed.Error(),
}, {
	name: "JSON that is no object", program: sh("echo null"), cred: alice, wantText: errMalformed.Error(),
}, {
	name: "half of the JSON", program: sh(`printf '{"labels": {"team": ["we'`), cred: alice, wantText: errMalformed.Error(),
}, {
	name: "two answers", program: sh(`echo '{"labels": {}} {"labels": {}}'`), cred: alice, wantText: errMalformed.Error(),
}, {
	name: "a misspelt key", program: sh(`echo '{"lables": {}}'`), cred: alice, wantText: errMalformed.Error(),
}, {
	name: "a hook's answer", program: sh(`echo '{"result": "deny"}'`), cred: alice, wantText: errMalformed.Error(),
}, {
	name: "labels of another form", program: sh(`echo '{"labels": {"team": "web"}}'`), cred: alice, wantText: errMalformed.Error(),
}, {
	name: "a label without a name", program: sh(`echo '{"labels": {"": ["web"]}}'`), cred: alice, wantText: "without a name",
}, {
	name: "not UTF-8", program: sh(`printf '{"labels": {"team": ["\377"]}}'`), cred: alice, wantText: errMalformed.Error(),
}, {
	name: "an answer that never ends", program: sh("yes"), cred: alice, wantText: errLong.Error(),
}, {
	name: "much on stderr", program: sh("head -c 10000000 /dev/zero >&2"), cred: alice,
}, {
	name: "stdin closed unread", program: sh("exec <&-", "exit 0"), cred: alice,
}, {
	name: "stdout closed early", program: sh("exec >&-", "exit 1"), cred: alice, wantErr: authn.ErrWrongPassword,
}, {
	name: "a child that keeps the pipe open ends with its parent", program: sh("sleep 60 &", "exit 0"), cred: alice,
}, {
	name: "a child of another group that keeps the pipe open", program: sh("trap 'exit 0' USR1", `setsid sh -c "kill -USR1 $$; exec sleep 3" & wait`), cred: alice, wantText: "holds its output open",
}}

// TestNonsenseHasAName: the log says whose answer it was, and what is wrong
// with it, but not what it was: that may be what was asked, sent back.
func TestNonsenseHasAName(t *testing.T) {
	t.Parallel()
	for text, fault := range map[string]string{
		"yes " + aliceSecret:                        "does not begin with {",
		`{"` + aliceSecret + `": []}`:               "has another key than account and labels",
		`{"labels": {"team": ["we`:                  "ends early",
		`{"labels": {}} ` + aliceSecret:             "goes on after its }",
		`{"labels": {}, "labels": {}}`:              "has a key twice",
		`{"labels": "` + aliceSecret + `"}`:         "has a value of another form for labels",
		"{\"labels\": {\"team\": [\"\xff\"]}}":      "is not UTF-8",
		`{"labels": {"": ["` + aliceSecret + `"]}}`: "has a label without a name",
		`{"account": ""}`:                           "has an account without a name",
	} {
		u, _ := newUsers(t, Backend{Command: "sh", Args: []string{"-c", `printf %s "$0"`, text}})
		_, err := u.Authenticate(t.Context(), alice)
		if err == nil || settled(err) || !strings.HasPrefix(err.Error(), "sh: the answer ") || !strings.Contains(err.Error(), fault) || strings.Contains(err.Error(), aliceSecret) {
			t.Errorf("Authenticate() of a program that says %s: %v; want %q", text, err, fault)
		}
		h := startHook(t, 200, `{"result": "allow", `+strings.TrimPrefix(text, "{"))
		u, _ = newUsers(t, Backend{URL: h.URL})
		if _, err := u.Authenticate(t.Context(), alice); err == nil || settled(err) || !strings.HasPrefix(err.Error(), h.URL+": the answer ") {
			t.Errorf("Authenticate() of a hook: %v", err)
		}
	}
}

// TestBackEndSaysWhoItIs: a rule about alice is one about ALICE as well, where
// the back end takes one for the other and says so.
func TestBackEndSaysWhoItIs(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"account": "alice"}`:                   "alice",
		`{"account": "alice", "labels": null}`:   "alice",
		`{"labels": {}}`:                         "ALICE",
		`{"account": null}`:                      "",
		`{"account": ["alice"]}`:                 "",
		`{"account": "alice", "Account": "bob"}`: "",
	} {
		cred := authn.Credentials{Account: "ALICE", Password: aliceSecret}
		program, _ := newUsers(t, Backend{Command: "sh", Args: []string{"-c", `printf %s "$0"`, text}})
		hook, _ := newUsers(t, Backend{URL: startHook(t, 200, `{"result": "allow", `+text[1:]).URL})
		for _, u := range []*Users{program, hook} {
			if id, err := u.Authenticate(t.Context(), cred); id.Account != want || (err == nil) != (want != "") || settled(err) {
				t.Errorf("Authenticate() where %s is said = %+v, %v; want %q", text, id, err, want)
			}
		}
	}
}

func TestProgram(t *testing.T) {
	t.Parallel()
	for _, tt := range programTests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			u, _ := newUsers(t, tt.program)
			id, err := u.Authenticate(t.Context(), tt.cred)
			checkAnswer(t, id, err, tt.cred.Account, tt.want, tt.wantErr, tt.wantText)
		})
	}
}

// checkAnswer takes all of what a login may become.
func checkAnswer(t *testing.T, id authn.Identity, err error, account string, want authn.Labels, wantErr error, wantText string) {
	t.Helper()
	switch {
	case wantText != "":
		if err == nil || !strings.Contains(err.Error(), wantText) || settled(err) {
			t.Errorf("Authenticate() = %v; want an error with %q that settles nothing", err, wantText)
		}
	case wantErr != nil:
		if !errors.Is(err, wantErr) {
			t.Errorf("Authenticate() = %v; want %v", err, wantErr)
		}
	case err != nil:
		t.Errorf("Authenticate() = %v", err)
	case id.Account != account || len(id.Labels) != len(want) || len(want) > 0 && !reflect.DeepEqual(id.Labels, want):
		t.Errorf("Authenticate() = %+v; want %s with %v", id, account, want)
	}
	if err != nil && (id.Account != "" || id.Labels != nil) {
		t.Errorf("Authenticate() = %+v beside an error", id)
	}
	if err != nil && strings.Contains(err.Error(), aliceSecret) {
		t.Errorf("the error has the password: %v", err)
	}
}

func settled(err error) bool {
	return errors.Is(err, authn.ErrUnknownUser) || errors.Is(err, authn.ErrWrongPassword)
}

var unsayableTests = []struct {
	name string
	cred authn.Credentials
	hook bool // whether a hook is asked
}{
	{"the anonymous", authn.Credentials{}, false},
	{"no password", authn.Credentials{Account: "alice"}, false},
	{"no account", authn.Credentials{Password: "x"}, false},
	{"a space in the account", authn.Credentials{Account: "alice open", Password: "sesame"}, true},
	{"a newline in the account", authn.Credentials{Account: "alice\nbob", Password: "x"}, true},
	{"a wide space in the account", authn.Credentials{Account: "alice\u3000", Password: "x"}, true},
	{"a newline in the password", authn.Credentials{Account: "alice", Password: "open sesame\nbob x"}, true},
	{"a carriage return in the password", authn.Credentials{Account: "alice", Password: "open sesame\r"}, true},
	{"a zero byte in the password", authn.Credentials{Account: "alice", Password: "open sesame\x00"}, true},
	{"a password that is no UTF-8", authn.Credentials{Account: "alice", Password: "open sesame\xff"}, false},
}

// TestAmbiguousCredentialsAreNotAsked: the program would let everybody in.
func TestAmbiguousCredentialsAreNotAsked(t *testing.T) {
	t.Parallel()
	h := startHook(t, 200, `{"result": "allow"}`)
	everybody, _ := newUsers(t, sh("exit 0"))
	hooked, _ := newUsers(t, Backend{URL: h.URL})
	for _, tt := range unsayableTests {
		if _, err := everybody.Authenticate(t.Context(), tt.cred); tt.name != "a password that is no UTF-8" && !errors.Is(err, authn.ErrUnknownUser) {
			t.Errorf("%s: the program: %v, want %v", tt.name, err, authn.ErrUnknownUser)
		}
		before := h.count()
		if _, err := hooked.Authenticate(t.Context(), tt.cred); (err == nil) != tt.hook || (h.count() > before) != tt.hook {
			t.Errorf("%s: the hook: %v after %d questions", tt.name, err, h.count()-before)
		}
	}
}

var hookTests = []struct {
	name     string
	status   int
	answer   string
	want     authn.Labels
	wantErr  error
	wantText string
}{
	{"allowed", 200, `{"result": "allow"}`, nil, nil, ""},
	{"with labels", 200, ` {"result": "allow", "labels": {"team": ["web"]}} `, authn.Labels{"team": {{Value: "web", Pattern: true}}}, nil, ""},
	{"denied", 200, `{"result": "deny"}`, nil, authn.ErrWrongPassword, ""},
	// A no needs no details, so none can undo it: as trouble it would have those
	// asked who come after the hook, or be passed over by on_error: next.
	{"denied, with a reason", 200, `{"result": "deny", "reason": "gone", "labels": 1}`, nil, authn.ErrWrongPassword, ""},
	{"unknown", 200, `{"result": "unknown"}`, nil, authn.ErrUnknownUser, ""},
	{"unknown, with a reason", 200, `{"result": "unknown", "reason": "gone"}`, nil, authn.ErrUnknownUser, ""},
	{"no answer", 200, ``, nil, nil, errMalformed.Error()},
	{"no result", 200, `{"labels": {}}`, nil, nil, "none of allow, deny and unknown"},
	{"another result", 200, `{"result": "Allow"}`, nil, nil, "none of allow, deny and unknown"},
	{"result of another type", 200, `{"result": true}`, nil, nil, "none of allow, deny and unknown"},
	{"a misspelt key", 200, `{"result": "allow", "label": {}}`, nil, nil, errMalformed.Error()},
	{"half", 200, `{"result": "allow", `, nil, nil, errMalformed.Error()},
	{"a page", 200, `<html>`, nil, nil, errMalformed.Error()},
	{"too long", 200, `{"result": "allow", "labels": {"team": ["` + strings.Repeat("x", maxAnswer) + `"]}}`, nil, nil, errLong.Error()},
	{"not 200", 204, ``, nil, nil, "answers 204"},
	{"the hook refuses the gate", 401, `{"result": "deny"}`, nil, nil, "answers 401"},
	{"no such hook", 404, ``, nil, nil, "answers 404"},
	{"broken", 500, `{"result": "allow"}`, nil, nil, "answers 500"},
	{"a redirect", 307, ``, nil, nil, "answers 307"},
}

func TestHook(t *testing.T) {
	t.Parallel()
	for _, tt := range hookTests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := startHook(t, tt.status, tt.answer)
			u, _ := newUsers(t, Backend{URL: h.URL})
			id, err := u.Authenticate(t.Context(), alice)
			checkAnswer(t, id, err, "alice", tt.want, tt.wantErr, tt.wantText)
		})
	}
}

// TestHookIsToldWho, and not from where: its answer is kept for whoever shows
// the same password somewhere else.
func TestHookIsToldWho(t *testing.T) {
	t.Parallel()
	h := startHook(t, 200, `{"result": "allow"}`)
	u, _ := newUsers(t, Backend{URL: h.URL, TokenFile: write(t, "token", "gate-token\n")})
	cred := alice
	cred.From = netip.MustParseAddr("::ffff:10.1.2.3")
	_, err := u.Authenticate(t.Context(), cred)
	must(t, err)
	want := map[string]any{"account": "alice", "password": aliceSecret}
	if seen := h.seen[0]; !reflect.DeepEqual(seen.body, want) || seen.header.Get("Authorization") != "Bearer gate-token" {
		t.Errorf("the hook got %v, %v", seen.body, seen.header)
	}
}

// TestHookOfARedirectSeesNoPassword: where the password goes is not for an
// answer to say.
func TestHookOfARedirectSeesNoPassword(t *testing.T) {
	t.Parallel()
	other := startHook(t, 200, `{"result": "allow"}`)
	h := startHookWith(t, func(w http.ResponseWriter, _ map[string]any) {
		w.Header().Set("Location", other.URL)
		w.WriteHeader(http.StatusPermanentRedirect)
	})
	u, _ := newUsers(t, Backend{URL: h.URL})
	if _, err := u.Authenticate(t.Context(), alice); err == nil || other.count() != 0 {
		t.Errorf("Authenticate() = %v, and %d questions went elsewhere", err, other.count())
	}
}

func TestHookThatIsDown(t *testing.T) {
	t.Parallel()
	h := startHook(t, 200, "")
	u, _ := newUsers(t, Backend{URL: h.URL})
	h.Close()
	if _, err := u.Authenticate(t.Context(), alice); err == nil || settled(err) {
		t.Errorf("Authenticate() = %v; want an error that settles nothing", err)
	}
}

// TestProgramThatIsGone was there when the configuration was read.
func TestProgramThatIsGone(t *testing.T) {
	t.Parallel()
	file := write(t, "program", "#!/bin/sh\n")
	must(t, os.Chmod(file, 0o700))
	u, _ := newUsers(t, Backend{Command: file})
	must(t, os.Remove(file))
	if _, err := u.Authenticate(t.Context(), alice); err == nil || settled(err) {
		t.Errorf("Authenticate() = %v; want an error that settles nothing", err)
	}
}

// TestEnvironmentIsNotPassedOn: it may have secrets of the gate.
func TestEnvironmentIsNotPassedOn(t *testing.T) {
	t.Setenv("REGATE_TEST_SECRET", "x")
	u, _ := newUsers(t, sh(`[ -z "$REGATE_TEST_SECRET" ] && [ -n "$PATH" ]`))
	if _, err := u.Authenticate(t.Context(), alice); err != nil {
		t.Errorf("the program sees the environment of the gate: %v", err)
	}
}

func TestStderrIsLoggedWithoutThePassword(t *testing.T) {
	t.Parallel()
	u, logs := newUsers(t, sh("exec >&2", "head -c 5000 /dev/zero | tr '\\0' x", "cat", "printf '\\033[31m the\\nend'", "exit 1"))
	_, err := u.Authenticate(t.Context(), alice)
	if !errors.Is(err, authn.ErrWrongPassword) || logs.Len() != 1 {
		t.Fatalf("Authenticate() = %v, with %d lines of the log", err, logs.Len())
	}
	said, _ := logs.All()[0].ContextMap()["stderr"].(string)
	if !strings.HasSuffix(said, "xalice *** [31m the end") || len(said) > maxExcerpt {
		t.Errorf("stderr in the log: %q", said)
	}
}

func TestStderrOfAFailureIsInItsError(t *testing.T) {
	t.Parallel()
	u, _ := newUsers(t, sh("cat >&2", "exit 9"))
	_, err := u.Authenticate(t.Context(), alice)
	if err == nil || !strings.HasSuffix(err.Error(), "exit status 9: alice ***") {
		t.Errorf("Authenticate() = %v", err)
	}
}
