package gate

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/regate/regate/configs"
)

// TestCheckReadsKeysOfIssuers: `regate check` finds what the gate would not
// start with, and asks nobody.
func TestCheckReadsKeysOfIssuers(t *testing.T) {
	t.Parallel()
	broken := filepath.Join(t.TempDir(), "keys")
	write(t, broken, `{"keys": []}`)
	for more, want := range map[string]string{
		"jwks_file: /nowhere":                            "auth.jwt_auth[0].jwks_file: open /nowhere: no such file",
		"jwks_file: " + broken:                           "auth.jwt_auth[0].jwks_file: " + broken + ": the provider has no key that could sign",
		"ca: " + broken:                                  "auth.jwt_auth[0].ca: " + broken + " holds no PEM certificate",
		"jwks_url: https://127.0.0.1:1/, max_age: 10m":   "",
		"token_file: /nowhere, jwks_url: 'https://a.b/'": "", // is read when it is needed
	} {
		path := changed(t, config(t, "http://127.0.0.1:1", ""), "auth:\n", `auth:
  jwt_auth: [{issuer: "https://ci.example.com", audience: [gate], rules: [{claims: {sub: job}, account: ci/job}], `+more+"}]\n")
		file, err := configs.Load(path)
		if err != nil {
			t.Errorf("%s: %v", more, err)
			continue
		}
		err = Check(file)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: Check() = %v, want %s", more, err, want)
		}
	}
}
