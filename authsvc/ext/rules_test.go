package ext

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/netip"
	"os"
	"reflect"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/regate/regate/authsvc/acl"
	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/internal/oci"
)

func newRules(t testing.TB, cfg RulesConfig) (*Rules, *observer.ObservedLogs) {
	t.Helper()
	core, logs := observer.New(zap.DebugLevel)
	cfg.Backend = patient(cfg.Backend)
	r, err := NewRules(cfg, zap.New(core))
	must(t, err)
	t.Cleanup(func() { _ = r.Close() })
	return r, logs
}

var wanted = acl.Ask{
	Identity: authn.Identity{Account: "alice", Labels: authn.Labels{"team": {{Value: "web"}, {Value: "shop", Pattern: true}}}},
	From:     netip.MustParseAddr("::ffff:10.1.2.3"),
	Service:  "registry",
	Want:     oci.Access{Type: oci.Repository, Name: "web/shop", Actions: oci.Pull | oci.Push},
}

const both = oci.Pull | oci.Push

// An answer without an error is written by a program with exit status 0, and by
// a hook beside "result": "allow".
var actionTests = []struct {
	answer   string // "" is none
	granted  oci.Actions
	wantText string
}{
	{"", both, ""},
	{`"actions": ["pull"]`, oci.Pull, ""},
	{`"actions": ["push", "pull", "pull"]`, both, ""},
	{`"actions": []`, 0, ""},
	{`"actions": ["*"]`, both, ""},
	{`"actions": ["pull", "delete"]`, oci.Pull, ""},
	{`"actions": ["delete"]`, 0, ""},
	{`"actions": ["pull", "*"]`, 0, "other actions"},
	{`"actions": ["pul"]`, 0, "other actions"},
	{`"actions": null`, 0, errMalformed.Error()},
	{`"actions": "pull"`, 0, errMalformed.Error()},
	{`"action": ["pull"]`, 0, errMalformed.Error()},
	{`"actions": ["pull"], "labels": {}`, 0, errMalformed.Error()},
	{`"actions": ["pull"`, 0, errMalformed.Error()},
}

func TestActions(t *testing.T) {
	t.Parallel()
	for _, tt := range actionTests {
		t.Run(tt.answer, func(t *testing.T) {
			t.Parallel()
			said, posted := "", `{"result": "allow"}`
			if tt.answer != "" {
				said, posted = "{"+tt.answer+"}", `{"result": "allow", `+tt.answer+"}"
			}
			program, _ := newRules(t, RulesConfig{Backend: Backend{Command: "sh", Args: []string{"-c", `printf %s "$0"`, said}}})
			hook, _ := newRules(t, RulesConfig{Backend: Backend{URL: startHook(t, 200, posted).URL}})
			for _, r := range []*Rules{program, hook} {
				granted, decided, err := r.Decide(t.Context(), wanted)
				if granted != tt.granted || decided != (tt.wantText == "") || (err != nil) != (tt.wantText != "") || err != nil && !strings.Contains(err.Error(), tt.wantText) {
					t.Errorf("Decide() = %q, %v, %v; want %q, and an error with %q", granted, decided, err, tt.granted, tt.wantText)
				}
			}
		})
	}
}

var decideTests = []struct {
	name     string
	backend  Backend
	decided  bool
	wantText string // of the error
}{
	{"none, finally", sh("echo '{\"actions\": [\"pull\"]}'", "exit 1"), true, ""},
	{"nothing to say", sh("exit 2"), false, ""},
	{"another status", sh("exit 4"), false, "exit status 4"},
	{"a signal", sh("kill -KILL $$"), false, "signal: killed"},
	{"text", sh("echo ok"), false, errMalformed.Error()},
	{"an object without a word", sh("echo '{}'"), false, errMalformed.Error()},
	{"too much", sh("yes"), false, errLong.Error()},
}

func TestDecideOfProgram(t *testing.T) {
	t.Parallel()
	for _, tt := range decideTests {
		r, _ := newRules(t, RulesConfig{Backend: tt.backend})
		granted, decided, err := r.Decide(t.Context(), wanted)
		if granted != 0 || decided != tt.decided || (err != nil) != (tt.wantText != "") || err != nil && (!strings.Contains(err.Error(), tt.wantText) || !strings.Contains(err.Error(), "sh: ")) {
			t.Errorf("%s: Decide() = %q, %v, %v", tt.name, granted, decided, err)
		}
	}
}

func TestDecideOfHook(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		status  int
		answer  string
		decided bool
		wantErr bool
	}{
		{"deny", 200, `{"result": "deny"}`, true, false},
		{"deny, with a reason", 200, `{"result": "deny", "reason": "gone", "actions": ["pull"]}`, true, false},
		{"unknown", 200, `{"result": "unknown"}`, false, false},
		{"no result", 200, `{"actions": ["pull"]}`, false, true},
		{"broken", 502, `{"result": "allow"}`, false, true},
	} {
		r, _ := newRules(t, RulesConfig{Backend: Backend{URL: startHook(t, tt.status, tt.answer).URL}})
		granted, decided, err := r.Decide(t.Context(), wanted)
		if granted != 0 || decided != tt.decided || (err != nil) != tt.wantErr {
			t.Errorf("%s: Decide() = %q, %v, %v", tt.name, granted, decided, err)
		}
	}
}

