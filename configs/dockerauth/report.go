package dockerauth

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/regate/regate/internal/problem"
)

// A Kind says what became of something in the source.
type Kind string

// The kinds, the most pressing first.
const (
	Dangerous Kind = "dangerous"  // does not do what it seems to; whether here as there, the message says
	Open      Kind = "to fill in" // the source does not say it
	Changed   Kind = "changed"    // means something else here
	Needless  Kind = "not needed" // has no place here
	Kept      Kind = "as it was"  // means here what it means there
)

// kinds are all of them, the most pressing first.
var kinds = []Kind{Dangerous, Open, Changed, Needless, Kept}

// A Finding is what became of something in the source.
type Finding struct {
	Line int    `json:"line"` // in the source; 0 if it is about what is not there
	Last int    `json:"last"` // line that it is about
	Kind Kind   `json:"kind"`
	Path string `json:"path"` // of the key in the source; in the result if there is no line
	Msg  string `json:"message,omitempty"`
}

// A Report is what became of everything.
type Report []Finding

func (r *Report) add(line int, kind Kind, path, format string, args ...any) {
	*r = append(*r, Finding{Line: line, Last: line, Kind: kind, Path: path, Msg: problem.Printable(fmt.Sprintf(format, args...))})
}

// kept reports what is taken as it is.
func (r *Report) kept(line, last int, path string) {
	*r = append(*r, Finding{Line: line, Last: last, Kind: Kept, Path: path})
}

// silent reports whether nothing was said since there were so many findings.
func (r *Report) silent(since int) bool { return len(*r) == since }

// inOrder puts the findings in the order of the lines, and at the end what is
// about none.
func (r Report) inOrder() Report {
	slices.SortStableFunc(r, func(a, b Finding) int { return cmp.Compare(uint(a.Line-1), uint(b.Line-1)) })
	return r
}

// String is the report for people: the lines in their order, then how much
// there is of each kind.
func (r Report) String() string {
	var b strings.Builder
	count := make(map[Kind]int)
	for _, f := range r {
		count[f.Kind]++
	}
	lines := r.folded()
	for _, f := range lines {
		f.write(&b)
	}
	var summary []string
	for _, k := range kinds {
		if count[k] > 0 {
			summary = append(summary, fmt.Sprintf("%d %s", count[k], k))
		}
	}
	b.WriteString("\n" + strings.Join(summary, ", ") + "\n")
	if len(lines) > screenful && count[Dangerous] > 0 {
		b.WriteString("\nOnce more, what is dangerous:\n")
		for _, f := range lines {
			if f.Kind == Dangerous {
				f.write(&b)
			}
		}
	}
	return b.String()
}

// screenful is a report whose beginning may have gone by unseen.
const screenful = 30

func (f Finding) write(b *strings.Builder) {
	fmt.Fprintf(b, "%9s  %-10s  %s\n", f.lines(), f.Kind, printable(f.saying()))
}

func (f Finding) lines() string {
	switch {
	case f.Line == 0:
		return "-"
	case f.Last > f.Line:
		return fmt.Sprintf("%d-%d", f.Line, f.Last)
	}
	return strconv.Itoa(f.Line)
}

func (f Finding) saying() string {
	switch {
	case f.Msg == "":
		return f.Path
	case f.Path == "":
		return f.Msg
	}
	return f.Path + ": " + f.Msg
}

// folded is the report with one finding for several in a row that say of what
// follows each other that it is as it was: "users.a … users.z".
func (r Report) folded() Report {
	var folded Report
	var first string // path of the first in the row
	for _, f := range r {
		last := len(folded) - 1
		if last >= 0 && f.Kind == Kept && f.Msg == "" && folded[last].Kind == Kept && topmost(f.Path) == topmost(first) {
			folded[last].Last, folded[last].Path = f.Last, first+" … "+f.Path
			continue
		}
		first = f.Path
		folded = append(folded, f)
	}
	return folded
}

// topmost is the first key of a path.
func topmost(path string) string {
	if i := strings.IndexAny(path, ".["); i >= 0 {
		return path[:i]
	}
	return path
}
