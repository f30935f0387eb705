package configs

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestOneDirectoryOrSeveral: docker_auth knows one, and it need not become a
// list. Mistakes are named as the file is written.
func TestOneDirectoryOrSeveral(t *testing.T) {
	const start = "tls: {hosts: [r.example.com], mode: internal}\nregistries: {a: {upstreams: [\"http://10.0.0.1\"]}}\nauth:\n  acl: [{match: {}, actions: [pull]}]\n"
	const one = "base: dc=x, filter: \"(uid=${account})\""
	for text, want := range map[string]string{
		"  ldap_auth:\n    {addr: \"a:636\", " + one + "}":                                                                              "",
		"  ldap_auth:\n    - {addr: \"a:636\", " + one + "}":                                                                            "",
		"  ldap_auth:\n    - {addr: \"a:636\", " + one + "}\n    - {addr: \"b:636\", " + one + "}":                                      "",
		"  ldap_auth:\n    addr: a\n    " + one[:10] + "\n    filter: (uid=${account})\n    x: 1":                                       "6: auth.ldap_auth.addr: \"a\" is not HOST:PORT, such as ldap.example.com:636",
		"  ldap_auth:\n    - addr: a:636\n      base: x\n      filter: (uid=${account})":                                                "7: auth.ldap_auth.base: \"x\" is not a DN, such as ou=people,dc=example,dc=com",
		"  ldap_auth:\n    - {addr: \"a:636\", " + one + "}\n    - addr: \"b:636\"\n      timeout: 5":                                   "8: auth.ldap_auth[1].timeout: expected a duration such as 30s, got \"5\"",
		"  ldap_auth:\n    - {addr: \"a:636\", " + one + "}\n    - addr: \"b\"\n      " + one[:10] + "\n      filter: (uid=${account})": "7: auth.ldap_auth[1].addr: \"b\" is not HOST:PORT, such as ldap.example.com:636",
		"  ldap_auth: here":                    "5: auth.ldap_auth: expected a mapping, or a list of them, got a single value",
		"  ldap_auth: []\n  users: {\"\": {}}": "",
		"  ldap_auth: []":                      "3: auth.users: there is no user, so nobody could log in: add one with a password from `regate hash`",
		"  ldap_auth: {addrs: [\"a:636\"], nested: ad, " + one + "}": "5: auth.ldap_auth.nested: unknown key; here can be addr, addrs, tls, insecure_tls_skip_verify, ca_certificate, bind_dn, bind_password_file, initial_bind_as_user, base, filter, labels, groups, label_patterns, connect_timeout, timeout, pool_size",
	} {
		path := filepath.Join(t.TempDir(), "regate.yaml")
		write(t, path, start+text)
		_, err := load(path, noEnv)
		got := ""
		if err != nil {
			got = err.Error()[len(path)+1:]
		}
		if (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%s\nis %q\nwant %q", text, got, want)
		}
	}
}
