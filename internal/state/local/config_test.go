package local

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var validateTests = []struct {
	name string
	cfg  Config
	want string
}{
	{"nothing", Config{}, ""},
	{"all", Config{Path: "./data", KeyFile: "/run/secrets/state"}, ""},
	{"spaces", Config{Path: "/data ", KeyFile: " "}, "path: \"/data \" begins or ends with a space\nkey_file: \" \" begins or ends with a space"},
	{"NUL", Config{Path: "/da\x00ta"}, "path: a path cannot hold a NUL byte"},
	{"database as key", Config{Path: "/data/", KeyFile: "/data/./regate.db"}, "key_file: /data/./regate.db is the database"},
}

func TestValidate(t *testing.T) {
	for _, test := range validateTests {
		t.Run(test.name, func(t *testing.T) {
			got := ""
			if err := test.cfg.Validate(); err != nil {
				got = err.Error()
			}
			if got != test.want {
				t.Errorf("%+v.Validate() = %q, want %q", test.cfg, got, test.want)
			}
		})
	}
}

func TestDir(t *testing.T) {
	for path, want := range map[string]string{"": "/var/lib/regate", "data/": "data"} {
		if got := (Config{Path: path}).Dir(); got != want {
			t.Errorf("Dir() of %q = %q, want %q", path, got, want)
		}
	}
}

func TestKey(t *testing.T) {
	dir := t.TempDir()
	made, err := Config{Path: dir}.Key()
	if err != nil {
		t.Fatal(err)
	}
	again, err := Config{Path: dir}.Key()
	if err != nil || again.ID() != made.ID() {
		t.Errorf("second Key() = %v, %v, want %v", again, err, made)
	}

	own := filepath.Join(dir, "own")
	if _, err := (Config{Path: dir, KeyFile: own}).Key(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Key() of a key_file that is not there = %v, want ErrNotExist", err)
	}
	if err := os.WriteFile(own, []byte(strings.Repeat("0f", 32)), 0o600); err != nil {
		t.Fatal(err)
	}
	if key, err := (Config{Path: dir, KeyFile: own}).Key(); err != nil || key.ID() == made.ID() {
		t.Errorf("Key() of a key_file = %v, %v, want a key that is not %v", key, err, made)
	}
}
