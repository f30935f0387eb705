package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/regate/regate/e2e/testbed"
)

// TestReferrersFallBack attaches an artifact to an image. Neither registry has
// an API of referrers, and the gate says so in the way that has clients use the
// tag scheme of the distribution-spec.
func TestReferrersFallBack(t *testing.T) {
	t.Parallel()
	for _, v := range testbed.Versions {
		t.Run(string(v), func(t *testing.T) {
			s := startSite(t, modes[0], v, engines{})
			home := testbed.Dir(t)
			ca, err := os.ReadFile(s.gate.CA.File)
			if err != nil {
				t.Fatal(err)
			}
			regctl := func(stdin string, args ...string) string {
				return testbed.Run(t, testbed.Command{
					Program: "regctl", Args: args, Stdin: stdin, Dir: home,
					Env: []string{"REGCTL_CONFIG=" + filepath.Join(home, "regctl.json")},
				})
			}
			regctl("", "registry", "set", "--skip-check", "--cacert", string(ca), s.gate.Host)
			regctl(devPassword, "registry", "login", "-u", "dev", "--pass-stdin", s.gate.Host)
			image := s.gate.Host + "/team/app:" + version
			regctl("subject", "artifact", "put", "--artifact-type", "application/vnd.testbed.image", image)
			regctl("signed", "artifact", "put", "--artifact-type", "application/vnd.testbed.signature", "--subject", image)
			if out := regctl("", "artifact", "list", image); !strings.Contains(out, "application/vnd.testbed.signature") {
				t.Errorf("artifact list = %s, want the signature in it", out)
			}
			if !strings.Contains(s.gate.Log(), "/referrers/") {
				t.Error("the client has not asked for referrers")
			}
		})
	}
}
