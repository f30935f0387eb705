package configs

import (
	"fmt"
	"io"
	"os"
	"reflect"

	"github.com/regate/regate/internal/problem"
)

// A checked configuration knows what is wrong with it.
type checked interface{ Validate() error }

// read fills into, a pointer to a Config, from a file's bytes, and has it
// validated. It returns what is wrong and what is only worth a warning, both in
// the order of the lines.
func read(data []byte, into checked, env func(string) (string, bool)) (wrong, warnings []Mistake) {
	var bad, odd mistakes
	root, size := parse(data, &bad)
	if root == nil {
		return bad.list, nil
	}
	parsed := len(bad.list)
	d := decoder{env: env, bad: &bad, odd: &odd, left: size + maxCopies, fields: make(map[reflect.Type]*fields)}
	d.value(root, reflect.ValueOf(into).Elem(), "")
	said := mistakes{list: bad.list[parsed:], meant: bad.meant}
	for _, p := range found(into.Validate()) {
		switch {
		case said.touch(p.Path):
		case p.Warning && odd.full(), bad.full(): // too many warnings must not hide a mistake
		case p.Warning:
			odd.addf(locate(root, p.Path), p.Path, "%s", p.Msg)
		default:
			bad.addf(locate(root, p.Path), p.Path, "%s", p.Msg)
		}
	}
	return bad.inOrder(), odd.inOrder()
}

// found is what a Validate returned, as a list.
func found(err error) (all problem.List) {
	all.Under("", err)
	return all
}

// contents reads a file that may not be larger than maxFile.
func contents(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("%s is larger than %d MiB", path, maxFile>>20)
	}
	return data, nil
}
