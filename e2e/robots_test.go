package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/regate/regate/e2e/testbed"
	"github.com/regate/regate/e2e/tool"
)

// startRobots has an account of robots, which may do everything.
func startRobots(t *testing.T, e engines) *site {
	t.Helper()
	s := prepareSite(t, modes[0], testbed.Registry2, e)
	text, err := os.ReadFile(s.gate.File)
	must(t, err)
	config := strings.Replace(string(text), `    "": {}`, "    \"team-ci\": {no_password: true}\n    \"\": {}", 1)
	config = strings.Replace(config, `{account: "admin"}`, `{account: "/^(admin|team-ci)$/"}`, 1)
	must(t, os.WriteFile(s.gate.File, []byte(config), 0o600))
	s.gate.Start(t)
	return s
}

// secretOf is what regate token prints for a script: TOKEN=$(regate token …).
func (s *site) secretOf(t testing.TB, args ...string) string {
	t.Helper()
	dir := testbed.Dir(t)
	regate, err := tool.Path("regate")
	must(t, err)
	args = append([]string{"-c", `"$0" token "$@" > "$HOME/out"`, regate}, args...)
	testbed.Run(t, testbed.Command{Program: "sh", Args: append(args, "-c", s.gate.File), Dir: dir})
	out, err := os.ReadFile(filepath.Join(dir, "out"))
	must(t, err)
	text := strings.TrimSuffix(string(out), "\n")
	if !whole.MatchString(text) {
		t.Fatal("regate token prints something else than a token, alone")
	}
	testbed.Secret(text)
	return text
}

func (s *site) regateToken(t testing.TB, args ...string) string {
	t.Helper()
	return testbed.Run(t, testbed.Command{Program: "regate", Args: append(append([]string{"token"}, args...), "-c", s.gate.File), Dir: testbed.Dir(t)})
}

// TestRobots: a robot works with real clients, can do what it is for and no
// more, and ends with what it was given.
func TestRobots(t *testing.T) {
	t.Parallel()
	s := startRobots(t, engines{docker: testbed.StartDocker(t)})
	text := s.secretOf(t, "create", "--owner", "team-ci", "--robot", "deploy", "--expires", "90d",
		"--repository", "team/**", "--action", "pull,push", "--scope", "repository:pub/*:pull")
	s.seed(t, "pub/app", "team/app", "other/app")
	for _, name := range []string{"docker", "crane"} {
		c := s.client(t, name)
		must(t, c.Login("team-ci", text))
		digest, err := c.Push("team/deep/"+name, version)
		must(t, err)
		if got, err := c.Pull("team/deep/" + name + ":" + version); err != nil || got != digest {
			t.Errorf("%s: pull: %s, %v; want %s", name, got, err, digest)
		}
		_, err = c.Pull("pub/app:x")
		must(t, err)
		for _, repo := range []string{"pub/app", "other/app"} {
			if _, err := c.Push(repo, version); err == nil || name == "docker" && !strings.Contains(err.Error(), "denied") {
				t.Errorf("%s: a push to %s: %v", name, repo, err)
			}
		}
		if _, err := c.Pull("other/app:x"); err == nil {
			t.Errorf("%s: a pull of what the robot is not for went through", name)
		}
	}
	got := strings.Fields(s.craneCatalog(t)("team-ci", text))
	if want := []string{"pub/app", "team/app", "team/deep/crane", "team/deep/docker"}; !slices.Equal(slices.Sorted(slices.Values(got)), want) {
		t.Errorf("the catalog is %v, want %v", got, want)
	}
	if list := s.regateToken(t, "list"); !strings.Contains(list, "team/**:pull,push pub/*:pull") || !strings.Contains(list, "deploy") {
		t.Errorf("the list is\n%s", list)
	}

	access := s.token(t, "team-ci", text, "repository:team/app:pull")
	if !s.pulls(t, access) {
		t.Fatal("the token is not good to begin with")
	}
	s.regateToken(t, "delete", "--owner", "team-ci", "--robot", "deploy")
	s.endsAtOnce(t, access)
	for _, name := range []string{"docker", "crane"} {
		c := s.client(t, name)
		err := c.Login("team-ci", text)
		if name == "crane" { // asks nobody
			_, err = c.Pull("team/app:x")
		}
		if err == nil {
			t.Errorf("%s: a robot that has ended gets in", name)
		}
	}
}

// TestRobotRotates while it pulls on and on: neither those who have the secret
// before nor those who have the new one notice.
func TestRobotRotates(t *testing.T) {
	t.Parallel()
	s := startRobots(t, engines{})
	s.seed(t, "team/app")
	first := s.secretOf(t, "create", "--owner", "team-ci", "--robot", "deploy", "--endless")
	var secret atomic.Value
	secret.Store(first)
	var pulled, later atomic.Int64
	var failed sync.Map
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for _, current := range []bool{true, false} {
		c := s.client(t, "crane")
		must(t, c.Login("team-ci", first))
		wg.Go(func() {
			for with := first; ; {
				select {
				case <-stop:
					return
				default:
				}
				if now := secret.Load().(string); current && now != with {
					with = now
					if err := c.Login("team-ci", with); err != nil {
						failed.Store(err, with)
					}
				}
				if _, err := c.Pull("team/app:x"); err != nil {
					failed.Store(err, with)
				}
				pulled.Add(1)
				if with != first {
					later.Add(1)
				}
			}
		})
	}
	eventually(t, "pulls before the rotation", func() bool { return pulled.Load() >= 4 })
	secret.Store(s.secretOf(t, "rotate", "--owner", "team-ci", "--robot", "deploy", "--keep", "1h"))
	before := pulled.Load()
	eventually(t, "pulls after the rotation", func() bool { return later.Load() >= 3 && pulled.Load() >= before+6 })
	close(stop)
	wg.Wait()
	failed.Range(func(err, _ any) bool { t.Error(err); return true })

	access := s.token(t, "team-ci", first, "repository:team/app:pull")
	if !s.pulls(t, access) {
		t.Fatal("the token is not good to begin with")
	}
	last := s.secretOf(t, "rotate", "--owner", "team-ci", "--robot", "deploy", "--keep", "0s")
	s.endsAtOnce(t, access)
	c := s.client(t, "crane")
	must(t, c.Login("team-ci", first))
	if _, err := c.Pull("team/app:x"); err == nil {
		t.Error("a secret that was replaced at once gets in")
	}
	must(t, c.Login("team-ci", last))
	_, err := c.Pull("team/app:x")
	must(t, err)
}

// endsAtOnce waits until a token is refused, which is soon.
func (s *site) endsAtOnce(t testing.TB, access string) {
	t.Helper()
	for began := time.Now(); s.pulls(t, access); time.Sleep(10 * time.Millisecond) {
		if time.Since(began) > atOnce {
			t.Fatalf("the token is good %v after its secret has ended", atOnce)
		}
	}
}
