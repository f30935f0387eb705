package configs

import "github.com/regate/regate/internal/problem"

// Explain gives lines to what was found wrong with the section at path when it
// was put to use, such as a certificate that does not fit its key. Its result
// is an *Error. The lines are those of the file as it is now: to keep it in
// memory for this would cost more than a line that is off by some.
func (f *File) Explain(path string, err error) error {
	var all problem.List
	all.Under(path, err)
	wrong, _ := f.located(all)
	return &Error{f.path, wrong}
}

// located gives lines to problems, the mistakes and the rest.
func (f *File) located(all problem.List) (wrong, odd []Mistake) {
	root := f.root()
	var bad, remarks mistakes
	for _, p := range all {
		if p.Warning {
			remarks.addf(locate(root, p.Path), p.Path, "%s", p.Msg)
		} else {
			bad.addf(locate(root, p.Path), p.Path, "%s", p.Msg)
		}
	}
	return bad.inOrder(), remarks.inOrder()
}

// Line is that of the value at path, or of the nearest one above it, in the
// file as it is now.
func (f *File) Line(path string) int { return locate(f.root(), path) }

func (f *File) root() *node {
	if data, err := contents(f.path); err == nil {
		if now, _ := parse(data, new(mistakes)); now != nil {
			return now
		}
	}
	return &node{kind: mapping, line: 1}
}
