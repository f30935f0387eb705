package mongo

import (
	"context"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/regate/regate/authsvc/acl"
	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/internal/oci"
)

// rule is a document that grants actions on everything that begins so.
func rule(seq any, name string, actions ...any) bson.M {
	return bson.M{"_id": bson.NewObjectID(), "seq": seq, "match": bson.M{"name": name}, "actions": append(bson.A{}, actions...)}
}

var readTests = []struct {
	name string
	docs []any
	want string // the rules' names in their order, or part of the error
}{
	{"none", nil, ""},
	{"in order", []any{rule(30, "c"), rule(int64(10), "a"), rule(20.0, "b"), rule(-1, "z")}, "z a b c"},
	{"all of it", []any{bson.M{"seq": 1, "match": bson.M{"account": "", "type": "t", "name": "n", "service": "s", "ip": "::1", "labels": bson.M{"a": "b"}}, "actions": bson.A{"*"}, "comment": "x", "other": 7}}, "n"},
	{"no seq", []any{rule(1, "a"), bson.M{"match": bson.M{}, "actions": bson.A{}}}, "a rule has no seq"},
	{"null seq", []any{rule(nil, "a")}, "a rule has no seq"},
	{"a text", []any{rule("1", "a")}, "seq is not a number"},
	{"a fraction", []any{rule(1.5, "a")}, "seq is not a whole number"},
	{"no number", []any{rule(math.NaN(), "a")}, "seq is not a whole number"},
	{"a huge number", []any{rule(1e300, "a")}, "seq is not a whole number"},
	{"twice", []any{rule(1, "a"), rule(1.0, "b")}, "there are two rules with seq 1"},
	{"a condition that does not exist", []any{bson.M{"seq": 7, "match": bson.M{"team": "x"}, "actions": bson.A{"*"}}}, `the rule with seq 7: match: unknown field "team"`},
	{"null for a condition", []any{bson.M{"seq": 7, "match": bson.M{"name": nil}, "actions": bson.A{"*"}}}, "match.name is null"},
	{"a condition of another kind", []any{bson.M{"seq": 7, "match": bson.M{"name": bson.Regex{Pattern: ".*"}}, "actions": bson.A{"*"}}}, "the rule with seq 7: "},
	{"a number for a condition", []any{bson.M{"seq": 7, "match": bson.M{"name": 5}, "actions": bson.A{"*"}}}, "the rule with seq 7: "},
	{"twice a condition", []any{bson.D{{Key: "seq", Value: 7}, {Key: "match", Value: bson.D{{Key: "name", Value: "a"}, {Key: "name", Value: "b"}}}, {Key: "actions", Value: bson.A{}}}}, "is there twice"},
	{"actions of another kind", []any{bson.M{"seq": 7, "match": bson.M{}, "actions": "*"}}, "the rule with seq 7: "},
}

func TestReadRules(t *testing.T) {
	for _, tt := range readTests {
		t.Run(tt.name, func(t *testing.T) {
			docs := make([]bson.Raw, len(tt.docs))
			for i, d := range tt.docs {
				var err error
				docs[i], err = bson.Marshal(d)
				must(t, err)
			}
			rules, err := readRules(docs)
			var names []string
			for _, r := range rules {
				names = append(names, *r.Match.Name)
			}
			if got := strings.Join(names, " ") + said(err); got != tt.want && (err == nil || !strings.Contains(got, tt.want)) {
				t.Errorf("readRules() = %q, want %q", got, tt.want)
			}
		})
	}
}

// following starts Rules that are read every second.
func following(t *testing.T, dial DialInfo) (*Rules, *observer.ObservedLogs) {
	t.Helper()
	second := time.Second
	cfg := RulesConfig{DialInfo: dial, Collection: "acl", Refresh: acl.Refresh{CacheTTL: &second}}
	must(t, cfg.Validate())
	core, logs := observer.New(zap.DebugLevel)
	r, err := NewRules(cfg, zap.New(core))
	must(t, err)
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { r.Run(ctx) })
	t.Cleanup(func() {
		stop()
		running.Wait()
		must(t, r.Close())
	})
	return r, logs
}

