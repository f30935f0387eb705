package testbed

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// A Version is a generation of the registry, named as people name its image.
type Version string

// The registries that exist in the field: Debian's build of distribution 2.8,
// and distribution 3.
const (
	Registry2 Version = "registry:2"
	Registry3 Version = "registry:3"
)

// Versions lists both.
var Versions = []Version{Registry2, Registry3}

func (v Version) program() string {
	if v == Registry2 {
		return "docker-registry"
	}
	return "registry"
}

// A Registry is a running registry with a store of its own.
type Registry struct {
	*Process
	Addr string // 127.0.0.1:PORT
	URL  string // http://127.0.0.1:PORT
}

// RegistryConfig says how a registry is set up.
type RegistryConfig struct {
	Version Version
	Addr    string // where it listens; "" chooses a port
	Auth    string // its auth section as flow YAML, e.g. {htpasswd: {…}}; "" for none
	HTTP    string // more keys of its http section, each line indented by two
	Path    string // where /v2/ is, if HTTP has a prefix
	Store   string // the folder of its store, for registries that share one; "" is one of its own
	Storage string // where its store is instead, as flow YAML, e.g. {s3: {…}}
	Secret  string // what it signs the state of uploads with; "" is the same for all
}

// StartRegistry starts a registry and waits until it answers.
func StartRegistry(t testing.TB, cfg RegistryConfig) *Registry {
	t.Helper()
	if cfg.Addr == "" {
		cfg.Addr = LocalAddr()
	}
	dir := Dir(t)
	file := write(t, filepath.Join(dir, "config.yml"), cfg.yaml(dir))
	r := &Registry{Addr: cfg.Addr, URL: "http://" + cfg.Addr}
	r.Process = Start(t, Command{
		Program: cfg.Version.program(),
		Args:    []string{"serve", file},
		Env:     []string{"OTEL_TRACES_EXPORTER=none"}, // 3.x looks for a collector otherwise
		Dir:     dir,
	})
	r.Await(t, func() error { return answers(http.DefaultClient, r.URL+cfg.Path+"/v2/", 200, 401) })
	return r
}

func (cfg RegistryConfig) yaml(dir string) string {
	if cfg.Store == "" {
		cfg.Store = filepath.Join(dir, "store")
	}
	if cfg.Storage == "" {
		cfg.Storage = fmt.Sprintf("{filesystem: {rootdirectory: %s}}", cfg.Store)
	}
	storage := strings.TrimSuffix(cfg.Storage, "}") + ", delete: {enabled: true}}"
	if cfg.Secret == "" {
		cfg.Secret = "testbed"
	}
	text := fmt.Sprintf(`version: 0.1
log: {level: info, accesslog: {disabled: false}}
storage: %s
http:
  addr: %s
  secret: %s
%s
`, storage, cfg.Addr, cfg.Secret, cfg.HTTP)
	if cfg.Auth != "" {
		text += "auth: " + cfg.Auth + "\n"
	}
	return text
}

// Htpasswd returns the auth section of a registry that asks for one user.
func Htpasswd(t testing.TB, user, password string) string {
	t.Helper()
	file := write(t, filepath.Join(Dir(t), "htpasswd"), user+":"+Bcrypt(t, password)+"\n")
	return fmt.Sprintf("{htpasswd: {realm: registry, path: %s}}", file)
}

// Bcrypt returns the hash of a password, as htpasswd makes it.
func Bcrypt(t testing.TB, password string) string {
	t.Helper()
	Secret(password)
	line := Run(t, Command{Program: "htpasswd", Args: []string{"-nbBC", "5", "", password}, Dir: Dir(t)})
	return strings.TrimPrefix(strings.TrimSpace(line), ":")
}

// TokenAuth returns the auth section of a registry that asks for tokens.
func TokenAuth(realm, issuer, service, root string) string {
	return fmt.Sprintf("{token: {realm: %q, issuer: %q, service: %q, rootcertbundle: %q}}", realm, issuer, service, root)
}
