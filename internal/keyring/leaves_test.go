package keyring

import (
	"crypto/ecdsa"
	"crypto/x509"
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// at is a leaf that signs from h hours after noon on, made just before.
func at(h float64) leaf {
	from := noon.Add(time.Duration(h * float64(time.Hour)))
	return leaf{
		cert:     &x509.Certificate{NotBefore: from.Add(-backdate), NotAfter: from.Add(leafLife)},
		key:      &ecdsa.PrivateKey{},
		signFrom: from,
	}
}

func spent(l leaf) leaf { l.key = nil; return l }

var leavesTests = []struct {
	name     string
	have     leaves
	signing  int // index; -1 is none
	due      bool
	nextFrom time.Duration // after noon, if due
}{
	{"none", nil, -1, true, 0},
	{"fresh", leaves{at(0)}, 0, false, 0},
	{"in the middle", leaves{at(-12)}, 0, false, 0},
	{"nearly a day old", leaves{at(-23.9)}, 0, false, 0},
	{"a day old but for a minute", leaves{at(-24 + 1./60)}, 0, true, publishes},
	{"next one published", leaves{at(-24 + 1./60), at(1. / 60)}, 0, false, 0},
	{"next one has begun", leaves{at(-24), at(0)}, 1, false, 0},
	{"overdue by a day", leaves{at(-47)}, 0, true, publishes},
	{"too old for the life of a token", leaves{at(-49)}, 0, true, 0},
	{"gone", leaves{at(-73)}, -1, true, 0},
	{"spent", leaves{spent(at(-1))}, -1, true, 0},
	{"from the future alone", leaves{at(1000)}, -1, true, 0},
	{"from the future, beside a fresh one", leaves{at(0), at(1000)}, 0, false, 0},
	{"from the future, beside one that is due", leaves{at(-24), at(1000)}, 0, true, publishes},
}

func TestLeaves(t *testing.T) {
	t.Parallel()
	for _, tt := range leavesTests {
		t.Run(tt.name, func(t *testing.T) {
			var want *leaf
			if tt.signing >= 0 {
				want = &tt.have[tt.signing]
			}
			if got := tt.have.signing(noon); got != want {
				t.Errorf("signing(noon) = %v, want %v", got, want)
			}
			if got := tt.have.due(noon); got != tt.due {
				t.Errorf("due(noon) = %v, want %v", got, tt.due)
			}
			if got := tt.have.nextFrom(noon).Sub(noon); tt.due && got != tt.nextFrom {
				t.Errorf("nextFrom(noon) = noon + %v, want %v", got, tt.nextFrom)
			}
		})
	}
}

func TestKeepDropsWhatIsGoneAndSpendsWhatHasSigned(t *testing.T) {
	t.Parallel()
	have := leaves{at(-80), at(-48), at(-24), at(0), at(24)}
	kept := have.keep(noon)
	if len(kept) != 4 {
		t.Fatalf("%d leaves kept, want 4", len(kept))
	}
	for i, wantKey := range []bool{false, false, true, true} {
		if got := kept[i].key != nil; got != wantKey {
			t.Errorf("leaf from %v has its key: %v, want %v", kept[i].signFrom, got, wantKey)
		}
	}
	if have[1].key == nil {
		t.Error("keep has changed what it was asked about")
	}
}

// TestLeavesAreKeptForTheirTokens counts from the last token that a leaf signs
// before another's turn comes.
func TestLeavesAreKeptForTheirTokens(t *testing.T) {
	if kept := leafLife - signFor - publishes; kept < MaxTokenAge || MaxTokenAge < MaxTokenLife {
		t.Errorf("a leaf is kept for %v after it has signed, want %v, which is no less than %v", kept, MaxTokenAge, MaxTokenLife)
	}
}
