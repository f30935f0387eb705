package redis

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// A standin is a server that says what a test wants.
type standin struct {
	hello string                     // said to each connection before anything else; then it is closed
	reply func(args []string) string // to each command; "" hangs up
}

func (s standin) start(t *testing.T) Config {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go s.serve(c)
		}
	}()
	return Config{Addrs: []string{l.Addr().String()}}
}

func (s standin) serve(c net.Conn) {
	defer c.Close()
	if s.hello != "" {
		_, _ = io.WriteString(c, s.hello)
		return
	}
	r := bufio.NewReader(c)
	for {
		args, err := command(r)
		if err != nil {
			return
		}
		say := s.reply(args)
		if _, err := io.WriteString(c, say); err != nil || say == "" {
			return
		}
	}
}

// command reads an array of bulk strings.
func command(r *bufio.Reader) ([]string, error) {
	n, err := number(r)
	if err != nil {
		return nil, err
	}
	args := make([]string, n)
	for i := range args {
		size, err := number(r)
		if err != nil {
			return nil, err
		}
		text := make([]byte, size+2)
		if _, err := io.ReadFull(r, text); err != nil {
			return nil, err
		}
		args[i] = string(text[:size])
	}
	return args, nil
}

func number(r *bufio.Reader) (int, error) {
	line, err := r.ReadString('\n')
	if err != nil || len(line) < 2 {
		return 0, errors.Join(err, io.ErrUnexpectedEOF)
	}
	return strconv.Atoi(strings.TrimSpace(line[1:]))
}

// good is what a server says that is fit, but for one command.
func good(but, say string) func([]string) string {
	info := "redis_version:7.0.0\r\nrole:master\r\nmaxmemory_policy:noeviction\r\naof_enabled:1"
	return func(args []string) string {
		switch name := strings.ToUpper(args[0]); name {
		case but:
			return say
		case "HELLO":
			return "-ERR unknown command 'HELLO'\r\n"
		case "INFO":
			return fmt.Sprintf("$%d\r\n%s\r\n", len(info), info)
		case "SUBSCRIBE":
			return fmt.Sprintf("*3\r\n$9\r\nsubscribe\r\n$%d\r\n%s\r\n:1\r\n", len(args[1]), args[1])
		case "GET":
			return "$1\r\n1\r\n"
		case "HMGET":
			return "*2\r\n$-1\r\n$-1\r\n"
		case "ZRANGEBYLEX":
			return "*0\r\n"
		case "SCAN":
			return "*2\r\n$1\r\n0\r\n*0\r\n"
		case "EVAL", "EVALSHA":
			return "$1\r\n1\r\n"
		}
		return "+OK\r\n"
	}
}

// TestWhatServersSay when the gate comes: one that will go on to say so is
// refused, any other may yet be well, and each time it can be read what it was.
// One that cannot be written to is read.
func TestWhatServersSay(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		with  standin
		unfit bool
		want  string
	}{
		{"protected mode", standin{hello: "-DENIED Redis is running in protected mode because\r\n"}, true, "DENIED Redis is running in protected mode"},
		{"too many connections", standin{hello: "-ERR max number of clients reached\r\n"}, false, "max number of clients reached"},
		{"another service", standin{hello: "HTTP/1.1 400 Bad Request\r\n\r\n"}, false, "HTTP/1.1 400"},
		{"is loading", standin{reply: good("GET", "-LOADING Redis is loading the dataset in memory\r\n")}, false, "LOADING"},
		{"was made a replica", standin{reply: good("SET", "-READONLY You can't write against a read only replica.\r\n")}, false, ""},
		{"is full", standin{reply: good("SET", "-OOM command not allowed when used memory > 'maxmemory'.\r\n")}, false, ""},
		{"cannot write its disk", standin{reply: good("SET", "-MISCONF Redis is configured to save RDB snapshots\r\n")}, false, ""},
		{"wants a password", standin{reply: func([]string) string { return "-NOAUTH Authentication required.\r\n" }}, true, "NOAUTH Authentication required.: name a password_file"},
		{"has another password", standin{reply: func([]string) string { return "-WRONGPASS invalid username-password pair\r\n" }}, true, "username"},
		{"is no Sentinel", standin{reply: good("INFO", "-ERR unknown command `sentinel`, with args beginning with: `get-master-addr-by-name`\r\n")}, true, "leave that out"},
		{"is no Cluster", standin{reply: good("INFO", "-ERR This instance has cluster support disabled\r\n")}, true, "leave cluster out"},
		{"does not know INFO", standin{reply: good("INFO", "-ERR unknown command `info`\r\n")}, false, ""},
		{"has no such rights", standin{reply: good("GET", "-NOPERM this user has no permissions\r\n")}, true, "NOPERM"},
		{"answers nonsense", standin{reply: good("INFO", "$-7\r\n")}, false, "invalid reply"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, err := open(t.Context(), tt.with.start(t), defaultPrefix, nil)
			if err == nil {
				defer s.Close()
				err = s.link.trouble()
			}
			if errors.Is(err, ErrUnfit) != tt.unfit {
				t.Errorf("open: %v, want unfit %v", err, tt.unfit)
			}
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("open: %v, want %q", err, tt.want)
			}
		})
	}
}

// echo refuses a command as Redis does, with what came with it.
func echo(args []string) string {
	return fmt.Sprintf("-ERR unknown command '%s', with args beginning with: '%s'\r\n", args[0], strings.Join(args[1:], "' '"))
}

// TestPasswordIsNotRepeated by the error, whatever the server repeats.
func TestPasswordIsNotRepeated(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("hunter2"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, with := range map[string]standin{
		"knows no password": {reply: echo},
		"hangs up": {reply: func(args []string) string {
			if strings.EqualFold(args[0], "HELLO") {
				return echo(args)
			}
			return ""
		}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := with.start(t)
			cfg.PasswordFile = file
			core, said := observer.New(zap.DebugLevel)
			s, err := open(t.Context(), cfg, defaultPrefix, zap.New(core))
			if err == nil {
				_, err = s.Get(t.Context(), "a/b")
				_ = s.Close()
			}
			all := fmt.Sprint(err, said.All())
			if !strings.Contains(all, "unknown command") || strings.Contains(all, "hunter2") {
				t.Errorf("it says %s", all)
			}
		})
	}
}

// TestStartDuringAFailover, when Sentinels still name a master that is none
// any more: it is worth waiting for.
func TestStartDuringAFailover(t *testing.T) {
	t.Parallel()
	info := "redis_version:7.0.0\r\nrole:slave"
	cfg := standin{reply: good("INFO", fmt.Sprintf("$%d\r\n%s\r\n", len(info), info))}.start(t)
	host, port, _ := net.SplitHostPort(cfg.Addrs[0])
	sentinel := standin{reply: func(args []string) string {
		switch name := strings.ToLower(strings.Join(args, " ")); {
		case strings.HasPrefix(name, "sentinel get-master-addr-by-name "):
			return fmt.Sprintf("*2\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n", len(host), host, len(port), port)
		case strings.HasPrefix(name, "sentinel "):
			return "*0\r\n"
		case strings.HasPrefix(name, "hello "):
			return echo(args)
		}
		return "+OK\r\n"
	}}.start(t)
	sentinel.MasterName = "gates"
	s, err := open(t.Context(), sentinel, defaultPrefix, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.link.trouble(); err == nil || !strings.Contains(err.Error(), "a fail-over goes on") {
		t.Errorf("trouble is %v", err)
	}
}
