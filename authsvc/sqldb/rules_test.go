package sqldb

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/regate/regate/authsvc/acl"
	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/internal/oci"
)

func newRules(t testing.TB) (rules, *sql.DB) {
	t.Helper()
	path, db := newFile(t)
	d, err := databases(t).get(inFile(path).withDefaults())
	if err != nil {
		t.Fatal(err)
	}
	return rules{d, time.Minute, acl.MaxRules}, db
}

func TestRulesAreInOrder(t *testing.T) {
	r, db := newRules(t)
	addRule(t, db, 20, `{"match":{"account":"bob"},"actions":[],"comment":"second"}`)
	addRule(t, db, -1, []byte(`{"Match":{"labels":{"team":"web"}},"Actions":["pull"],"Comment":"first"}`))
	addRule(t, db, 100, `{"match":{},"actions":["*"],"comment":"third"}`)
	got, err := r.read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var order []string
	for _, rule := range got {
		order = append(order, rule.Comment)
	}
	if fmt.Sprint(order) != "[first second third]" {
		t.Errorf("order = %v", order)
	}
	if rule := got[0].String(); rule != `{match: {labels: {"team": "web"}}, actions: [pull], comment: "first"}` {
		t.Errorf("first = %s", rule)
	}
}

// TestPlacesAreNumbers, also where the column is one of texts, which a database
// sorts as texts.
func TestPlacesAreNumbers(t *testing.T) {
	r, db := newRules(t)
	change(t, db, "DROP TABLE xorm_acl_entry; CREATE TABLE xorm_acl_entry (acl_entry TEXT, seq TEXT)")
	for _, seq := range []string{"10", "9", "100"} {
		addRule(t, db, seq, `{"match":{},"actions":["pull"],"comment":"`+seq+`"}`)
	}
	got, err := r.read(t.Context())
	if err != nil || got[0].Comment+got[1].Comment+got[2].Comment != "910100" {
		t.Errorf("read() = %v, %v", got, err)
	}
	addRule(t, db, "09", `{"match":{},"actions":[]}`)
	if _, err := r.read(t.Context()); err == nil || !strings.Contains(err.Error(), "two rules with seq 9") {
		t.Errorf("read() with 9 twice = %v", err)
	}
}

func TestNoRules(t *testing.T) {
	r, _ := newRules(t)
	if got, err := r.read(t.Context()); got == nil || len(got) != 0 || err != nil {
		t.Errorf("read() = %v, %v", got, err)
	}
}

var badRuleTests = []struct {
	name       string
	seq, entry any
	want       string
}{
	{"same seq", 1, `{"match":{},"actions":[]}`, "there are two rules with seq 1, so it is not known which comes first"},
	{"no seq", nil, `{"match":{},"actions":[]}`, "a rule has no seq"},
	{"seq is text", "first", `{"match":{},"actions":[]}`, "seq"},
	{"no entry", 2, nil, "the rule with seq 2: no JSON object"},
	{"no JSON", 2, "pull", "the rule with seq 2: no JSON object"},
	{"misspelt", 2, `{"match":{"acount":"a"},"actions":["*"]}`, `the rule with seq 2: match: unknown field "acount"`},
}

// TestBadRuleIsNotLeftOut: what it was to refuse would be granted by another.
func TestBadRuleIsNotLeftOut(t *testing.T) {
	for _, tt := range badRuleTests {
		t.Run(tt.name, func(t *testing.T) {
			r, db := newRules(t)
			addRule(t, db, 1, `{"match":{},"actions":["*"]}`)
			addRule(t, db, tt.seq, tt.entry)
			got, err := r.read(t.Context())
			if got != nil || err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("read() = %d rules, %v; want %q", len(got), err, tt.want)
			}
		})
	}
}

func TestTooManyRules(t *testing.T) {
	const entry = `{"match":{},"actions":[]}`
	for _, tt := range []struct {
		rules, bytes int
		want         string
	}{
		{acl.MaxRules - 1, 0, ""},
		{acl.MaxRules, 0, "there are more than 100000 rules"},
		{1, acl.MaxBytes - len(entry), ""},
		{1, acl.MaxBytes - len(entry) + 1, "the rules are longer than 32 MiB"},
	} {
		l := list{most: acl.MaxRules, rules: make([]acl.Numbered, tt.rules), bytes: tt.bytes}
		if got := message(l.take(sql.NullInt64{Int64: 1, Valid: true}, []byte(entry))); got != tt.want {
			t.Errorf("after %d rules of %d bytes: %q, want %q", tt.rules, tt.bytes, got, tt.want)
		}
	}
}

// TestNoRuleIsCutOff: of more rules than are read, none counts.
func TestNoRuleIsCutOff(t *testing.T) {
	r, db := newRules(t)
	r.most = 2
	for seq := range 3 {
		if got, err := r.read(t.Context()); len(got) != seq || err != nil {
			t.Errorf("read() = %d rules, %v; want %d", len(got), err, seq)
		}
		addRule(t, db, seq, `{"match":{},"actions":[]}`)
	}
	if got, err := r.read(t.Context()); got != nil || err == nil || !strings.Contains(err.Error(), "more than 2 rules") {
		t.Errorf("read() = %d rules, %v", len(got), err)
	}
}

// TestRowsThatBreakOff are not all the rules: the last may be a refusal.
func TestRowsThatBreakOff(t *testing.T) {
	r, db := newRules(t)
	change(t, db, `DROP TABLE xorm_acl_entry; CREATE VIEW xorm_acl_entry AS
		SELECT 1 AS seq, '{"match":{},"actions":["*"]}' AS acl_entry UNION ALL SELECT 2, json('{broken')`)
	if got, err := r.read(t.Context()); got != nil || err == nil || !strings.Contains(err.Error(), "malformed JSON") {
		t.Errorf("read() = %d rules, %v", len(got), err)
	}
}

// TestNewRules decides by what the table says.
func TestNewRules(t *testing.T) {
	path, db := newFile(t)
	addRule(t, db, 1, `{"match":{"account":"alice"},"actions":["pull"]}`)
	f, err := NewRules(RulesConfig{Connection: inFile(path)}, databases(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	go f.Run(ctx)
	granted, decided, err := f.Decide(t.Context(), acl.Ask{
		Identity: authn.Identity{Account: "alice"}, Want: oci.Access{Type: oci.Repository, Name: "a", Actions: oci.All},
	})
	if granted != oci.Pull || !decided || err != nil {
		t.Errorf("Decide() = %q, %v, %v", granted, decided, err)
	}
}
