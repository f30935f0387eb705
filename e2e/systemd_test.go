package e2e

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/regate/regate/e2e/testbed"
	"github.com/regate/regate/e2e/tool"
)

// units are what deploy/systemd has.
var units = []string{"regate.service", "regate.socket", "regate-http.socket"}

// TestSystemdUnits has systemd itself read the units, measure what they leave
// open, and run the gate by them, as the comment in regate.service says.
func TestSystemdUnits(t *testing.T) {
	t.Parallel()
	s := testbed.StartSystem(t)
	for _, unit := range units {
		install(t, s, filepath.Join(tool.Root(), "deploy", "systemd", unit), "/etc/systemd/system/"+unit, 0o644)
	}
	program, err := tool.Path("regate")
	if err != nil {
		t.Fatal(err)
	}
	install(t, s, program, "/usr/local/bin/regate", 0o755)
	s.Run(t, "useradd", "--system", "--user-group", "--home-dir", "/var/lib/regate", "--shell", "/usr/sbin/nologin", "regate")
	s.Run(t, "mkdir", "/etc/regate")
	install(t, s, filepath.Join(tool.Root(), "deploy", "deb", "regate.yaml"), "/etc/regate/regate.yaml", 0o644)
	configure(t, s, "/etc/regate/regate.yaml")

	t.Run("verify", func(t *testing.T) {
		// It ends with 0 whatever it finds.
		if said := s.Run(t, append([]string{"systemd-analyze", "verify"}, units...)...); said != "" {
			t.Error(said)
		}
	})
	t.Run("security", func(t *testing.T) {
		said, err := s.Try("systemd-analyze", "security", "--offline=true", "--threshold=19", "/etc/systemd/system/regate.service")
		if err != nil {
			t.Error("the exposure is 2.0 or above:", err)
		}
		if !strings.Contains(said, "Overall exposure level") {
			t.Error("nothing was measured:", said)
		}
	})
	s.Run(t, "systemctl", "daemon-reload")
	s.Run(t, "systemctl", "start", "regate")
	testService(t, s)
	t.Run("late", func(t *testing.T) { testLate(t, s) })
	t.Run("socket", func(t *testing.T) { testSockets(t, s) })
}

// testLate has something come that is missing at the start, after more attempts
// than systemd makes by itself.
func testLate(t *testing.T, s *testbed.System) {
	const config = "/etc/regate/regate.yaml"
	s.Run(t, "systemctl", "stop", "regate")
	s.Run(t, "mv", config, config+".later")
	if said, err := s.Try("systemctl", "start", "regate"); err == nil {
		t.Fatal("it starts without a configuration:", said)
	}
	eventually(t, "it is tried often", func() bool {
		n, err := strconv.Atoi(strings.TrimSpace(s.Run(t, "systemctl", "show", "--property=NRestarts", "--value", "regate")))
		return err == nil && n > 5
	})
	s.Run(t, "mv", config+".later", config)
	eventually(t, "it starts", func() bool { return status(s, "https://localhost/healthz") == "200" })
}

// testSockets has systemd hold the ports: the gate needs no capability for them
// then, as the comment in the unit says, and a restart refuses nobody.
func testSockets(t *testing.T, s *testbed.System) {
	s.Run(t, "systemctl", "stop", "regate")
	drop := "[Service]\nAmbientCapabilities=\nCapabilityBoundingSet=\nPrivateUsers=yes\n"
	s.Run(t, "mkdir", "-p", "/etc/systemd/system/regate.service.d")
	if err := os.WriteFile(s.Path("/etc/systemd/system/regate.service.d/e2e.conf"), []byte(drop), 0o644); err != nil {
		t.Fatal(err)
	}
	s.Run(t, "systemctl", "daemon-reload")
	s.Run(t, "systemctl", "enable", "--now", "regate.socket", "regate")
	s.Run(t, "systemctl", "stop", "regate")
	if got := status(s, "https://localhost/healthz"); got != "200" {
		t.Fatalf("the connection that starts the gate: %s", got)
	}
	if status(s, "http://localhost/.well-known/regate/ca.crt") != "200" {
		t.Error("port 80 is not the gate's")
	}
	facts := s.Run(t, "cat", "/proc/"+s.MainPID(t, "regate")+"/status")
	if !strings.Contains(facts, "CapBnd:\t0000000000000000\n") {
		t.Errorf("it has a capability:\n%s", facts)
	}
	// Each connection is tried once.
	const script = `for i in $(seq 100); do curl -sk -o /dev/null -w '%{http_code} %{errormsg}\n' https://localhost/v2/; done >/tmp/codes 2>&1 & ` +
		`for i in 1 2 3; do systemctl restart regate; done; wait; sort /tmp/codes | uniq -c`
	if said := strings.TrimSpace(s.Run(t, "sh", "-c", script)); said != "100 401" {
		t.Errorf("100 requests during three restarts, want a 401 for each:\n%s", said)
	}
	logsIn(t, s)
}

