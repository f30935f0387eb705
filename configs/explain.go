package configs

import "github.com/regate/regate/internal/problem"

// Explain gives lines to what was found wrong with the section at path when it
// was put to use, such as a certificate that does not fit its key. Its result
// is an *Error. The lines are those of the file as it is now: to keep it in
// memory for this would cost more than a line that is off by some.
func (f *File) Explain(path string, err error) error {
	root := &node{kind: mapping, line: 1}
	if data, err := contents(f.path); err == nil {
		if now, _ := parse(data, new(mistakes)); now != nil {
			root = now
		}
	}
	var all problem.List
	all.Under(path, err)
	var bad mistakes
	for _, p := range all {
		if !p.Warning {
			bad.addf(locate(root, p.Path), p.Path, "%s", p.Msg)
		}
	}
	return &Error{f.path, bad.inOrder()}
}
