package dockerauth

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/regate/regate/authsvc/authn/ldap"
	"github.com/regate/regate/authsvc/casbin"
	"github.com/regate/regate/authsvc/password"
)

var syntaxTests = []struct{ name, source, want string }{
	{"not closed", "users: {\nacl: [", "2: a value is missing here, or begins with a character that must be quoted"},
	{"tab", "users:\n\tx: {}\n", "2: a value begins with a character that must be quoted, such as @, ` or %; or a line with a tab"},
	{"password that looks like an alias", "users:\n  a: {password: *hunter2}\n", "2: a value that begins with * stands for an anchor, and there is no such anchor; quote it if it is text"},
	{"anchor in itself", "users: &a {b: *a}\n", "1: an anchor contains itself"},
	{"key that is a list", "users: {[a]: {}}\n", "1: a key must be plain text"},
	{"merge of a text", "users: {<<: x}\n", "1: << takes a mapping or a list of mappings"},
	{"laughs", "a: &a [1,1,1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\n" +
		"d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\nusers: [*e,*e,*e]\n",
		"1: aliases (*) and merges (<<) repeat more than 200000 values"},
	{"control character", "users: {\"a\x00\": {}}\n", "1: cannot be read as YAML: control characters are not allowed"},
}

func TestSyntax(t *testing.T) {
	for _, tt := range syntaxTests {
		_, err := Convert("x", []byte(tt.source), nowhere{})
		var syntax *SyntaxError
		if !errors.As(err, &syntax) || err.Error() != tt.want {
			t.Errorf("%s: Convert() = %v, want %v", tt.name, err, tt.want)
		}
	}
}

func TestTooLarge(t *testing.T) {
	_, err := Convert("x", []byte("users: {}\n#"+strings.Repeat("x", MaxSource)), nowhere{})
	if err == nil || err.Error() != "larger than 4 MiB" {
		t.Errorf("Convert() = %v", err)
	}
}

// asDockerAuth are sources about which YAML libraries disagree.
var asDockerAuth = []string{
	"users: {yes: {}, no: {}, ~: {}, 1e3: {}, 0x10: {}, 012: {}, 2001-01-01: {}, 1_000: {}, !!str 5: {}, .inf: {}, on: {}}",
	"users: {null: {labels: {a: [b]}}}",
	"users: {a: , b: ~, c: null, d: {}, e: {labels: }, f: {labels: {x: , y: [], z: [~, '', null]}}}",
	"users: {a: {labels: {x: [1]}}, a: {labels: {y: [2]}}}",
	"users: {a: {labels: {x: [1], x: [2]}}}",
	"users: {a: {labels: {x: [1]}, labels: {y: [2]}}}",
	"users: {a: {labels: {x: [1]}, labels: ~}}",
	"users: {a: {}}\nusers: {b: {}}",
	"users: {a: {}}\nusers: ~",
	"users: ~\nusers: {a: {}}",
	"users: {<<: {a: {}, b: {labels: {x: [1]}}}, b: {labels: {y: [2]}}}",
	"users: {b: {labels: {y: [2]}}, <<: {a: {}, b: {labels: {x: [1]}}}}",
	"users: {<<: [{a: {labels: {x: [1]}}}, {a: {labels: {y: [2]}}, c: {}}]}",
	"x: &x {labels: {g: &g [a, b]}}\nusers: {a: *x, b: {<<: *x, password: p}, c: {labels: {g: *g}}}",
	"users: {a: {password: }, b: {password: ~}, c: {password: ''}, d: {password: yes}, e: {password: 5}}",
	"users: {a: {labels: {x: [yes, 1e3, 0x10, 012, 1.50, 2001-01-01, 'q', \"\\u00e9\"]}}}",
	"users:\n  a:\n    labels:\n      x:\n      - |\n        text\n      - >-\n        more\n        text\n",
	"users: {a: {}}\n---\nusers: {b: {}}\n",
	"\xef\xbb\xbfusers: {a: {}}",
	"%YAML 1.1\n---\nusers: {a: {}}\n...\n",
}