func ask(name string) acl.Ask {
	return acl.Ask{Identity: authn.Identity{Account: "alice"}, Want: oci.Access{Type: "repository", Name: name, Actions: oci.Pull | oci.Push}}
}

func TestDecide(t *testing.T) {
	t.Parallel()
	s := serve(t, rule(20, "*", "*"), rule(10, "closed"))
	r, logs := following(t, s.dial())
	decides := func(name string, want oci.Actions, wantDecided bool) bool {
		granted, decided, err := r.Decide(t.Context(), ask(name))
		return err == nil && granted == want && decided == wantDecided
	}
	if !decides("app", oci.Pull|oci.Push, true) || !decides("closed", 0, true) || !decides("a/b", 0, false) {
		t.Error("the rules that were read first do not decide")
	}
	q := s.questions()[0]
	if q.Lookup("find").StringValue() != "acl" || q.Lookup("limit").AsInt64() != acl.MaxRules+1 || len(q.Lookup("filter").Document()) != 5 || q.Lookup("sort").Type != 0 {
		t.Errorf("asked %v", q)
	}
	s.holds(t, rule(1, "*", "pull"))
	until(t, "the rules that changed decide", func() bool { return decides("closed", oci.Pull, true) })
	s.holds(t, rule(1, "/(/"), rule(2, "*", "*"))
	until(t, "it is logged that they are wrong", func() bool { return logs.FilterMessageSnippet("cannot be read").Len() == 1 })
	if !decides("closed", oci.Pull, true) {
		t.Error("the last good rules do not stay")
	}
	s.holds(t)
	until(t, "there are no rules any more", func() bool { return decides("closed", 0, false) })
}

// TestRulesThatBreakOff are not all of them: the last may be a refusal.
func TestRulesThatBreakOff(t *testing.T) {
	t.Parallel()
	s := serve(t, rule(1, "*", "*"))
	s.cursor = 7
	r, err := NewRules(RulesConfig{DialInfo: s.dial(), Collection: "acl"}, nil)
	must(t, err)
	if rules, err := r.read(t.Context()); rules != nil || err == nil || !strings.Contains(err.Error(), "not allowed: getMore") {
		t.Errorf("read() = %d rules, %v", len(rules), err)
	}
	must(t, r.Close())
}

// TestUnknownRules: nobody knows what they would grant, or refuse.
func TestUnknownRules(t *testing.T) {
	t.Parallel()
	r, _ := following(t, DialInfo{Addrs: []string{"127.0.0.1:1"}, Database: "docker_auth", Timeout: 200 * time.Millisecond})
	if _, decided, err := r.Decide(t.Context(), ask("app")); err == nil || decided || !strings.Contains(err.Error(), "acl_mongo 127.0.0.1:1") {
		t.Errorf("Decide() = %v, %v", decided, err)
	}
}

// FuzzDocuments: whatever a server sends is an error at worst, and what becomes
// a rule has a match and actions that were there.
func FuzzDocuments(f *testing.F) {
	for _, tt := range readTests {
		for _, d := range tt.docs {
			doc, err := bson.Marshal(d)
			must(f, err)
			f.Add(doc)
		}
	}
	for _, tt := range authenticateTests {
		for _, d := range tt.docs {
			if doc, err := bson.Marshal(d); err == nil && len(doc) < 1000 {
				f.Add(doc)
			}
		}
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		if u, err := readUser(doc); err == nil && u.name == "" && bson.Raw(doc).Lookup("username").StringValue() != "" {
			t.Error("a user has lost its name")
		}
		n, err := readRule(doc)
		if err != nil {
			return
		}
		if _, err := acl.Compile(acl.Config{n.Rule}); err != nil {
			return
		}
		conditions, err := bson.Raw(doc).Lookup("match").Document().Elements()
		if err == nil && len(conditions) > 0 && n.Rule.Match.String() == "{}" && bson.Raw(doc).Lookup("match", "labels").Type == 0 {
			t.Errorf("a rule with conditions matches everything: %v", bson.Raw(doc))
		}
	})
}
