package listing

import (
	"context"
	"slices"
	"time"
)

// What one page may cost. A rule is asked about each name, or even a program,
// and most names may be hidden from whoever asks: then the page ends early.
const (
	mostExamined = 5000
	mostTime     = 250 * time.Millisecond
	firstBatch   = 32
	mostBatch    = 512
)

// A Page is a part of what somebody may see of a listing.
type Page struct {
	Names []string
	Next  string // what the next page follows; "" if there is none
	// Hidden says that Next is none of Names: the page had to end among names
	// that whoever asks may not see, and must not learn.
	Hidden bool
}

// Visible returns those of names that somebody may see, in the same order.
type Visible func(ctx context.Context, names []string) ([]string, error)

// NewPage returns up to n of names that follow after, as far as they are
// visible. It always gets further, and does no more than so much. It looks for
// one more than n: that another page follows must not say that there is
// something which is hidden. The error is visible's.
func NewPage(ctx context.Context, names []string, after string, n int, visible Visible) (Page, error) {
	if n == 0 {
		return Page{}, nil
	}
	names = names[start(names, after):]
	ends := time.Now().Add(mostTime)
	var page Page
	examined := 0
	for batch := firstBatch; examined < len(names) && len(page.Names) <= n; batch = min(2*batch, mostBatch) {
		if examined >= mostExamined || examined > 0 && time.Now().After(ends) {
			break
		}
		part := names[examined:min(examined+batch, len(names))]
		seen, err := visible(ctx, part)
		if err != nil {
			return Page{}, err
		}
		page.Names = append(page.Names, seen...)
		examined += len(part)
	}
	page.end(names[:examined], examined < len(names), n)
	return page, nil
}

// end cuts the page to n and says what follows. more says that some names have
// not been examined.
func (p *Page) end(examined []string, more bool, n int) {
	switch {
	case len(p.Names) > n:
		p.Names = p.Names[:n]
		p.Next = p.Names[n-1]
	case more:
		p.Next = examined[len(examined)-1]
		p.Hidden = len(p.Names) == 0 || p.Names[len(p.Names)-1] != p.Next
	}
}

// start is where the names after the given one begin; "" is before all.
func start(names []string, after string) int {
	i, found := slices.BinarySearchFunc(names, after, Compare)
	if found {
		i++
	}
	return i
}
