//go:build redis

package gate

import (
	"os"
	"strings"
	"testing"
)

// TestFleetSeesOtherConfigurations: a gate that comes later sees those that
// are there, and says so.
func TestFleetSeesOtherConfigurations(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.start()
	two := f.start() // whose paths are others
	two.until("the metric", func() bool {
		_, text, _ := two.get("admin", "/metrics")
		return strings.Contains(text, "\nregate_fleet_gates 2\n") &&
			strings.Contains(text, `regate_fleet_gates_differing{what="config"} 1`) &&
			strings.Contains(text, `regate_fleet_gates_differing{what="version"} 0`)
	})
	if !two.logged("another gate has another configuration") {
		t.Error("nothing is said")
	}
}

// TestFleetTellsOfAnOpenKey, which everybody on the machine can read, as of any
// other secret.
func TestFleetTellsOfAnOpenKey(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	const said = "state.redis.key_file: everybody on this machine can read "
	if f.start().logged(said) {
		t.Error("a key that nobody else can read is told of")
	}
	if err := os.Chmod(f.key, 0o644); err != nil {
		t.Fatal(err)
	}
	if !f.start().logged(said) {
		t.Error("nothing is said")
	}
}
