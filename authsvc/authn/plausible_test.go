package authn

import (
	"strings"
	"testing"
)

func TestPlausible(t *testing.T) {
	for text, want := range map[string]bool{
		"alice": true, "team ci/Küche": true, " ": true, strings.Repeat("a", 256): true,
		"": false, strings.Repeat("a", 257): false, strings.Repeat("ä", 129): false, "a\nb": false, "a\x00": false, "\x7f": false, "\xff": false,
		"a\u009b31m": false, "\u0085": false, "\u202eecila": false, "a\u2028b": false,
	} {
		if got := Plausible(text); got != want {
			t.Errorf("Plausible(%.20q) = %v", text, got)
		}
	}
}
