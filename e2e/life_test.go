package e2e

import (
	"io"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/regate/regate/e2e/testbed"
)

// TestReload changes the rules of a running gate: the next token has the new
// rights, and a file with a mistake changes nothing.
func TestReload(t *testing.T) {
	t.Parallel()
	s := startSite(t, modes[0], testbed.Registry2, engines{})
	crane := s.client(t, "crane")
	if err := crane.Login("dev", devPassword); err != nil {
		t.Fatal(err)
	}
	if _, err := crane.Push("new/app", version); err == nil {
		t.Fatal("a push to new/app went through before any rule allowed it")
	}
	config, err := os.ReadFile(s.gate.File)
	if err != nil {
		t.Fatal(err)
	}
	wider := strings.Replace(string(config), `"locked/*"}, actions: [pull]`, `"new/*"}, actions: [pull, push]`, 1)

	s.rewrite(t, wider+"    - {mach: {}, actions: []}\n")
	eventually(t, "a line about the mistake", func() bool { return strings.Contains(s.gate.Log(), "mach") })
	if _, err := crane.Push("new/app", version); err == nil {
		t.Error("a file with a mistake gave a right")
	}
	if _, err := crane.Push("team/app", version); err != nil {
		t.Errorf("after a file with a mistake: %v", err)
	}

	s.rewrite(t, wider)
	eventually(t, "a push by the new rule", func() bool {
		_, err := crane.Push("new/app", version)
		return err == nil
	})
}

// rewrite changes the configuration and asks for a reload.
func (s *site) rewrite(t testing.TB, config string) {
	t.Helper()
	if err := os.WriteFile(s.gate.File, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.gate.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
}

// TestDrain ends a gate that is sending a blob: it says that it is not ready,
// the blob arrives whole, and then the process is gone.
func TestDrain(t *testing.T) {
	t.Parallel()
	s := startSite(t, modes[0], testbed.Registry2, engines{})
	content := noise(64 << 20)
	res := s.getBlob(t, "team/app", s.putBlob(t, "team/app", content))
	if err := s.gate.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	s.awaitDraining(t)
	got, err := io.ReadAll(res.Body)
	if err != nil || digestOf(got) != digestOf(content) {
		t.Errorf("the blob broke off after %d of %d bytes: %v", len(got), len(content), err)
	}
	s.awaitEnd(t)
}

// TestSecondSignal ends a gate at once that would wait a quarter of an hour for
// a transfer.
func TestSecondSignal(t *testing.T) {
	t.Parallel()
	s := startSite(t, modes[0], testbed.Registry2, engines{})
	res := s.getBlob(t, "team/app", s.putBlob(t, "team/app", noise(64<<20)))
	defer res.Body.Close() // which nobody reads
	if err := s.gate.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	s.awaitDraining(t)
	if err := s.gate.Signal(syscall.SIGTERM); err != nil {
		t.Fatalf("the gate did not wait for the transfer: %v", err)
	}
	s.awaitEnd(t)
}

// awaitDraining waits until the gate says that it is not ready.
func (s *site) awaitDraining(t testing.TB) {
	t.Helper()
	eventually(t, "/readyz answers 503", func() bool {
		ready, err := http.Get(s.gate.Admin + "/readyz")
		if err != nil {
			return false
		}
		defer ready.Body.Close()
		return ready.StatusCode == http.StatusServiceUnavailable
	})
}

// awaitEnd waits until the process of the gate is gone.
func (s *site) awaitEnd(t testing.TB) {
	t.Helper()
	eventually(t, "the gate ends", func() bool {
		select {
		case <-s.gate.Done():
			return true
		default:
			return false
		}
	})
}

// TestMetricsAreWellFormed has promtool read /metrics after some work was done.
func TestMetricsAreWellFormed(t *testing.T) {
	t.Parallel()
	s := startSite(t, modes[0], testbed.Registry2, engines{})
	s.putBlob(t, "team/app", noise(1<<10))
	res, err := http.Get(s.gate.Admin + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != 200 {
		t.Fatalf("/metrics: %s, %v", res.Status, err)
	}
	out := testbed.Run(t, testbed.Command{
		Program: "promtool", Args: []string{"check", "metrics"}, Dir: testbed.Dir(t), Stdin: string(text),
	})
	if out != "" {
		t.Errorf("promtool check metrics: %s", out)
	}
}
