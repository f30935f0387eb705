package configs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A broken file says in its first lines what must be said about it:
// "# want: LINE: PATH: MESSAGE" for a mistake, "# warn: …" for a warning.
func TestBrokenFiles(t *testing.T) {
	for _, path := range glob(t, "testdata/*.yaml") {
		t.Run(filepath.Base(path), func(t *testing.T) {
			data, err := os.ReadFile(path)
			must(t, err)
			want := regexp.MustCompile(`(?m)^# want: (.*)$`).FindAllStringSubmatch(string(data), -1)
			if len(want) == 0 {
				t.Fatal("the file does not say what is wrong with it")
			}
			var lines []string
			for _, w := range want {
				lines = append(lines, path+":"+w[1])
			}
			_, err = load(path, noEnv)
			var wrong *Error
			if !errors.As(err, &wrong) || err.Error() != strings.Join(lines, "\n") {
				t.Errorf("Load(%s) =\n%v\nwant\n%s", path, err, strings.Join(lines, "\n"))
			}
		})
	}
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	must(t, err)
	if len(paths) == 0 {
		t.Fatalf("no file is called %s", pattern)
	}
	return paths
}

func TestSamplesLoad(t *testing.T) {
	for _, path := range append(glob(t, "*.yaml"), glob(t, "examples/*.yaml")...) {
		f, err := load(path, noEnv)
		if err != nil {
			t.Error(err)
		} else if len(f.Warnings) > 0 {
			t.Errorf("warnings: %s", strings.Join(Lines(path, f.Warnings), "\n"))
		}
	}
}

// commentedKey is a key that the sample leaves out: "#key:", "#- key:" or
// "#- [" without a space after the mark, which prose has.
var commentedKey = regexp.MustCompile(`(?m)^( *)#([a-z_"-])`)

// A schema is a File whose values may contradict each other.
type schema File

func (*schema) Validate() error { return nil }

// The sample documents every key that there is: with its commented keys put in
// it can be read, and each field of each Config stands in it.
func TestSampleHasEveryKey(t *testing.T) {
	data, err := os.ReadFile("regate.yaml")
	must(t, err)
	full := commentedKey.ReplaceAll(data, []byte("$1$2"))
	wrong, _ := read(full, new(schema), func(name string) (string, bool) { return "value of " + name, true })
	if len(wrong) > 0 {
		t.Errorf("with all keys: %s", said(wrong))
	}
	root, _ := parse(full, new(mistakes))
	missing := absent(reflect.TypeFor[File](), []*node{root}, "")
	if len(missing) > 0 {
		t.Errorf("regate.yaml has no %q", missing)
	}
}

// absent returns the paths of the keys of t that none of these nodes has.
func absent(t reflect.Type, nodes []*node, path string) (paths []string) {
	switch t.Kind() {
	case reflect.Pointer:
		return absent(t.Elem(), nodes, path)
	case reflect.Slice, reflect.Map:
		var below []*node
		for _, n := range nodes {
			if n.kind == mapping && t.Implements(singleType) {
				below = append(below, n)
				continue
			}
			below = append(below, n.items...)
			for _, e := range n.entries {
				below = append(below, e.val)
			}
		}
		return absent(t.Elem(), below, path+"[]")
	}
	for name, index := range fieldsOf(t).index {
		var below []*node
		for _, n := range nodes {
			for _, e := range n.entries {
				if e.key == name {
					below = append(below, e.val)
				}
			}
		}
		if len(below) == 0 {
			paths = append(paths, path+"."+name)
			continue
		}
		paths = append(paths, absent(t.FieldByIndex(index).Type, below, path+"."+name)...)
	}
	return paths
}

// Every exported field of a Config has a key or says that it has none, and a
// type that the decoder reads.
func TestSchema(t *testing.T) {
	checkType(t, reflect.TypeFor[File](), "File")
}

