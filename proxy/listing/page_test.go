package listing

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func names(format string, n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf(format, i)
	}
	return all
}

func only(ok func(name string) bool) Visible {
	return func(_ context.Context, names []string) (seen []string, _ error) {
		for _, n := range names {
			if ok(n) {
				seen = append(seen, n)
			}
		}
		return seen, nil
	}
}

// follow pages through all names as a client does.
func follow(t *testing.T, all []string, n int, visible Visible) (got []string, pages int) {
	t.Helper()
	after := ""
	for {
		page, err := NewPage(t.Context(), all, after, n, visible)
		if err != nil {
			t.Fatal(err)
		}
		pages++
		got = append(got, page.Names...)
		switch {
		case len(page.Names) > n:
			t.Fatalf("a page of %d has %d names", n, len(page.Names))
		case page.Next == "":
			return got, pages
		case Compare(page.Next, after) <= 0:
			t.Fatalf("the page after %q leads back to %q", after, page.Next)
		case page.Hidden != !slices.Contains(got, page.Next):
			t.Fatalf("the page after %q leads to %q, hidden is %v", after, page.Next, page.Hidden)
		}
		after = page.Next
	}
}

// Whatever is hidden, all pages together have what is visible, and nothing
// else, each once.
func TestPagesHaveAllThatIsVisible(t *testing.T) {
	for range 200 {
		all := names("r%05d", rand.IntN(3000))
		share := []float64{0, 0.01, 0.5, 1}[rand.IntN(4)]
		seen := make(map[string]bool)
		var want []string
		for _, name := range all {
			if rand.Float64() < share {
				seen[name] = true
				want = append(want, name)
			}
		}
		n := 1 + rand.IntN(200)
		if got, _ := follow(t, all, n, only(func(name string) bool { return seen[name] })); !slices.Equal(got, want) {
			t.Fatalf("%d of %d visible in pages of %d: got %d", len(want), len(all), n, len(got))
		}
	}
}

func TestLongHiddenRunEnds(t *testing.T) {
	all := slices.Concat(names("a%05d", 3), names("h%05d", 12_000), names("z%05d", 3))
	got, pages := follow(t, all, 1, only(func(n string) bool { return n[0] != 'h' }))
	if want := "a00000 a00001 a00002 z00000 z00001 z00002"; strings.Join(got, " ") != want {
		t.Errorf("got %v, want %s", got, want)
	}
	if pages > 10 {
		t.Errorf("%d pages for 6 names and a run of 12000", pages)
	}
}

// A full page leads on only if there is more to be seen, as far as that can be
// found out: a link from one that is the last would tell of hidden names.
func TestFullPageDoesNotTellWhatIsHidden(t *testing.T) {
	all := slices.Concat(names("a%d", 3), names("h%05d", mostExamined/2))
	page, err := NewPage(t.Context(), all, "", 3, only(func(n string) bool { return n[0] == 'a' }))
	if err != nil || len(page.Names) != 3 || page.Next != "" {
		t.Errorf("%d names, next %q, %v; want 3 and no next", len(page.Names), page.Next, err)
	}
}

// A page asks no more than it has to.
func TestPageIsBounded(t *testing.T) {
	all := names("r%06d", 100_000)
	asked := 0
	count := func(visible Visible) Visible {
		return func(ctx context.Context, names []string) ([]string, error) {
			asked += len(names)
			return visible(ctx, names)
		}
	}
	if _, err := NewPage(t.Context(), all, "", 10, count(only(func(string) bool { return true }))); err != nil || asked > 2*firstBatch {
		t.Errorf("for a page of 10, %d names were asked about (%v)", asked, err)
	}
	asked = 0
	if _, err := NewPage(t.Context(), all, "", 10, count(only(func(string) bool { return false }))); err != nil || asked > mostExamined+mostBatch {
		t.Errorf("for an empty page, %d names were asked about (%v)", asked, err)
	}
}

func TestSlowRulesEndThePage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		batches := 0
		slow := func(_ context.Context, names []string) ([]string, error) {
			batches++
			time.Sleep(mostTime + 1) // as a program takes
			return nil, nil
		}
		page, err := NewPage(t.Context(), names("r%06d", 10_000), "", 100, slow)
		if err != nil || batches != 1 || !page.Hidden {
			t.Errorf("%d batches, page %+v, %v; want one, which leads on", batches, page, err)
		}
	})
}

func TestPageOfNothing(t *testing.T) {
	all := names("r%d", 5)
	everything := only(func(string) bool { return true })
	for _, tt := range []struct {
		name, after string
		n, want     int
		next        string
	}{
		{"none wanted", "", 0, 0, ""},
		{"after the last", "r4", 10, 0, ""},
		{"after what is not there", "r2x", 10, 2, ""},
		{"just full", "", 5, 5, ""},
		{"one more", "", 4, 4, "r3"},
	} {
		page, err := NewPage(t.Context(), all, tt.after, tt.n, everything)
		if err != nil || len(page.Names) != tt.want || page.Next != tt.next {
			t.Errorf("%s: %+v, %v", tt.name, page, err)
		}
	}
	if _, err := NewPage(t.Context(), all, "", 1, func(context.Context, []string) ([]string, error) { return nil, errDown }); !errors.Is(err, errDown) {
		t.Errorf("rules that cannot be asked: %v", err)
	}
}

func TestSealHides(t *testing.T) {
	s, other := NewSeal([32]byte{1}), NewSeal([32]byte{2})
	for _, name := range []string{"a", "secret/project", strings.Repeat("x", 255)} {
		text := s.Hide(name, "dev@host")
		if strings.Contains(text, name) && len(name) > 1 || len(text) != len(s.Hide("a", "dev@host")) || text == s.Hide(name, "dev@host") {
			t.Errorf("Hide(%q) = %s", name, text)
		}
		if got, err := s.Reveal(text, "dev@host"); err != nil || got != name {
			t.Errorf("Reveal(Hide(%q)) = %q, %v", name, got, err)
		}
		if got, err := s.Reveal(text, "eve@host"); err == nil {
			t.Errorf("somebody else reads %q", got)
		}
		if got, err := other.Reveal(text, "dev@host"); err == nil {
			t.Errorf("another key reads %q", got)
		}
		if _, err := s.Reveal(text[:len(text)-1], "dev@host"); err == nil {
			t.Error("a text that was cut is taken")
		}
	}
	if got, err := s.Reveal("a/b", "dev@host"); err != nil || got != "a/b" {
		t.Errorf("Reveal of a plain name = %q, %v", got, err)
	}
	for _, bad := range []string{"~", "~~", "~AAAA", "~ "} {
		if _, err := s.Reveal(bad, ""); err == nil {
			t.Errorf("Reveal(%q) is taken", bad)
		}
	}
}
