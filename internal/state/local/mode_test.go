//go:build unix

package local

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// A dirInfo is a directory of any owner, which only root could make.
type dirInfo struct {
	fs.FileInfo
	mode fs.FileMode
	uid  int
}

func (d dirInfo) Mode() fs.FileMode { return fs.ModeDir | d.mode }
func (d dirInfo) Sys() any          { return &syscall.Stat_t{Uid: uint32(d.uid)} }

func TestSharedDirectory(t *testing.T) {
	self := os.Geteuid()
	for _, tt := range []struct {
		mode fs.FileMode
		uid  int
		want string // "" if it may be used
	}{
		{0o700, self, ""},
		{0o700, 0, ""},
		{0o755, self, ""},
		{0o770, self, ""},
		{0o702, self, "chmod o-w /data"},
		{0o777, 0, "chmod o-w /data"},
		{fs.ModeSticky | 0o777, self, "chmod o-w /data"},
		{0o700, self + 1, fmt.Sprintf("belongs to user %d", self+1)},
		{0o755, self + 1, "run it as "},
	} {
		err := refuseShared("/data", dirInfo{mode: tt.mode, uid: tt.uid})
		if tt.want == "" && err != nil {
			t.Errorf("mode %v of user %d: %v, want nil", tt.mode, tt.uid, err)
		}
		if tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("mode %v of user %d: %v, want %q in it", tt.mode, tt.uid, err, tt.want)
		}
	}
}

// TestMend: root, who looks after a gate, must not take its directory away.
func TestMend(t *testing.T) {
	const nobody, known = 4_000_000, "root"
	for _, tt := range []struct {
		uid, self int
		want      string
	}{
		{nobody, 1000, "run it as user 4000000, or chown 1000 /data"},
		{nobody, 0, "run it as user 4000000"},
		{0, 0, "run it as that user: runuser -u " + known + " -- regate …"},
	} {
		if got := mend("/data", tt.uid, tt.self); got != tt.want {
			t.Errorf("mend of %d by %d = %q, want %q", tt.uid, tt.self, got, tt.want)
		}
	}
}

func TestOpenRefusesSharedDirectory(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), Config{Path: dir}, nil); err == nil || !strings.Contains(err.Error(), "chmod o-w "+dir) {
		t.Errorf("Open in a directory that everybody may write to = %v, want what to do", err)
	}
	if _, err := os.Stat(filepath.Join(dir, dbFile)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a database was made there (%v)", err)
	}
}

var wideModeTests = []struct {
	name    string
	file    string // in the directory, "" is the directory
	mode    fs.FileMode
	keyFile string
	want    string // part of the only warning
}{
	{"private", "", 0o700, "", ""},
	{"readable directory", "", 0o755, "", ""},
	{"directory of a group", "", 0o770, "", "state directory can be written by its group"},
	{"readable database", dbFile, 0o640, "", "state file is open to other users"},
	{"key of a group", keyFile, 0o640, "", "state key is open to other users"},
	{"readable key", keyFile, 0o604, "", "state key is open to other users"},
	{"readable key_file", "mine", 0o644, "mine", "state key is open to other users"},
	{"private key_file", "mine", 0o400, "mine", ""},
}

func TestOpenWarnsOfWideModes(t *testing.T) {
	for _, tt := range wideModeTests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := Config{Path: newDir(t)}
			makeState(t, cfg)
			if tt.keyFile != "" {
				cfg.KeyFile = filepath.Join(cfg.Path, tt.keyFile)
				if err := os.WriteFile(cfg.KeyFile, nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Chmod(filepath.Join(cfg.Path, tt.file), tt.mode); err != nil {
				t.Fatal(err)
			}
			got := warnings(t, cfg)
			if tt.want == "" && len(got) > 0 || tt.want != "" && (len(got) != 1 || !strings.Contains(got[0], tt.want)) {
				t.Errorf("warnings %q, want %q", got, tt.want)
			}
		})
	}
}

// makeState makes the state of cfg and its key, as a first start does.
func makeState(t *testing.T, cfg Config) {
	t.Helper()
	s, err := Open(t.Context(), cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = cfg.Key()
	if err := errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
}

// warnings are the messages that Open logs.
func warnings(t *testing.T, cfg Config) []string {
	t.Helper()
	core, logs := observer.New(zap.WarnLevel)
	s, err := Open(t.Context(), cfg, zap.New(core))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	var msgs []string
	for _, entry := range logs.All() {
		msgs = append(msgs, entry.Message)
	}
	return msgs
}
