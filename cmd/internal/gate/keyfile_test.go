package gate

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/regate/regate/internal/state"
	"github.com/regate/regate/internal/state/redis"
)

// TestKeyFileIsAnother than the one in use: it is told of once, and again if it
// comes back and goes again.
func TestKeyFileIsAnother(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "state.key")
	one, other := strings.Repeat("0f", 32), strings.Repeat("f0", 32)
	write(t, file, one)
	cfg := redis.Config{KeyFile: file}
	used, err := cfg.Key()
	if err != nil {
		t.Fatal(err)
	}
	core, said := observer.New(zap.DebugLevel)
	k := &keyWatch{load: func() (state.Key, error) { return cfg.Key() }, used: used.ID(), log: zap.New(core)}
	for i, step := range []struct {
		text string // "" is that it is gone
		want int    // lines until then
	}{{one, 0}, {other, 1}, {other, 1}, {"", 2}, {one, 2}, {"", 3}} {
		if step.text == "" {
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
		} else {
			write(t, file, step.text)
		}
		if k.look(); said.Len() != step.want {
			t.Errorf("after step %d the log has %v, want %d lines", i, said.All(), step.want)
		}
	}
	for _, line := range said.All() {
		if text := line.ContextMap()["error"].(string); strings.Contains(text, one) || strings.Contains(text, other) {
			t.Errorf("the log has the key: %s", text)
		}
	}
}
