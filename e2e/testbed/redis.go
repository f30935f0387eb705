package testbed

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A Redis is a server that keeps what it is told on a disk.
type Redis struct {
	*Process
	Addr    string // 127.0.0.1:PORT
	KeyFile string // of the gates that share it

	dir string
}

// StartRedis starts one that is empty.
func StartRedis(t testing.TB) *Redis {
	t.Helper()
	r := &Redis{Addr: LocalAddr(), dir: Dir(t)}
	r.KeyFile = write(t, filepath.Join(r.dir, "state.key"), fmt.Sprintf("%x\n", random(32)))
	r.Launch(t)
	return r
}

// Launch starts it with what it kept. It may be used again when it has ended.
func (r *Redis) Launch(t testing.TB) {
	t.Helper()
	_, port, _ := net.SplitHostPort(r.Addr)
	r.Process = Start(t, Command{
		Program: "redis-server",
		Args:    []string{"--port", port, "--bind", "127.0.0.1", "--dir", r.dir, "--appendonly", "yes", "--save", ""},
		Dir:     r.dir,
	})
	r.Await(t, r.answers)
}

// Kill ends it as a crash does.
func (r *Redis) Kill() {
	_ = r.Signal(syscall.SIGKILL) // it may be gone already
	<-r.Done()
}

// answers reports an error while it is not there, or still reads its disk.
func (r *Redis) answers() error {
	conn, err := net.Dial("tcp", r.Addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "PING\r\n"); err != nil {
		return err
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err == nil && !strings.HasPrefix(line, "+PONG") {
		err = fmt.Errorf("redis says %q", line)
	}
	return err
}

// State is the section state of a gate that shares it, and has dir for itself.
func (r *Redis) State(dir string) string {
	return fmt.Sprintf("{path: %s, redis: {addrs: [%q], key_file: %s}}", dir, r.Addr, r.KeyFile)
}
