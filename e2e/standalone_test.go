package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/regate/regate/e2e/image"
	"github.com/regate/regate/e2e/testbed"
)

// TestStandalone does what the block says that regate-standalone prints, word
// for word, and again after a restart.
func TestStandalone(t *testing.T) {
	t.Parallel()
	p := newPerson(t)
	data, listen := testbed.Dir(t), testbed.LocalAddr()
	first := startStandalone(t, data, listen)
	password := first.find(t, `password +([A-Z0-9]{20,})`)
	p.follow(t, first.block, "docker", password)
	p.follow(t, first.block, "podman", password)
	first.process.Stop(t)

	second := startStandalone(t, data, listen)
	if strings.Contains(second.block, password) {
		t.Error("the second start shows the password again")
	}
	for _, line := range []string{`CA +(\S+)`, `(sha256:[0-9a-f]{64})`} {
		if got, want := second.find(t, line), first.find(t, line); got != want {
			t.Errorf("%s: %s at the second start, %s at the first", line, got, want)
		}
	}
	p.follow(t, second.block, "podman", password)
}

type standalone struct {
	process *testbed.Process
	block   string // what it printed
}

func startStandalone(t *testing.T, data, listen string) standalone {
	t.Helper()
	s := standalone{process: testbed.Start(t, testbed.Command{
		Program: "regate-standalone", Dir: testbed.Dir(t),
		Args: []string{"--data", data, "--listen", listen},
	})}
	s.process.Await(t, func() error {
		s.block = s.process.Log()
		if !strings.Contains(s.block, "podman pull") {
			return fmt.Errorf("it has not printed its block")
		}
		return nil
	})
	return s
}

func (s standalone) find(t *testing.T, pattern string) string {
	t.Helper()
	m := regexp.MustCompile(pattern).FindStringSubmatch(s.block)
	if m == nil {
		t.Fatalf("no %q in:\n%s", pattern, s.block)
	}
	return m[1]
}

// A person has docker and podman with one image in each.
type person struct{ env []string }

const personsImage = "seed:1"

func newPerson(t *testing.T) person {
	t.Helper()
	home := testbed.Dir(t)
	conf := filepath.Join(home, "storage.conf")
	text := fmt.Sprintf("[storage]\ndriver = \"overlay\"\ngraphroot = %q\nrunroot = %q\n", filepath.Join(home, "root"), filepath.Join(home, "run"))
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	p := person{env: []string{
		"DOCKER_HOST=" + testbed.StartDocker(t),
		"DOCKER_CONFIG=" + filepath.Join(home, "docker"),
		"CONTAINERS_STORAGE_CONF=" + conf,
		"REGISTRY_AUTH_FILE=" + filepath.Join(home, "auth.json"),
	}}
	for _, program := range []string{"docker", "podman"} {
		p.sh(t, program+" import - "+personsImage, image.Tree())
	}
	return p
}

// follow types the commands for one program that the block has, with the
// password where it would be asked for.
func (p person) follow(t *testing.T, block, program, password string) {
	t.Helper()
	var script strings.Builder
	for line := range strings.Lines(block) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, program+" ") && !strings.HasSuffix(line, ":") {
			line = strings.Replace(line, "login ", "login -p "+password+" ", 1)
			fmt.Fprintln(&script, strings.ReplaceAll(line, "IMAGE", personsImage))
		}
	}
	if n := strings.Count(script.String(), "\n"); n != 3 {
		t.Fatalf("%d commands for %s, want 3:\n%s", n, program, block)
	}
	if program == "podman" { // of somebody who has no docker, whose login it would find
		p.env = append(slices.Clone(p.env), "DOCKER_CONFIG="+testbed.Dir(t))
	}
	p.sh(t, script.String(), nil)
}

func (p person) sh(t *testing.T, script string, stdin []byte) {
	t.Helper()
	testbed.Run(t, testbed.Command{
		Program: "sh", Args: []string{"-exc", script}, Dir: testbed.Dir(t), Env: p.env, Stdin: string(stdin),
	})
}
