package redis

import (
	"path"
	"strings"
	"testing"
)

var nameTests = []struct{ key, value string }{
	{"a", "rg:{a}"},
	{"a/", "rg:{a/}"},
	{"secret/id", "rg:{secret/id}"},
	{"owner/alice/id", "rg:{owner/alice}:id"},
	{"owner/alice/", "rg:{owner/alice}:"},
	{"tls/certificates/ca/a.example.com/bundle", "rg:{tls/certificates}:ca/a.example.com/bundle"},
	{"a/b}:c", "rg:{a/b%7D:c}"},
	{"a/b/c}", "rg:{a/b}:c}"},
	{"a/{b}/c", "rg:{a/%7Bb%7D}:c"},
	{"a/100%25/c", "rg:{a/100%2525}:c"},
	{"", "rg:{}"},
}

func TestNames(t *testing.T) {
	n := names{defaultPrefix}
	for _, tt := range nameTests {
		if got := n.value(tt.key); got != tt.value {
			t.Errorf("value(%q) = %q, want %q", tt.key, got, tt.value)
		}
		if got, ok := n.key(tt.value); !ok || got != tt.key {
			t.Errorf("key(%q) = %q, %v, want %q", tt.value, got, ok, tt.key)
		}
	}
	for _, other := range []string{"", "rg:", "rg:{a", "rg:{a}b", "rg:lease:{a}", "rg2:{a}", "{a}", "rg:{%zz}", "rg:inval"} {
		if got, ok := n.key(other); ok {
			t.Errorf("key(%q) = %q, want none", other, got)
		}
	}
}

// FuzzNames: two keys never share a name, which a key that comes back says, and
// a key is always found by its beginnings.
func FuzzNames(f *testing.F) {
	for _, tt := range nameTests {
		f.Add(tt.key, 1)
	}
	f.Add(`a*/[b]?^\/c`, 5)
	f.Fuzz(func(t *testing.T, key string, cut int) {
		n := names{defaultPrefix}
		name := n.value(key)
		if got, ok := n.key(name); !ok || got != key {
			t.Fatalf("key(value(%q)) = %q, %v", key, got, ok)
		}
		if strings.Count(name[:len("rg:{")], "{") != 1 {
			t.Errorf("value(%q) = %q does not begin with what decides on its slot", key, name)
		}
		prefix := key[:min(max(cut, 0), len(key))]
		if _, _, deep := splitGroup(prefix); deep {
			return // the index is asked
		}
		flat := strings.NewReplacer("/", "|") // at which path.Match does not stop
		pattern := n.pattern(prefix)
		if ok, err := path.Match(flat.Replace(pattern), flat.Replace(name)); err != nil || !ok {
			t.Errorf("pattern(%q) = %q does not match %q (%v)", prefix, pattern, name, err)
		}
	})
}
