package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/regate/regate/e2e/testbed"
)

// buildkit builds from base images that are ours, of a mirror by its prefix, and
// of Docker Hub, whose mirror the engine has been told of; and takes the cache of
// a build from what was pushed. It is the builder of the engine that asks for
// them, and the command line that gets the tokens, with the CAs of its system.
func (m *mirrorSite) buildkit(t *testing.T) {
	d := docker{host: m.docker}
	d.in(t, testbed.Dir(t), devPassword, "login", "-u", "dev", "--password-stdin", m.gate.Host)
	crane := m.client(t, "crane")
	if err := crane.Login("dev", devPassword); err != nil {
		t.Fatal(err)
	}
	if _, err := crane.Push("team/base", version); err != nil {
		t.Fatal(err)
	}
	for i, base := range []string{
		m.gate.Host + "/team/base:" + version,
		m.gate.Host + "/docker.io/library/app:" + version,
		m.gate.Host + "/docker.io/library/app@" + m.digest,
		"app:" + version, // of Docker Hub, by the mirror
	} {
		t.Run(base, func(t *testing.T) {
			built := fmt.Sprintf("%s/team/built:%d", m.gate.Host, i)
			m.build(t, base, built, "--build-arg", "BUILDKIT_INLINE_CACHE=1")
			d.run(t, "push", built)
			d.run(t, "rmi", "-f", built)
			d.run(t, "builder", "prune", "--all", "--force")
			got, err := crane.Pull(fmt.Sprintf("team/built:%d", i))
			if err != nil {
				t.Fatal(err)
			}
			if out := m.build(t, base, built, "--cache-from", built); !strings.Contains(out, "CACHED") {
				t.Errorf("nothing of %s was of use for the next build: %s", got, out)
			}
			d.run(t, "rmi", "-f", built)
		})
	}
	t.Run("of nobody", func(t *testing.T) {
		d.run(t, "logout", m.gate.Host)
		d.run(t, "builder", "prune", "--all", "--force")
		_, err := m.tryBuild(t, m.gate.Host+"/team/base:"+version, "none")
		if err == nil || !strings.Contains(err.Error(), "401 Unauthorized") && !strings.Contains(err.Error(), "insufficient_scope") {
			t.Errorf("built from what nobody may pull: %v", err)
		}
	})
}

// build makes an image of a base and one file more.
func (m *mirrorSite) build(t *testing.T, base, name string, args ...string) (said string) {
	t.Helper()
	said, err := m.tryBuild(t, base, name, args...)
	if err != nil {
		t.Fatal(err)
	}
	return said
}

func (m *mirrorSite) tryBuild(t *testing.T, base, name string, args ...string) (said string, err error) {
	t.Helper()
	dir := testbed.Dir(t)
	for name, text := range map[string]string{"Dockerfile": "FROM " + base + "\nCOPY file /file\n", "file": "of " + base} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	args = append([]string{"build", "--progress", "plain", "--network", "none", "-t", name}, args...)
	return testbed.Try(testbed.Command{
		Program: "docker", Args: append(args, dir), Dir: dir,
		Env: append(docker{host: m.docker}.env(), "SSL_CERT_FILE="+m.gate.CA.File),
	})
}
