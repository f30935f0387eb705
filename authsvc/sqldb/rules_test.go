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
	return rules{d, time.Minute}, db
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
	{"long", 2, `{"match":{},"actions":[],"comment":"` + strings.Repeat("x", acl.MaxBytes) + `"}`, "the rules are longer than 32 MiB"},
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
	r, db := newRules(t)
	change(t, db, `WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i+1 FROM n WHERE i < ?)
		INSERT INTO xorm_acl_entry SELECT '{"match":{},"actions":[]}', i FROM n`, acl.MaxRules)
	if got, err := r.read(t.Context()); got != nil || err == nil || !strings.Contains(err.Error(), "more than 100000 rules") {
		t.Errorf("read() = %d rules, %v", len(got), err)
	}
	change(t, db, "DELETE FROM xorm_acl_entry WHERE seq = 0")
	if got, err := r.read(t.Context()); len(got) != acl.MaxRules || err != nil {
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
