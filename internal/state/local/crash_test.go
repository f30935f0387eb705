package local

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/bbolt"
)

// The tests below need a process of their own, to kill or to starve: this
// binary again, which the variable tells what to be.
const roleVar = "REGATE_TEST_STATE_ROLE"

func TestMain(m *testing.M) {
	roles := map[string]func(dir string) error{"hold": holdState, "fill": fillState, "start": startState}
	role, ok := roles[os.Getenv(roleVar)]
	if !ok {
		os.Exit(m.Run())
	}
	if err := role(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func command(t *testing.T, role, dir string) *exec.Cmd {
	cmd := exec.CommandContext(t.Context(), os.Args[0], dir)
	cmd.Env = append(os.Environ(), roleVar+"="+role)
	return cmd
}

// holdState takes the lease and writes until it is killed. It prints what it
// has been told is safe.
func holdState(dir string) error {
	s, err := Open(context.Background(), Config{Path: dir}, nil)
	if err != nil {
		return err
	}
	if _, err := s.Acquire(context.Background(), "issue", time.Hour); err != nil {
		return err
	}
	for i := 0; ; i++ {
		key := fmt.Sprintf("a/%d", i)
		if _, err := s.Put(context.Background(), key, []byte(key), noOpts); err != nil {
			return err
		}
		fmt.Println(key)
	}
}

func TestKilledHolder(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	holder := command(t, "hold", dir)
	out, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	var safe []string
	lines := bufio.NewScanner(out)
	for len(safe) < 20 && lines.Scan() {
		safe = append(safe, lines.Text())
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*lockRetry)
	defer cancel()
	if _, err := Open(ctx, Config{Path: dir}, nil); !errors.Is(err, ErrInUse) {
		t.Errorf("Open while another process holds the state = %v, want ErrInUse", err)
	}

	if err := holder.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for lines.Scan() { // what it could still print was safe as well
		safe = append(safe, lines.Text())
	}
	_ = holder.Wait()

	s := openAt(t, dir, time.Now)
	if len(safe) < 20 {
		t.Fatalf("the holder wrote %q", safe)
	}
	for _, key := range safe {
		if val, err := s.Get(t.Context(), key); err != nil || string(val.Data) != key {
			t.Errorf("Get(%q) = %q, %v", key, val.Data, err)
		}
	}
	if _, err := s.Acquire(t.Context(), "issue", time.Hour); err != nil {
		t.Errorf("Acquire of the dead holder's lease = %v", err)
	}
	checkFile(t, s)
}

// limitFiles makes every write past size fail with EFBIG, as a full disk would
// with ENOSPC.
func limitFiles(size uint64) error {
	signal.Ignore(syscall.SIGXFSZ)
	return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: size, Max: size})
}

// fillState writes until there is no more room, and goes on living.
func fillState(dir string) error {
	s, err := Open(context.Background(), Config{Path: dir}, nil)
	if err != nil {
		return err
	}
	if err := limitFiles(1 << 20); err != nil {
		return err
	}
	kept, err := fill(s)
	if err == nil {
		return errors.New("the disk is never full")
	}
	for round := range 3 {
		if err := s.readBack(kept); err != nil {
			return fmt.Errorf("round %d: %w", round, err)
		}
		if _, err := s.Put(context.Background(), "a/0", make([]byte, 1<<20), noOpts); err == nil {
			return errors.New("a value larger than the disk was kept")
		}
	}
	if err := s.Close(); err != nil {
		return err
	}
	if s, err = Open(context.Background(), Config{Path: dir}, nil); err != nil {
		return fmt.Errorf("restart on a full disk: %w", err)
	}
	if err := s.readBack(kept); err != nil {
		return fmt.Errorf("after a restart: %w", err)
	}
	fmt.Println(kept)
	return s.Close()
}

// fill puts values until one is refused.
func fill(s *Store) (kept int, err error) {
	for kept = 0; err == nil && kept < 100; kept++ {
		_, err = s.Put(context.Background(), fmt.Sprintf("a/%d", kept), fillValue(kept), noOpts)
	}
	return kept - 1, err
}

func fillValue(i int) []byte { return bytes.Repeat([]byte{byte(i)}, 1<<16) }

func (s *Store) readBack(count int) error {
	for i := range count {
		key := fmt.Sprintf("a/%d", i)
		if val, err := s.Get(context.Background(), key); err != nil || !bytes.Equal(val.Data, fillValue(i)) {
			return fmt.Errorf("get %s: %d bytes, %w", key, len(val.Data), err)
		}
	}
	return nil
}

func TestFullDisk(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	out, err := command(t, "fill", dir).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var kept int
	if _, err := fmt.Sscan(string(out), &kept); err != nil || kept < 2 {
		t.Fatalf("it could write %q values", out)
	}
	s := openAt(t, dir, time.Now) // there is room again
	if err := s.readBack(kept); err != nil {
		t.Error(err)
	}
	if _, err := s.Put(t.Context(), "a/0", make([]byte, 1<<20), noOpts); err != nil {
		t.Errorf("Put, when there is room again = %v", err)
	}
	checkFile(t, s)
}

// checkFile lets bbolt look at every page.
func checkFile(t *testing.T, s *Store) {
	t.Helper()
	_ = s.db.View(func(tx *bbolt.Tx) error {
		for err := range tx.Check() {
			t.Error(err)
		}
		return nil
	})
}

// startState opens a new state with no room for one.
func startState(dir string) error {
	if err := limitFiles(6000); err != nil {
		return err
	}
	_, err := Open(context.Background(), Config{Path: dir}, nil)
	return err
}

func TestFirstStartOnFullDisk(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	out, err := command(t, "start", dir).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "file too large") {
		t.Fatalf("first start without room: %v, %s", err, out)
	}
	s := openAt(t, dir, time.Now) // half a database would be refused here
	if err := s.Health(t.Context()); err != nil {
		t.Error(err)
	}
}