// install copies a file into the system.
func install(t *testing.T, s *testbed.System, from, to string, mode os.FileMode) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.Path(to), text, mode); err != nil {
		t.Fatal(err)
	}
}

// configure does with regate.yaml of the package what its owner does, and has
// no test wait long for balancers.
func configure(t *testing.T, s *testbed.System, file string) {
	t.Helper()
	changePassword(t, s.Path(file), adminPassword)
	text, err := os.ReadFile(s.Path(file))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.Path(file), append(text, "listen: {grace: 1s}\n"...), 0o640); err != nil {
		t.Fatal(err)
	}
}

// testService looks at a service that has just been started, with regate.yaml
// of the package and adminPassword.
func testService(t *testing.T, s *testbed.System) {
	t.Helper()
	t.Cleanup(func() {
		if said := s.Journal(t, "regate"); t.Failed() {
			t.Log(said)
		}
	})
	eventually(t, "/healthz answers", func() bool { return status(s, "https://localhost/healthz") == "200" })
	confined(t, s)
	logsIn(t, s)
	s.Run(t, "systemctl", "reload", "regate")
	if status(s, "https://localhost/healthz") != "200" {
		t.Error("the gate is gone after a reload")
	}
	first := s.MainPID(t, "regate")
	s.Run(t, "kill", "-KILL", first)
	eventually(t, "it is started again", func() bool {
		now := s.MainPID(t, "regate")
		return now != "0" && now != first && status(s, "https://localhost/healthz") == "200"
	})
	logsIn(t, s) // the state is what it was, and nobody holds it
}

// status asks the gate there, without a check of its certificate.
func status(s *testbed.System, url string, more ...string) string {
	said, err := s.Try(append([]string{"curl", "-sk", "-o", "/dev/null", "-w", "%{http_code}", url}, more...)...)
	if err != nil {
		return err.Error()
	}
	return said
}

// logsIn compares a password, which is done by a process that the gate starts
// and that steps back: both inside the filter for system calls.
func logsIn(t *testing.T, s *testbed.System) {
	t.Helper()
	const url = "https://localhost/auth?service=registry"
	if got := status(s, url, "-u", "admin:"+adminPassword); got != "200" {
		t.Errorf("a login: %s", got)
	}
	if got := status(s, url, "-u", "admin:not-the-password"); got != "401" {
		t.Errorf("a login with a wrong password: %s", got)
	}
	if all := s.Run(t, "ps", "-o", "nice=,args=", "-u", "regate"); !strings.Contains(all, "10 regate: compares passwords") {
		t.Errorf("nobody compares passwords beside the gate, at a lower priority:\n%s", all)
	}
}

// confined looks at what the process may really do.
func confined(t *testing.T, s *testbed.System) {
	t.Helper()
	pid := s.MainPID(t, "regate")
	facts := s.Run(t, "cat", "/proc/"+pid+"/status")
	for _, want := range []string{"CapEff:\t0000000000000400\n", "CapBnd:\t0000000000000400\n", "NoNewPrivs:\t1\n", "Seccomp:\t2\n"} {
		if !strings.Contains(facts, want) {
			t.Errorf("want %q in\n%s", want, facts)
		}
	}
	if strings.Contains(facts, "Uid:\t0") {
		t.Error("the gate is root")
	}
	for _, dir := range []string{"/etc/regate", "/usr/local/bin", "/var/lib", "/home"} {
		if out, err := s.Try("nsenter", "--target", pid, "--mount", "touch", dir+"/x"); err == nil {
			t.Errorf("%s can be written: %s", dir, out)
		}
	}
	if mode := s.Run(t, "stat", "-c", "%a %U", "/var/lib/regate"); mode != "700 regate\n" {
		t.Errorf("the state is %s", mode)
	}
}
