//go:build redis

package redis

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/regate/regate/internal/state"
	"github.com/regate/regate/internal/state/redis/redistest"
)

// TestServerLoads for a while when it has been started: a gate that comes then,
// and one that is there, ask again, and do not take it for one that keeps nothing.
func TestServerLoads(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t)
	old := openNew(t, config(srv))
	if _, err := cli(t, srv).Pipelined(t.Context(), func(p redis.Pipeliner) error {
		for i := range 8000 { // after each 1024 of which it answers somebody
			p.Set(t.Context(), fmt.Sprint("other:", i), "x", 0)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	srv.Kill()
	breakLink(t, old)
	srv.Args = append(srv.Args, "--key-load-delay", "500") // is four seconds
	srv.Start(t)
	if info := srv.Do(t, "INFO", "persistence"); !strings.Contains(info, "loading:1") {
		t.Skip("it has loaded already")
	}
	core, said := observer.New(zap.WarnLevel)
	s, err := open(t.Context(), config(srv), "another", zap.New(core))
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	defer s.Close()
	for _, s := range []*Store{s, old} {
		redistest.Soon(t, "it has loaded", func() error { return s.Health(t.Context()) })
	}
	if said.FilterMessageSnippet("append-only").Len() > 0 {
		t.Errorf("it is told of what is not so: %v", said.All())
	}
}

// TestFullServer is read, and says of itself that it is full, until it is not.
func TestFullServer(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t)
	core, said := observer.New(zap.DebugLevel)
	s := openAs(t, config(srv), "full", zap.New(core))
	if _, err := s.Put(t.Context(), "a/b", []byte("x"), state.PutOpts{}); err != nil {
		t.Fatal(err)
	}
	srv.Do(t, "CONFIG", "SET", "maxmemory", "1")
	_, err := s.Put(t.Context(), "a/b", []byte("y"), state.PutOpts{})
	if err == nil || !strings.HasPrefix(err.Error(), "put a/b: OOM ") || strings.Contains(err.Error(), "user_script") {
		t.Errorf("Put = %v", err)
	}
	if trouble := s.Trouble(); trouble == nil || !trouble.Answers {
		t.Errorf("trouble is %+v", trouble)
	}
	if val, err := s.Get(t.Context(), "a/b"); err != nil || string(val.Data) != "x" {
		t.Errorf("Get = %q, %v", val.Data, err)
	}
	srv.Do(t, "CONFIG", "SET", "maxmemory", "0")
	until(t, "it is over", func() bool { return s.Trouble() == nil })
	if said.Len() != 2 {
		t.Errorf("the log has %v", said.All())
	}
}

// TestEachRightIsMissed at the start that docs/fleet.md gives and a gate needs.
func TestEachRightIsMissed(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t)
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := config(srv)
	cfg.Username, cfg.PasswordFile = "regate", file
	for right := range strings.FieldsSeq(leastRights) {
		command, ok := strings.CutPrefix(right, "+")
		switch command {
		case "@connection", "info", "cluster|slots", "subscribe", "publish", "setnx", "persist", "get", "hget":
			continue // without which it does not start, or that only few gates need, or now and then
		}
		if !ok {
			continue
		}
		srv.Do(t, strings.Fields("ACL SETUSER regate reset >secret "+leastRights+" -"+command)...)
		s, err := open(t.Context(), cfg, defaultPrefix, nil)
		if err != nil {
			t.Errorf("without %s: %v", command, err)
			continue
		}
		if trouble := s.Trouble(); trouble == nil || !strings.Contains(trouble.Advice, "docs/fleet.md") {
			t.Errorf("without %s: trouble is %+v", command, trouble)
		}
		_ = s.Close()
	}
}
