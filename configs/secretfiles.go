package configs

import (
	"bytes"
	"os"
	"reflect"
	"strings"

	"github.com/regate/regate/internal/problem"
)

// Remarks are about the files that f names, in the order of its lines: what is
// worth saying, but no reason to refuse them. More says what others found at
// their keys; nil is nothing.
func (f *File) Remarks(more error) []Mistake {
	var all problem.List
	for _, s := range secretFiles(reflect.ValueOf(f).Elem(), "") {
		remarkSecret(&all, s)
	}
	all.Under("", more)
	_, odd := f.located(all)
	return odd
}

// A secretFile is a file that holds a secret and nothing else.
type secretFile struct{ key, path string }

// secretFiles finds those that v names, a value of a Config at this path: each
// …_file beside a field for the secret itself, and what has the tag secret:"yes"
// because it stands in a file alone.
func secretFiles(v reflect.Value, path string) (all []secretFile) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			return secretFiles(v.Elem(), path)
		}
	case reflect.Struct:
		known := fieldsOf(v.Type())
		for _, name := range known.names {
			field, below := v.FieldByIndex(known.index[name]), problem.Key(path, name)
			if namesSecret(v.Type(), known, name) && field.String() != "" {
				all = append(all, secretFile{below, field.String()})
			}
			all = append(all, secretFiles(field, below)...)
		}
	case reflect.Slice:
		for i := range v.Len() {
			all = append(all, secretFiles(v.Index(i), indexPath(path, i))...)
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			all = append(all, secretFiles(v.MapIndex(k), problem.Key(path, k.String()))...)
		}
	}
	return all
}

// namesSecret reports whether a field of t is the path of such a file.
func namesSecret(t reflect.Type, known *fields, name string) bool {
	if t.FieldByIndex(known.index[name]).Tag.Get("secret") == "yes" {
		return true
	}
	beside, isFile := strings.CutSuffix(name, "_file")
	at := known.index[beside]
	return isFile && at != nil && t.FieldByIndex(at).Type == secretType
}

// remarkSecret looks at one. That it cannot be read is said by whoever needs it.
func remarkSecret(l *problem.List, s secretFile) {
	const everybody = 0o004
	info, err := os.Stat(s.path)
	if err != nil || !info.Mode().IsRegular() {
		return
	}
	if info.Mode().Perm()&everybody != 0 {
		l.Warnf(s.key, "everybody on this machine can read %s: chmod o-r it", s.path)
	}
	text, err := contents(s.path)
	if err == nil && bytes.ContainsRune(bytes.TrimSpace(text), '\n') {
		l.Warnf(s.key, "%s has several lines, and all of them together are taken for the secret", s.path)
	}
}
