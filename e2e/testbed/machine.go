package testbed

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/regate/regate/e2e/tool"
)

// A Machine is a place with an /etc and a /usr/local of its own, in which
// nobody has trusted anything yet, for tests that change what is there. It
// shares the network, and all else, with the namespace of the run.
type Machine struct {
	holder *Process
	dir    string
}

// furniture lays over the real folders what is written in this place alone, and
// takes away what the machine's owner, or another test, has set up. Folders that
// are mounts already are seen as the machine has them. A file says
// when it is done.
const furniture = `
set -e
for d in etc usr/local; do
	mkdir -p %[1]s/up/$d %[1]s/work/$d
	mount -t overlay overlay -o lowerdir=/$d,upperdir=%[1]s/up/$d,workdir=%[1]s/work/$d /$d
done
rm -rf /etc/docker/* /etc/containers/certs.d /etc/containerd/* /usr/local/share/ca-certificates/*
echo '127.0.0.1 localhost
%[2]s' >/etc/hosts
touch %[1]s/ready
exec sleep infinity
`

// NewMachine makes a machine with these lines in its /etc/hosts.
func NewMachine(t testing.TB, hosts string) *Machine {
	t.Helper()
	m := &Machine{dir: Dir(t)}
	m.holder = Start(t, Command{Program: "unshare", Dir: m.dir, Args: []string{
		"--mount", "--propagation", "private", "sh", "-c", fmt.Sprintf(furniture, m.dir, hosts),
	}})
	m.holder.Await(t, func() error {
		_, err := os.Stat(filepath.Join(m.dir, "ready"))
		return err
	})
	return m
}

// Inside returns the command that runs c in the machine.
func (m *Machine) Inside(t testing.TB, c Command) Command {
	t.Helper()
	path, err := tool.Path(c.Program)
	if err != nil {
		t.Fatal(err)
	}
	enter := []string{"--target", strconv.Itoa(m.holder.Pid()), "--mount", "--", path}
	c.Program, c.Args = "nsenter", append(enter, c.Args...)
	if c.Dir == "" {
		c.Dir = m.dir
	}
	return c
}

// Run runs c in the machine and returns all that it printed.
func (m *Machine) Run(t testing.TB, c Command) string {
	t.Helper()
	return Run(t, m.Inside(t, c))
}

// Try is Run for a command that may go wrong.
func (m *Machine) Try(t testing.TB, c Command) (string, error) {
	t.Helper()
	return Try(m.Inside(t, c))
}

// StartDocker starts an engine of docker in the machine.
func (m *Machine) StartDocker(t testing.TB) string {
	t.Helper()
	return startDocker(t, func(c Command) Command { return m.Inside(t, c) })
}
