package idp

import (
	"errors"
	"strings"
	"testing"
)

// TestNames: a name is one that can be seen, written in front of a colon, and
// told from others.
func TestNames(t *testing.T) {
	for _, name := range []string{"alice", "alice@example.com", "team a/o'neil", "Ärger", "李", "*", strings.Repeat("x", maxAccount)} {
		if got, err := account(name); got != name || err != nil {
			t.Errorf("account(%q) = %q, %v", name, got, err)
		}
	}
	for _, name := range []string{
		"", strings.Repeat("x", maxAccount+1), "a:b", " a", "a ", "a\nb", "a\x00", "a\x7f", "a\x85b", "\xff", "a\u2028b",
		"ad\u200bmin", "nimda\u202e", "\ufeffadmin", "ad\u00admin", "admin\u00a0",
	} {
		if got, err := account(name); got != "" || !errors.Is(err, errAccount) {
			t.Errorf("account(%q) = %q, %v", name, got, err)
		}
	}
	for name, want := range map[string]string{"Alice": "alice", "ALICE-Z": "alice-z", "\u212aim": "\u212aim", "ÄB": "Äb"} {
		if got, err := folded(name); got != want || err != nil {
			t.Errorf("folded(%q) = %q, %v; want %q", name, got, err, want)
		}
	}
}
