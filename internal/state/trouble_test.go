package state

import (
	"errors"
	"testing"
)

// A troubled Store says what is wrong with it.
type troubled struct {
	Store
	trouble *Trouble
}

func (t troubled) Trouble() *Trouble { return t.trouble }

// TestTroubleOf finds it below whatever is about the Store.
func TestTroubleOf(t *testing.T) {
	t.Parallel()
	want := &Trouble{Err: errors.New("full")}
	for name, st := range map[string]Store{
		"itself":        troubled{nil, want},
		"sealed":        Seal(troubled{nil, want}, Key{}),
		"sealed copied": NewCopy(Seal(troubled{nil, want}, Key{}), nil, CopyOptions{}, nil),
	} {
		if got := TroubleOf(st); got != want {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got := TroubleOf(Seal(nil, Key{})); got != nil {
		t.Errorf("of one that is never away: %+v", got)
	}
}