func checkType(t *testing.T, typ reflect.Type, path string) {
	switch typ.Kind() {
	case reflect.Pointer, reflect.Slice:
		checkType(t, typ.Elem(), path)
	case reflect.Map:
		if typ.Key().Kind() != reflect.String {
			t.Errorf("%s: a mapping with keys of type %s cannot be read", path, typ.Key())
		}
		checkType(t, typ.Elem(), path)
	case reflect.Struct:
		if isText(typ) && len(fieldsOf(typ).names) == 0 {
			return
		}
		for i := range typ.NumField() {
			field := typ.Field(i)
			if field.IsExported() && field.Tag.Get("yaml") == "" {
				t.Errorf("%s.%s has no yaml tag", path, field.Name)
			}
			if field.IsExported() && field.Tag.Get("yaml") != "-" {
				checkType(t, field.Type, path+"."+field.Name)
			}
		}
	case reflect.String, reflect.Bool, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
	default:
		t.Errorf("%s is a %s, which cannot be read", path, typ)
	}
}

func TestLoadOfNoFile(t *testing.T) {
	dir := t.TempDir()
	large := filepath.Join(dir, "large.yaml")
	write(t, large, strings.Repeat("#", maxFile+1))
	for path, want := range map[string]string{
		filepath.Join(dir, "none.yaml"): fmt.Sprintf("open %s/none.yaml: no such file or directory", dir),
		dir:                             fmt.Sprintf("read %s: is a directory", dir),
		large:                           large + " is larger than 4 MiB",
	} {
		if _, err := Load(path); err == nil || err.Error() != want {
			t.Errorf("Load(%s) = %v, want %s", path, err, want)
		}
	}
}

func TestPaths(t *testing.T) {
	f, err := load("testdata/paths/regate.yaml", noEnv)
	must(t, err)
	want := []string{"/etc/regate/tls.key", "/etc/regate/tls.pem", "a-ca.pem", "a-password", "a.key", "a.pem", "account.key", "ca-roots.pem", "client-ca.pem", "eab-key", "htpasswd", "ldap-ca.pem", "ldap-password", "people-ca.pem", "root.key", "root.pem", "testdata/paths/regate.yaml", "tsig"}
	if got := f.Paths(); !slices.Equal(got, want) {
		t.Errorf("Paths() = %q, want %q", got, want)
	}
	if now := snapshot(want); !f.Seen().equal(now) {
		t.Errorf("Seen() = %v, want %v", f.Seen(), now)
	}
}

// Variables that are called like what rules, filters and hashes hold change
// nothing in them; only a secret takes one.
func TestNothingElseIsSubstituted(t *testing.T) {
	const (
		hash   = "$2y$10$7PvUGuHQw5XPqj.cMiohnehFg0/VWiE1wv0ZF/6w.rWbHyWGbEpau"
		filter = "(&(uid=${account})(!(x=$2y$)))"
	)
	for _, name := range []string{"account", "2y", "SECRET"} {
		t.Setenv(name, "from the environment")
	}
	path := filepath.Join(t.TempDir(), "regate.yaml")
	write(t, path, "tls: {hosts: [r.example.com], mode: internal}\n"+
		"registries: {a: {upstreams: [\"http://10.0.0.1\"], auth: {mode: basic, username: $account, password: \"${env:SECRET}\"}}}\n"+
		"auth:\n  users: {u: {password: "+hash+"}}\n"+
		"  acl: [{match: {account: \"/.+/\", name: \"${account}/*\"}, actions: [\"*\"], comment: '"+filter+"'}]\n")
	f, err := Load(path)
	must(t, err)
	for got, want := range map[string]string{
		f.Auth.Users["u"].Password:               hash,
		*f.Auth.ACL[0].Match.Name:                "${account}/*",
		f.Auth.ACL[0].Comment:                    filter,
		f.Registries["a"].Auth.Username:          "$account",
		f.Registries["a"].Auth.Password.Reveal(): "from the environment",
	} {
		if got != want {
			t.Errorf("read %q, want %q", got, want)
		}
	}
}

// No file brings the Validate of any Config down, whatever it got of the file.
func FuzzFile(f *testing.F) {
	for _, pattern := range []string{"*.yaml", "examples/*.yaml", "testdata/*.yaml", "testdata/*/*.yaml"} {
		paths, _ := filepath.Glob(pattern)
		for _, path := range paths {
			data, err := os.ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	f.Fuzz(func(_ *testing.T, data []byte) {
		file := defaults()
		if wrong, _ := read(data, file, noEnv); len(wrong) == 0 {
			file.Paths()
		}
	})
}
