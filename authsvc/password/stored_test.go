package password

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/regate/regate/authsvc/authn"
)

var storedTests = []struct {
	name     string
	hash     string
	none     bool // there is no hash at all
	any      bool
	password string
	want     error // errTell is one that is no refusal
	open     bool
}{
	{"right", "", false, false, "secret", nil, true},
	{"wrong", "", false, false, "Secret", authn.ErrWrongPassword, true},
	{"any does not matter where there is a hash", "", false, true, "Secret", authn.ErrWrongPassword, true},
	{"none", "", true, false, "secret", authn.ErrWrongPassword, false},
	{"none, and any will do", "", true, true, "secret", nil, true},
	{"no password shown", "", false, true, "", authn.ErrWrongPassword, true},
	{"no password shown where any will do", "", true, true, "", authn.ErrWrongPassword, true},
	{"empty", "empty", false, false, "secret", authn.ErrWrongPassword, false},
	{"empty, which is not none", "empty", false, true, "secret", authn.ErrWrongPassword, false},
	{"marked", "!$2y$04$" + digest, false, true, "secret", errTell, false},
	{"clear text", "secret", false, true, "secret", errTell, false},
	{"days", "$2a$31$" + digest, false, true, "secret", errTell, false},
	{"minutes", "$2a$18$" + digest, false, true, "secret", errTell, false},
}

var errTell = errors.New("cannot tell")

func TestStored(t *testing.T) {
	good := mustHash(t, "secret", 4)
	for _, tt := range storedTests {
		t.Run(tt.name, func(t *testing.T) {
			hash := &tt.hash
			switch {
			case tt.none:
				hash = nil
			case tt.hash == "":
				hash = &good
			case tt.hash == "empty":
				hash = new(string)
			}
			s := NewStored(NewPool(Options{}), tt.any)
			err := s.Compare(t.Context(), hash, tt.password)
			told := err == nil || errors.Is(err, authn.ErrWrongPassword)
			if told == (tt.want == errTell) || told && !errors.Is(err, tt.want) {
				t.Errorf("Compare() = %v, want %v", err, tt.want)
			}
			if hash != nil && *hash != "" && err != nil && strings.Contains(err.Error(), *hash) {
				t.Errorf("the error has what is stored: %v", err)
			}
			open, openErr := s.Open(hash)
			if open != tt.open || (openErr != nil) != (tt.want == errTell) {
				t.Errorf("Open() = %v, %v; want %v", open, openErr, tt.open)
			}
		})
	}
}

func TestStoredHighestCost(t *testing.T) {
	hash := fmt.Sprintf("$2a$%d$%s", MostCost, digest)
	if open, err := NewStored(NewPool(Options{}), false).Open(&hash); !open || err != nil {
		t.Errorf("Open() of the highest cost = %v, %v", open, err)
	}
}

// TestStoredCostIsTheHighestSoFar: what a refusal of nobody imitates, and never
// more than anybody could log in with.
func TestStoredCostIsTheHighestSoFar(t *testing.T) {
	s := NewStored(NewPool(Options{}), false)
	if s.Cost() != DefaultCost {
		t.Errorf("Cost() before = %d", s.Cost())
	}
	for _, step := range []struct {
		hash string
		want int
	}{
		{mustHash(t, "p", 4), 4},
		{mustHash(t, "p", 6), 6},
		{mustHash(t, "p", 5), 6},
		{"$2a$31$" + digest, 6},
	} {
		_ = s.Compare(t.Context(), &step.hash, "p")
		if s.Cost() != step.want {
			t.Errorf("Cost() after %.7s = %d, want %d", step.hash, s.Cost(), step.want)
		}
	}
}

// TestStoredRefusesInTheSameTime: there is a comparison for accounts without a hash.
func TestStoredRefusesInTheSameTime(t *testing.T) {
	s := NewStored(NewPool(Options{}), false)
	ctx, compared := Watch(t.Context())
	if err := s.Compare(ctx, nil, "p"); !errors.Is(err, authn.ErrWrongPassword) || !compared() {
		t.Errorf("Compare() = %v, compared %v", err, compared())
	}
	ctx, giveUp := context.WithCancel(t.Context())
	giveUp()
	if err := s.Compare(ctx, nil, "p"); err == nil || errors.Is(err, authn.ErrWrongPassword) {
		t.Errorf("Compare() of somebody who has left = %v", err)
	}
}