// TestQuestions: a program reads what docker_auth would send it; a hook the
// same in small letters.
func TestQuestions(t *testing.T) {
	t.Parallel()
	file := t.TempDir() + "/stdin"
	program, _ := newRules(t, RulesConfig{Backend: sh("cat > " + file)})
	h := startHook(t, 200, `{"result": "allow"}`)
	hook, _ := newRules(t, RulesConfig{Backend: Backend{URL: h.URL}})
	nobody := acl.Ask{Service: "registry", Want: oci.CatalogAccess()}
	for _, tt := range []struct {
		ask  acl.Ask
		want string
	}{
		{wanted, `{"Account":"alice","Type":"repository","Name":"web/shop","Service":"registry","IP":"10.1.2.3","Actions":["pull","push"],"Labels":{"team":["web","shop"]}}`},
		{nobody, `{"Account":"","Type":"registry","Name":"catalog","Service":"registry","IP":"","Actions":["*"],"Labels":{}}`},
	} {
		for _, r := range []*Rules{program, hook} {
			if granted, _, err := r.Decide(t.Context(), tt.ask); granted != tt.ask.Want.Actions || err != nil {
				t.Fatalf("Decide() = %q, %v", granted, err)
			}
		}
		got, err := os.ReadFile(file)
		must(t, err)
		if string(got) != tt.want {
			t.Errorf("the program read %s, want %s", got, tt.want)
		}
		var inHook, inProgram map[string]any
		must(t, json.Unmarshal([]byte(tt.want), &inProgram))
		inHook = make(map[string]any)
		for key, v := range inProgram {
			inHook[strings.ToLower(key)] = v
		}
		if last := h.seen[len(h.seen)-1].body; !reflect.DeepEqual(last, inHook) {
			t.Errorf("the hook got %v, want %v", last, inHook)
		}
	}
}

// TestOnErrorNext: no answer is nothing to say and a line of the log, but too
// many questions are still too many.
func TestOnErrorNext(t *testing.T) {
	t.Parallel()
	r, logs := newRules(t, RulesConfig{Backend: sh("exit 7"), OnError: OnErrorNext})
	granted, decided, err := r.Decide(t.Context(), wanted)
	if granted != 0 || decided || err != nil {
		t.Errorf("Decide() = %q, %v, %v", granted, decided, err)
	}
	if lines := logs.FilterMessage("no answer, and nothing granted").All(); len(lines) != 1 || !strings.Contains(lines[0].ContextMap()["error"].(string), "exit status 7") {
		t.Errorf("the log: %v", logs.All())
	}

	left, leave := context.WithCancel(t.Context())
	leave()
	if _, _, err := r.Decide(left, wanted); !errors.Is(err, context.Canceled) {
		t.Errorf("Decide() for somebody who has left = %v", err)
	}

	goOn := make(chan struct{})
	defer close(goOn)
	h := startHookWith(t, func(http.ResponseWriter, map[string]any) { <-goOn })
	full, _ := newRules(t, RulesConfig{Backend: Backend{URL: h.URL, Concurrency: 1, Timeout: mostTimeout}, OnError: OnErrorNext})
	full.backend.turns.waiting.Store(queuePerTurn)
	go func() { _, _, _ = full.Decide(t.Context(), wanted) }()
	await(t, "a question", func() bool { return h.count() == 1 })
	other := wanted // or it would share the answer
	other.Want.Name = "web/other"
	if _, _, err := full.Decide(t.Context(), other); !errors.Is(err, authn.ErrBusy) {
		t.Errorf("Decide() with a full queue = %v, want %v", err, authn.ErrBusy)
	}
}

// FuzzAnswer: whatever is answered, no more is granted than was asked for, and
// nothing beside an error.
func FuzzAnswer(f *testing.F) {
	for _, tt := range actionTests {
		f.Add([]byte("{"+tt.answer+"}"), uint8(both))
		f.Add([]byte(`{"result": "allow", `+tt.answer+"}"), uint8(oci.Any))
	}
	f.Add([]byte(`{"result": "allow", "labels": {"a": ["b"]}}`), uint8(0))
	f.Fuzz(func(t *testing.T, text []byte, asked uint8) {
		details := [][]byte{text}
		if a, err := readAnswer(strings.NewReader(string(text))); err == nil {
			details = append(details, a.details)
		}
		for _, d := range details {
			granted, err := readActions(d, oci.Actions(asked))
			if granted&^oci.Actions(asked) != 0 || err != nil && granted != 0 {
				t.Errorf("readActions(%q, %b) = %b, %v", d, asked, granted, err)
			}
			if id, err := readIdentity(d, "alice"); (err == nil) != (id.Account != "") || err != nil && id.Labels != nil {
				t.Errorf("readIdentity(%q) = %v, %v", d, id, err)
			}
		}
	})
}
