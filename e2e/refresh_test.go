package e2e

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/regate/regate/e2e/client"
	"github.com/regate/regate/e2e/testbed"
)

// TestRefreshToken: docker login keeps a refresh token and no password, and the
// clients that read the same file go on with it, until it is revoked. Then each
// says that, and nobody is let in as somebody else.
func TestRefreshToken(t *testing.T) {
	t.Parallel()
	s := startSite(t, modes[0], testbed.Registry3, startEngines(t))
	docker, home := s.clientAt(t, "docker")
	if err := docker.Login("dev", devPassword); err != nil {
		t.Fatal(err)
	}
	password, token, err := client.Kept(home, s.gate.Host)
	if err != nil || password != "" || !strings.HasPrefix(token, "rgt_") {
		t.Fatalf("docker login has kept a password (%v) or no refresh token (%v)", password != "", err)
	}
	testbed.Secret(token)
	s.pushesAndPulls(t, "docker", docker)
	family := s.family(t)
	for _, name := range []string{"podman", "skopeo", "buildah", "ctr", "crane", "helm", "oras"} {
		t.Run(name, func(t *testing.T) {
			c := s.client(t, name)
			if err := c.(client.Keeper).Keep("dev", token); err != nil {
				t.Fatal(err)
			}
			s.pushesAndPulls(t, name, c)
			if got := s.family(t); got != family {
				t.Errorf("its tokens are of %s, want %s", got, family)
			}
		})
	}
	digest := s.seed(t, "pub/app")
	for _, stop := range []struct{ name, flag, of string }{{"family", "--family", family}, {"subject", "--subject", "dev"}} {
		if stop.name == "subject" {
			if err := docker.Login("dev", devPassword); err != nil {
				t.Fatal(err)
			}
			if _, err := docker.Pull("pub/app:x"); err != nil {
				t.Fatal(err)
			}
		}
		testbed.Run(t, testbed.Command{Program: "regate", Args: []string{"revoke", "-c", s.gate.File, stop.flag, stop.of}, Dir: testbed.Dir(t)})
		_, err := docker.Pull("pub/app@" + digest)
		if err == nil || !strings.Contains(err.Error(), "this login is not good (any more): log in again") {
			t.Errorf("%s: docker pull of what everybody may pull: %v", stop.name, err)
		}
	}
	for name, want := range map[string]string{"podman": "log in again", "crane": "log in again", "ctr": "401 Unauthorized"} {
		c := s.client(t, name)
		if err := c.(client.Keeper).Keep("dev", token); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Pull("pub/app@" + digest); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s with what was revoked: %v, want %q", name, err, want)
		}
	}
}

// clientAt is client where the test looks into its home.
func (s *site) clientAt(t testing.TB, name string) (c client.Client, home string) {
	t.Helper()
	home = testbed.Dir(t)
	c, err := client.New(name, client.Env{Home: home, Host: s.gate.Host, CA: s.gate.CA.File, Docker: s.engines.docker, Containerd: s.engines.containerd})
	if err != nil {
		t.Fatal(err)
	}
	return c, home
}

func (s *site) pushesAndPulls(t *testing.T, name string, c client.Client) {
	t.Helper()
	digest, err := c.Push("team/"+name, version)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := c.Pull("team/" + name + ":" + version); err != nil || got != digest {
		t.Errorf("pull = %s, %v, want %s", got, err, digest)
	}
}

// family is that of the last token of the log.
func (s *site) family(t testing.TB) (family string) {
	t.Helper()
	for line := range strings.Lines(s.gate.Log()) {
		var l struct{ Msg, Family string }
		if json.Unmarshal([]byte(line), &l) == nil && l.Msg == "token issued" {
			family = l.Family
		}
	}
	if family == "" {
		t.Error("the last token is of no family")
	}
	return family
}
