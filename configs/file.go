package configs

import (
	"cmp"
	"crypto/sha256"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/regate/regate/acme"
	"github.com/regate/regate/authsvc"
	"github.com/regate/regate/internal/problem"
	"github.com/regate/regate/proxy"
	"github.com/regate/regate/proxy/upstream"
)

// A File is what regate.yaml says. It only joins the Config of each package,
// and knows of each no more than is needed to compare them.
type File struct {
	Listen     Listen                     `yaml:"listen"`
	TLS        acme.Config                `yaml:"tls"`
	Registries map[string]upstream.Config `yaml:"registries"`
	Routes     []proxy.RouteConfig        `yaml:"routes"`
	Catalog    proxy.CatalogConfig        `yaml:"catalog"`
	Auth       authsvc.Config             `yaml:"auth"`
	State      State                      `yaml:"state"`
	Log        Log                        `yaml:"log"`

	// Warnings are what Load found that is worth saying, but no reason to
	// refuse the file, in the order of its lines.
	Warnings []Mistake `yaml:"-"`

	path string
	seen Snapshot
}

// Load reads the file at path. What is wrong with it is an *Error with all of
// it; other errors say that it could not be read.
func Load(path string) (*File, error) { return load(path, os.LookupEnv) }

// LoadBeside is Load for a command that asks a gate, or its state, and has not
// the environment of one. A secret from a variable that is not set is "?", so
// nobody may be served by what it returns.
func LoadBeside(path string) (*File, error) {
	return load(path, func(name string) (string, bool) { return cmp.Or(os.Getenv(name), "?"), true })
}

func load(path string, env func(string) (string, bool)) (*File, error) {
	data, err := contents(path)
	if err != nil {
		return nil, err
	}
	f := defaults()
	f.path = path
	wrong, warnings := read(data, f, env)
	if len(wrong) > 0 {
		return nil, &Error{path, wrong}
	}
	f.Warnings = warnings
	f.seen = snapshot(f.Paths())
	f.seen[path] = sha256.Sum256(data)
	return f, nil
}

// defaults are there before the file is read where "" means something else
// than that a key is absent. Other sections have theirs from their packages.
func defaults() *File { return &File{Listen: defaultListen(), Log: defaultLog()} }

// Path is where the file was read.
func (f *File) Path() string { return f.path }

// Seen is what the files of Paths held when f was loaded, for Watcher.Follow.
func (f *File) Seen() Snapshot { return f.seen }

// ControlSocket is the path of the Unix socket, the default included.
func (f *File) ControlSocket() string {
	if f.Listen.Control != "" {
		return f.Listen.Control
	}
	return filepath.Join(f.State.Dir(), "control.sock")
}

// Validate says what is wrong with each section, and between them.
func (f *File) Validate() error {
	var bad problem.List
	bad.Under("listen", f.Listen.Validate())
	bad.Under("tls", f.TLS.Validate())
	for _, name := range f.registries() {
		bad.Under(problem.Key("registries", name), f.Registries[name].Validate())
	}
	bad.Under("catalog", f.Catalog.Validate())
	bad.Under("auth", f.Auth.Validate())
	bad.Under("state", f.State.Validate())
	bad.Under("log", f.Log.Validate())
	f.checkEntry(&bad)
	f.checkRoutes(&bad)
	f.checkUsers(&bad)
	f.checkTokens(&bad)
	f.checkCallbacks(&bad)
	return bad.Err()
}

// registries are the names of Registries, in order, so that mistakes always
// come in the same one.
func (f *File) registries() []string { return slices.Sorted(maps.Keys(f.Registries)) }
