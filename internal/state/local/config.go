package local

import (
	"path/filepath"
	"strings"

	"github.com/regate/regate/internal/problem"
	"github.com/regate/regate/internal/state"
)

const (
	defaultPath = "/var/lib/regate"
	dbFile      = "regate.db"
	keyFile     = "state.key"
)

// Config is the section state: of a gate that runs alone.
type Config struct {
	// Path is the directory that keeps what the gate must find again after a
	// restart: certificates, keys, secrets. It is made with mode 0700 if it is
	// not there. It must not be on a network file system, and must belong to
	// the user of the gate or to root, with no right for everybody to write to
	// it. Default /var/lib/regate. Only one process can use it at a time.
	Path string `yaml:"path"`

	// KeyFile holds 64 hexadecimal characters ("openssl rand -hex 32"): the
	// key that private keys are encrypted with inside the state. It must exist.
	// By default it is state.key in Path, made at the first start; that
	// protects copies of the database alone, so back the two up apart, or keep
	// the file elsewhere. Without it the certificates and token keys in the
	// state are lost.
	KeyFile string `yaml:"key_file" file:"no"`
}

func (c Config) withDefaults() Config {
	if c.Path == "" {
		c.Path = defaultPath
	}
	return c
}

// Validate returns every mistake as a problem.List. It opens nothing.
func (c Config) Validate() error {
	var p problem.List
	checkPath(&p, "path", c.Path)
	checkPath(&p, "key_file", c.KeyFile)
	if c.KeyFile != "" && filepath.Clean(c.KeyFile) == c.dbPath() {
		p.Addf("key_file", "%s is the database", c.KeyFile)
	}
	return p.Err()
}

func checkPath(p *problem.List, key, path string) {
	switch {
	case strings.ContainsRune(path, 0):
		p.Addf(key, "a path cannot hold a NUL byte")
	case strings.TrimSpace(path) != path:
		p.Addf(key, "%q begins or ends with a space", path)
	}
}

// Dir is the directory of the state, the default included.
func (c Config) Dir() string { return filepath.Clean(c.withDefaults().Path) }

func (c Config) dbPath() string { return filepath.Join(c.Dir(), dbFile) }

// Key returns the key for state.Seal. Only the key in the default place is
// made if it is not there: a misspelt key_file must not become a new key. Open
// comes before, because it makes the directory and keeps other processes out.
func (c Config) Key() (state.Key, error) {
	if c.KeyFile != "" {
		return state.LoadKey(c.KeyFile)
	}
	return state.EnsureKey(c.KeyPath())
}

// KeyPath is where the key is read, the default included.
func (c Config) KeyPath() string {
	if c.KeyFile != "" {
		return c.KeyFile
	}
	return filepath.Join(c.Dir(), keyFile)
}
