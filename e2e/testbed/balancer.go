package testbed

import (
	"encoding/csv"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
)

// A Balancer is HAProxy.
type Balancer struct {
	*Process
	socket string // where it is asked and told things
}

// balanced is what stands in every configuration.
const balanced = `global
	log stdout format raw local0 info
	stats socket %s level admin
defaults
	log global
	timeout connect 5s
	timeout client 1h
	timeout server 1h
%s
`

// StartBalancer starts one with frontends and backends, and waits until it
// listens on addr.
func StartBalancer(t testing.TB, config, addr string) *Balancer {
	t.Helper()
	dir := Dir(t)
	b := &Balancer{socket: filepath.Join(dir, "admin.sock")}
	file := write(t, filepath.Join(dir, "haproxy.cfg"), fmt.Sprintf(balanced, b.socket, config))
	b.Process = Start(t, Command{Program: "haproxy", Args: []string{"-f", file, "-db"}, Dir: dir})
	b.Await(t, func() error { return listening(addr) })
	return b
}

// AwaitServer waits until HAProxy has a server in a state: "UP", "DOWN".
func (b *Balancer) AwaitServer(t testing.TB, server, state string) {
	t.Helper()
	b.Await(t, func() error {
		states, err := b.servers()
		if err == nil && states[server] != state {
			err = fmt.Errorf("%s is %q, not %q", server, states[server], state)
		}
		return err
	})
}

// servers are the states of all servers, by name.
func (b *Balancer) servers() (map[string]string, error) {
	conn, err := net.Dial("unix", b.socket)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "show stat\n"); err != nil {
		return nil, err
	}
	r := csv.NewReader(conn)
	r.FieldsPerRecord = -1
	rows, err := r.ReadAll()
	if err != nil || len(rows) == 0 {
		return nil, fmt.Errorf("show stat: %d rows, %v", len(rows), err)
	}
	name, status := column(rows[0], "svname"), column(rows[0], "status")
	states := make(map[string]string)
	for _, row := range rows[1:] {
		if len(row) > status {
			states[row[name]], _, _ = strings.Cut(row[status], " ") // "UP 1/2" is going down
		}
	}
	return states, nil
}

func column(head []string, name string) int {
	for i, h := range head {
		if strings.TrimPrefix(h, "# ") == name {
			return i
		}
	}
	return 0
}