// TestReadsAsDockerAuth: the accounts and labels are those that docker_auth
// finds in the same text.
func TestReadsAsDockerAuth(t *testing.T) {
	for _, source := range asDockerAuth {
		old, err := readOld([]byte(source))
		if err != nil {
			t.Fatalf("%s: %v", source, err)
		}
		result, err := Convert("x", []byte(source), nowhere{})
		if err != nil {
			t.Errorf("Convert(%s) = %v", source, err)
			continue
		}
		want := make(map[string]map[string][]string)
		for name, u := range old.Users {
			if u != nil && (name != "" || u.Password == nil) {
				want[name] = u.Labels
			}
		}
		got := make(map[string]map[string][]string)
		for name, u := range load(t, result).Auth.Users {
			if name != "nobody" {
				got[name] = u.Labels
			}
		}
		if !maps.EqualFunc(got, want, sameLabels) {
			t.Errorf("%s\nis %v, want %v", source, got, want)
		}
	}
}

// sameLabels takes a label without a value for one that is not there.
func sameLabels(a, b map[string][]string) bool {
	some := func(m map[string][]string) map[string][]string {
		m = maps.Clone(m)
		maps.DeleteFunc(m, func(_ string, values []string) bool { return len(values) == 0 })
		return m
	}
	return reflect.DeepEqual(some(a), some(b)) || len(some(a))+len(some(b)) == 0
}

// TestClosedAccountsCostWhatOthersDo: what the converter puts in the place of a
// hash is no reason to warn of hashes of different costs.
func TestClosedAccountsCostWhatOthersDo(t *testing.T) {
	const other = "LO.vzwpWC5LZGqThvEfznu8qhb5SGqvBSWY1J3yZ4AxtMRZ3kN5jC"
	for users, want := range map[string]int{
		`{closed: {password: x}}`: 10,
		`{closed: {password: x}, a: {password: "$2y$05$` + other + `"}}`:                                        5,
		`{a: {password: "$2y$05$` + other + `"}, closed: {password: x}, b: {password: "$2y$12$` + other + `"}}`: 12,
	} {
		result, err := Convert("x", []byte("users: "+users), nowhere{})
		if err != nil {
			t.Fatal(err)
		}
		got := load(t, result).Auth.Users
		if cost := password.Cost(got["closed"].Password); cost != want {
			t.Errorf("%s: the closed account costs %d, want %d", users, cost, want)
		}
		if err := got.Validate(); len(got) < 3 && err != nil {
			t.Errorf("%s: Validate() = %v", users, err)
		}
	}
}

// FuzzConvert: whatever the source is, there is an error, or a configuration
// that the gate takes, and no secret of others is in the report.
func FuzzConvert(f *testing.F) {
	files, err := filepath.Glob("testdata/*.yml")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range files {
		source, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(source)
	}
	for _, source := range slices.Concat(asDockerAuth, []string{
		"acl: [{match: {account: \"/(/\"}, actions: [pull]}]", "acl: [{match: {ip: x}, actions: [pull]}]", "server: x\ntoken: [x]\nldap_auth: 1\next_auth: ~",
		"token: {issuer: \"\\u2028\", expiration: 1e400}", "ldap_auth: {addr: x, labels: {\"\": {}}}\n", "users: {\"\\u0085\\u2028#\": {}} # \tx",
		"google_auth: {client_id: x, client_secret: y, http_timeout: 10, domain: Example}\n", "oidc_auth: {issuer: \"http://x\", client_secret_file: /x, scopes: [a, \"\"], label_claims: [a, a]}\n",
		"github_auth: {client_id: \"${env:X}\", client_secret_file: /x}\n", "gitlab_auth: {client_id: x, client_secret_file: /x, revalidate_after: 1}\n",
		"mongo_auth: {dial_info: {addrs: [\"a:b@c\"], database: \"a\\nb\", timeout: 1h}, collection: \"\\0\"}\n", "acl_mongo: {dial_info: 7, cache_ttl: 1ns}\n",
		"casbin_authz: {model_path: a, policy_path: \"\\t\"}\n",
	}) {
		f.Add([]byte(source))
	}
	f.Fuzz(func(t *testing.T, source []byte) {
		result, err := Convert("x", source, everywhere{})
		if err == nil {
			load(t, result)
		}
	})
}

// everywhere is a machine that has everything.
type everywhere struct{}

func (everywhere) Program(string) error                         { return nil }
func (everywhere) Directory(ldap.Config) error                  { return nil }
func (everywhere) File(string) error                            { return nil }
func (everywhere) Policy(casbin.Config) error                   { return nil }
func (everywhere) Certificate(string, string) ([]string, error) { return []string{"a.test"}, nil }
