package gate

import (
	"errors"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/regate/regate/configs"
)

// TestNoGateAndNoState: what needs the state says what is wrong with that, and
// what needs a gate that none runs, although there is a state that others share.
func TestNoGateAndNoState(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close() // so that nobody listens there
	key := filepath.Join(t.TempDir(), "state.key")
	write(t, key, strings.Repeat("0f", 32))
	path := changed(t, config(t, "http://127.0.0.1:1", ""), "}\nlog:", ", redis: {addrs: [\""+l.Addr().String()+"\"], key_file: \""+key+"\"}}\nlog:")
	file, err := configs.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	c := ControlOf(file)
	for name, ask := range map[string]func() error{
		"revoke": func() error { _, err := c.Revoke(t.Context(), Revocation{Token: "x"}); return err },
		"list":   func() error { _, err := c.Tokens(t.Context(), TokenQuery{}); return err },
		"delete": func() error { _, err := c.DeleteTokens(t.Context(), TokenName{ID: "x"}); return err },
	} {
		if err := ask(); err == nil || errors.Is(err, ErrNotRunning) || strings.Count(err.Error(), "the state cannot be asked: ") != 1 {
			t.Errorf("%s: %v, want that the state cannot be asked", name, err)
		}
	}
	for name, ask := range map[string]func() error{
		"reload": func() error { _, err := c.Reload(t.Context()); return err },
		"create": func() error { _, err := c.CreateToken(t.Context(), TokenOrder{Owner: "dev", Name: "x"}); return err },
	} {
		if err := ask(); !errors.Is(err, ErrNotRunning) {
			t.Errorf("%s: %v, want that no gate runs", name, err)
		}
	}
}
