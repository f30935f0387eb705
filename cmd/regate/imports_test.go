package main

import (
	"encoding/json"
	"go/parser"
	"go/token"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/regate/regate/"

// mayImport is the picture of the module: which of our packages each package
// may import. Everybody may import those in everywhere.
var mayImport = map[string][]string{
	"internal/oci":                   {},
	"internal/state":                 {},
	"internal/state/local":           {"internal/state"},
	"internal/state/redis":           {"internal/state"},
	"internal/state/redis/redistest": {}, // for tests
	"internal/state/statetest":       {"internal/state"},
	"internal/keyring":               {"internal/state"},
	"internal/edge":                  {"internal/oci"},
	"internal/metrics":               {},
	"internal/connlimit":             {},
	"internal/h2guard":               {},
	"internal/proxyproto":            {},
	"internal/systemd":               {},
	"internal/cache":                 {},
	"internal/network":               {},
	"internal/problem":               {},
	"internal/trust":                 {},
	"proxy/upstream":                 {"internal/oci", "internal/connlimit", "authsvc/authn", "proxy/upstream/..."}, // authn for Secret alone
	"proxy/upstream/storage":         {},
	"proxy/upstream/remote":          {"internal/oci", "authsvc/authn"}, // authn for Secret alone
	"proxy/listing":                  {"internal/oci"},
	"proxy":                          {"internal/oci", "internal/edge", "internal/connlimit", "proxy/..."},
	"acme":                           {"internal/state", "internal/keyring", "acme/...", "authsvc/authn"}, // authn for Secret alone
	"acme/acmestub":                  {},                                                                  // for tests
	"acme/client":                    {},
	"acme/dns":                       {},
	"authsvc/authn":                  {},
	"authsvc/password":               {"authsvc/authn"},
	"authsvc/authn/static":           {"authsvc/authn", "authsvc/password"},
	"authsvc/authn/ldap":             {"authsvc/authn"},
	"authsvc/authn/ldap/ldaptest":    {}, // for tests
	"authsvc/authn/htpasswd":         {"authsvc/authn", "authsvc/password"},
	"authsvc/authn/cert":             {"authsvc/authn"},
	"authsvc/authn/workload":         {"authsvc/authn", "authsvc/idp"},
	"authsvc/acl":                    {"authsvc/authn", "internal/oci"},
	"authsvc/ext":                    {"authsvc/authn", "authsvc/acl", "internal/oci"}, // who says who somebody is may say what they may
	"authsvc/idp":                    {"authsvc/authn"},
	"authsvc/narrow":                 {"authsvc/authn", "internal/oci"},
	"authsvc/secret":                 {"internal/state", "authsvc/authn", "authsvc/narrow"},
	"authsvc/sqldb":                  {"authsvc/authn", "authsvc/acl", "authsvc/password"}, // users and rules of one database
	"authsvc/browser":                {"authsvc/authn", "authsvc/idp", "authsvc/narrow", "authsvc/secret", "internal/edge", "internal/oci", "internal/state"},
	"authsvc/token":                  {"internal/oci", "internal/state", "internal/keyring"},
	"authsvc/mongo":                  {"authsvc/authn", "authsvc/acl", "authsvc/password"},
	"authsvc/casbin":                 {"authsvc/authn", "authsvc/acl", "internal/oci"},
	"authsvc/guard":                  {"internal/state"},
	"authsvc":                        {"authsvc/...", "internal/oci", "internal/edge", "internal/state"},
	"configs":                        {"..."},
	"configs/dockerauth":             {"configs", "acme", "authsvc/...", "internal/oci"}, // for their Config types
	"cmd/internal/gate":              {"..."},
	"cmd/regate":                     {"..."},
	"cmd/regate-standalone":          {"..."},
}

var everywhere = []string{"internal/metrics", "internal/cache", "internal/network", "internal/problem"}

// onlyImporter is who alone may import a third-party package.
var onlyImporter = map[string][]string{
	"github.com/prometheus/":               {"internal/metrics"},
	"github.com/maypok86/otter/":           {"internal/cache"},
	"github.com/pires/":                    {"internal/proxyproto"},
	"go.etcd.io/bbolt":                     {"internal/state/local"},
	"github.com/redis/go-redis/":           {"internal/state/redis"},
	"golang.org/x/crypto/bcrypt":           {"authsvc/password"},
	"github.com/go-ldap/":                  {"authsvc/authn/ldap", "authsvc/authn/ldap/ldaptest"},
	"github.com/go-asn1-ber/":              {"authsvc/authn/ldap", "authsvc/authn/ldap/ldaptest"},
	"github.com/jackc/":                    {"authsvc/sqldb"},
	"github.com/go-sql-driver/":            {"authsvc/sqldb"},
	"modernc.org/":                         {"authsvc/sqldb"},
	"github.com/golang-jwt/":               {"authsvc/token"},
	"go.mongodb.org/":                      {"authsvc/mongo"},
	"github.com/casbin/":                   {"authsvc/casbin"},
	"github.com/coreos/go-oidc/":           {"authsvc/idp"},
	"github.com/go-jose/":                  {"authsvc/idp"},
	"golang.org/x/oauth2":                  {"authsvc/idp"},
	"golang.org/x/text/unicode/norm":       {"authsvc/guard"},
	"github.com/caddyserver/certmagic":     {"acme", "acme/client"},
	"github.com/mholt/acmez/":              {"acme", "acme/client"},
	"github.com/libdns/":                   {"acme/dns"},
	"github.com/aws/":                      {"acme/dns"},
	"gopkg.in/yaml.v3":                     {"configs", "configs/dockerauth"},
	"github.com/fsnotify/":                 {"configs"},
	"github.com/spf13/cobra":               {"cmd/regate"},
	"github.com/distribution/distribution": {"cmd/regate-standalone"},
	"github.com/sirupsen/logrus":           {"cmd/regate-standalone"},
}

// A pkg is what `go list` says of a package.
type pkg struct {
	ImportPath string
	Dir        string
	GoFiles    []string
	Imports    []string
}

func (p pkg) name() string { return strings.TrimPrefix(p.ImportPath, module) }

func packages(t *testing.T) []pkg {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Dir,GoFiles,Imports", module+"...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); dec.More(); {
		var p pkg
		if err := dec.Decode(&p); err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}

func TestImports(t *testing.T) {
	for _, p := range packages(t) {
		allowed, known := mayImport[p.name()]
		if !known {
			t.Errorf("%s is not in the picture: add it, and say what it may import", p.name())
			continue
		}
		for _, path := range p.Imports {
			if ours, ok := strings.CutPrefix(path, module); ok && !slices.Contains(everywhere, ours) && !contains(allowed, ours) {
				t.Errorf("%s imports %s", p.name(), ours)
			}
			for third, importers := range onlyImporter {
				if strings.HasPrefix(path, third) && !slices.Contains(importers, p.name()) {
					t.Errorf("%s imports %s, which only %v may", p.name(), path, importers)
				}
			}
		}
	}
}

// contains understands "..." at the end of an entry.
func contains(allowed []string, name string) bool {
	return slices.ContainsFunc(allowed, func(a string) bool {
		prefix, open := strings.CutSuffix(a, "...")
		return a == name || open && strings.HasPrefix(name, prefix)
	})
}

// TestGateLinksNoRegistry: the lean program stays lean.
func TestGateLinksNoRegistry(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", module+"cmd/regate").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	for path := range strings.FieldsSeq(string(out)) {
		if strings.HasPrefix(path, "github.com/distribution/") {
			t.Errorf("regate links %s", path)
		}
	}
	if !strings.Contains(string(out), module+"proxy\n") {
		t.Error("go list -deps does not show what regate links")
	}
}

func TestEachPackageHasOneComment(t *testing.T) {
	for _, p := range packages(t) {
		var with []string
		for _, file := range p.GoFiles {
			f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, file), nil, parser.PackageClauseOnly|parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			if f.Doc != nil {
				with = append(with, file)
			}
		}
		if len(with) != 1 {
			t.Errorf("%s has package comments in %v, want one", p.name(), with)
		}
	}
}
