package systemd

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const patience = 20 * time.Second

// envService makes the test binary a service.
const envService = "SYSTEMD_TEST_SERVICE"

func TestMain(m *testing.M) {
	if os.Getenv(envService) == "" {
		os.Exit(m.Run())
	}
	serve()
}

// serve says what it was given, and what a program that it starts is given, and
// answers one connection to each socket.
func serve() {
	all, err := Sockets()
	if err != nil {
		fmt.Println("error:", err)
		return
	}
	again, err := Sockets()
	fmt.Println("again:", len(again), err)
	child, _ := exec.Command("/bin/sh", "-c", "echo ${LISTEN_FDS-none}; ls -l /proc/self/fd | grep -c socket").Output()
	fmt.Println("child:", strings.Fields(string(child)))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		fmt.Println("socket:", name)
	}
	fmt.Println("notify:", Notify(Ready))
	for name, l := range all {
		if c, err := l.Accept(); err == nil {
			_, _ = io.WriteString(c, name)
			_ = c.Close()
		}
		_ = l.Close()
	}
}

// start runs the service with sockets, which the shell makes its own.
func start(t *testing.T, files []*os.File, env ...string) (said func() string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", `test "$LISTEN_PID" || LISTEN_PID=$$; export LISTEN_PID; exec "$0"`, self)
	cmd.Env = append([]string{envService + "=1"}, env...)
	cmd.ExtraFiles = files
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	return func() string {
		rest, _ := io.ReadAll(lines)
		_ = cmd.Wait()
		return string(rest)
	}
}

func socket(t *testing.T) (*os.File, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f, l.Addr().String()
}

// TestSockets hands two sockets to one process after the other: who connects
// while there is none is answered by the next.
func TestSockets(t *testing.T) {
	https, addr := socket(t)
	admin, adminAddr := socket(t)
	path := filepath.Join(t.TempDir(), "notify")
	notes, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: path})
	if err != nil {
		t.Fatal(err)
	}
	defer notes.Close()
	_ = notes.SetReadDeadline(time.Now().Add(patience))
	for range 2 {
		waiting := []net.Conn{dial(t, addr), dial(t, adminAddr)}
		said := start(t, []*os.File{https, admin}, "LISTEN_FDS=2", "LISTEN_FDNAMES=https:admin", "NOTIFY_SOCKET="+path)
		for i, want := range []string{"https", "admin"} {
			if got, err := io.ReadAll(waiting[i]); string(got) != want {
				t.Errorf("%s answered %q, %v", want, got, err)
			}
		}
		if got, want := said(), "again: 0 <nil>\nchild: [none 0]\nsocket: admin\nsocket: https\nnotify: <nil>\n"; got != want {
			t.Errorf("the service said %q, want %q", got, want)
		}
		note := make([]byte, 64)
		if n, err := notes.Read(note); string(note[:n]) != Ready {
			t.Errorf("systemd was told %q, %v", note[:n], err)
		}
	}
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return c
}

func TestStrangeSockets(t *testing.T) {
	one, _ := socket(t)
	two, _ := socket(t)
	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, tt := range []struct {
		name  string
		files []*os.File
		env   []string
		want  string
	}{
		{"none", nil, nil, "error: LISTEN_FDS=\"\" is no number"},
		{"those of the parent", []*os.File{one}, []string{"LISTEN_PID=1", "LISTEN_FDS=1"}, "again: 0"},
		{"a negative number", nil, []string{"LISTEN_FDS=-1"}, "error: LISTEN_FDS=\"-1\" is no number"},
		{"more than there are", nil, []string{"LISTEN_FDS=40", "LISTEN_FDNAMES=a"}, "error: socket \"a\": "},
		{"the same name", []*os.File{one, two}, []string{"LISTEN_FDS=2", "LISTEN_FDNAMES=https:https"}, "error: socket \"https\" is there twice"},
		{"no name", []*os.File{one, two}, []string{"LISTEN_FDS=2"}, "error: socket \"\" is there twice"},
		{"no socket", []*os.File{file}, []string{"LISTEN_FDS=1", "LISTEN_FDNAMES=https"}, "error: socket \"https\": "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := start(t, tt.files, tt.env...)(); !strings.HasPrefix(got, tt.want) {
				t.Errorf("the service said %q, want %q", got, tt.want)
			}
		})
	}
}

func TestNobodyWantsToKnow(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	if err := Notify(Ready); err != nil {
		t.Errorf("Notify() = %v", err)
	}
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "nobody"))
	if err := Notify(Ready); err == nil {
		t.Error("Notify() to nobody went well")
	}
}
