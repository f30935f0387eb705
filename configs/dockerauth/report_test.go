package dockerauth

import (
	"strings"
	"testing"
)

// TestDangerIsRepeated at the end of a report that is longer than a screen.
func TestDangerIsRepeated(t *testing.T) {
	for lines, want := range map[int]int{screenful - 1: 1, screenful: 2} {
		var r Report
		r.add(1, Dangerous, "acl[0]", "lets everybody push")
		for i := range lines {
			r.add(i+2, Changed, "server", "is elsewhere")
		}
		text := r.String()
		if got := strings.Count(text, "acl[0]: lets everybody push"); got != want {
			t.Errorf("%d lines: said %d times, want %d\n%s", lines+1, got, want, text)
		}
		all := strings.Split(strings.TrimSpace(text), "\n")
		if last := strings.TrimSpace(all[len(all)-1]); want == 2 != strings.HasPrefix(last, "1  dangerous") {
			t.Errorf("%d lines: the last is %q", lines+1, last)
		}
	}
}
