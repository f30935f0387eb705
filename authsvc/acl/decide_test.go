package acl

import (
	"context"
	"errors"
	"testing"

	"github.com/regate/regate/internal/oci"
)

// says is a Decider that always says the same.
type says struct {
	granted oci.Actions
	decided bool
	err     error
}

func (s says) Decide(context.Context, Ask) (oci.Actions, bool, error) {
	return s.granted, s.decided, s.err
}

var errAway = errors.New("program is gone")

var decideTests = []struct {
	name    string
	chain   Chain
	want    oci.Actions
	decided bool
	wantErr error
}{
	{"nobody", nil, 0, false, nil},
	{"first decides", Chain{says{oci.Pull, true, nil}, says{oci.Push, true, nil}}, oci.Pull, true, nil},
	{"first refuses", Chain{says{0, true, nil}, says{oci.Pull, true, nil}}, 0, true, nil},
	{"second decides", Chain{says{}, says{oci.Push, true, nil}}, oci.Push, true, nil},
	{"undecided grants nothing", Chain{says{oci.Pull, false, nil}}, 0, false, nil},
	{"more than was asked for", Chain{says{oci.All | oci.Any, true, nil}}, oci.Pull | oci.Push, true, nil},
	{"an error ends it", Chain{says{oci.Pull, true, errAway}, says{oci.Pull, true, nil}}, 0, false, errAway},
	{"decided before the error", Chain{says{oci.Pull, true, nil}, says{0, false, errAway}}, oci.Pull, true, nil},
}

func TestChain(t *testing.T) {
	a := Ask{Want: oci.Access{Type: oci.Repository, Name: "a", Actions: oci.Pull | oci.Push}}
	for _, tt := range decideTests {
		got, decided, err := tt.chain.Decide(t.Context(), a)
		if got != tt.want || decided != tt.decided || !errors.Is(err, tt.wantErr) {
			t.Errorf("%s: Decide() = %q, %v, %v; want %q, %v, %v", tt.name, got, decided, err, tt.want, tt.decided, tt.wantErr)
		}
	}
}

// allow is the part of a.Want that the rules grant.
func (l *List) allow(a Ask) oci.Access {
	a.Want.Actions, _, _ = l.Decide(context.Background(), a)
	return a.Want
}

// TestListDecides: no rule is nothing to say, and a refusal is.
func TestListDecides(t *testing.T) {
	star, none := "open/*", "closed/*"
	l, err := Compile(Config{
		{Match: &Match{Name: &star}, Actions: []string{"pull"}},
		{Match: &Match{Name: &none}, Actions: []string{}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name    string
		granted oci.Actions
		decided bool
	}{{"open/a", oci.Pull, true}, {"closed/a", 0, true}, {"else/a", 0, false}} {
		a := Ask{Want: oci.Access{Type: oci.Repository, Name: tt.name, Actions: oci.Pull | oci.Push}}
		granted, decided, err := l.Decide(t.Context(), a)
		if granted != tt.granted || decided != tt.decided || err != nil {
			t.Errorf("Decide(%s) = %q, %v, %v; want %q, %v", tt.name, granted, decided, err, tt.granted, tt.decided)
		}
	}
}
