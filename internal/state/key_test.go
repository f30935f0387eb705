package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

var keyTests = []struct {
	name    string
	text    string
	wantErr string
}{
	{"good", strings.Repeat("0123456789abcdef", 4), ""},
	{"capitals and a line's end", strings.Repeat("0123456789ABCDEF", 4) + "\n", ""},
	{"empty", "", "a key has 64 hexadecimal characters, not 0"},
	{"short", "secret", "a key has 64 hexadecimal characters, not 6"},
	{"long", strings.Repeat("0", 66), "a key has 64 hexadecimal characters, not 66"},
	{"no hexadecimal", strings.Repeat("secret!!", 8), "a key has 64 hexadecimal characters, and one of these is none"},
	{"two lines", strings.Repeat("0", 31) + "\n" + strings.Repeat("0", 32), "a key has 64 hexadecimal characters, and one of these is none"},
}

func TestParseKey(t *testing.T) {
	for _, test := range keyTests {
		t.Run(test.name, func(t *testing.T) {
			_, err := ParseKey(test.text)
			if fmt.Sprint(err) != test.wantErr && (err != nil || test.wantErr != "") {
				t.Errorf("ParseKey() = %v, want %q", err, test.wantErr)
			}
		})
	}
	one, _ := ParseKey(keyTests[0].text)
	two, _ := ParseKey(keyTests[1].text)
	if one.ID() != two.ID() || one.ID() == testKey(t, 1).ID() {
		t.Errorf("IDs %v and %v of one key, %v of another", one, two, testKey(t, 1))
	}
}

func TestKeyIsNotPrinted(t *testing.T) {
	key := testKey(t, 1)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q", "%d"} {
		if got := fmt.Sprintf(verb, key); got != key.ID() {
			t.Errorf("Sprintf(%q) = %q, want the ID", verb, got)
		}
	}
	if got, err := json.Marshal([]any{key}); err != nil || string(got) != "[{}]" {
		t.Errorf("Marshal() = %s, %v, want [{}]", got, err)
	}
}

func TestEnsureKey(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "state.key")
	if _, err := LoadKey(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("LoadKey of nothing = %v, want ErrNotExist", err)
	}

	var ids sync.Map // everyone who comes at once gets the same key
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			key, err := EnsureKey(path)
			if err != nil {
				t.Error(err)
			}
			ids.Store(key.ID(), true)
		})
	}
	wg.Wait()
	key, err := LoadKey(path)
	if err != nil {
		t.Fatal(err)
	}
	ids.Delete(key.ID())
	ids.Range(func(id, _ any) bool {
		t.Errorf("EnsureKey() = %v, and the file holds %v", id, key)
		return true
	})
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("the key's mode is %v, %v, want 0600", info.Mode(), err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("%d files in the directory, %v, want the key alone", len(left), err)
	}
}

func TestEnsureKeyKeepsWhatItCannotRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.key")
	if err := os.WriteFile(path, []byte("half a k"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := EnsureKey(path)
	if err == nil || !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), "half") {
		t.Errorf("EnsureKey() = %v, want an error with the path and without the text", err)
	}
	if text, _ := os.ReadFile(path); string(text) != "half a k" {
		t.Errorf("the file now holds %q", text)
	}
	if _, err := EnsureKey(filepath.Join(path, "state.key")); err == nil {
		t.Error("EnsureKey below a file = nil, want an error")
	}
}
