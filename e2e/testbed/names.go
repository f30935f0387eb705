package testbed

import (
	"bytes"
	"encoding/json"
	"net/http"
	"testing"
)

// Names is a DNS server under which every name has the address of the gates,
// until it is told otherwise. CAs ask it where to look for a host.
type Names struct {
	*Process
	Addr string // 127.0.0.1:PORT, over UDP and TCP
	API  string // http://127.0.0.1:PORT, where it is told
}

// StartNames starts pebble's own DNS server.
func StartNames(t testing.TB) *Names {
	t.Helper()
	api := LocalAddr()
	n := &Names{Addr: LocalAddr(), API: "http://" + api}
	n.Process = Start(t, Command{Program: "pebble-challtestsrv", Dir: Dir(t), Args: []string{
		"-dnsserver", n.Addr, "-management", api,
		"-defaultIPv4", Address, "-defaultIPv6", "",
		"-doh", "", "-http01", "", "-https01", "", "-tlsalpn01", "",
	}})
	n.Await(t, func() error { return n.tell("/clear-request-history", nil) })
	return n
}

// Move gives a name another address.
func (n *Names) Move(t testing.TB, host, to string) {
	t.Helper()
	n.must(t, "/add-a", map[string]any{"host": host, "addresses": []string{to}})
}

// Break has questions about a name answered with SERVFAIL.
func (n *Names) Break(t testing.TB, host string) {
	t.Helper()
	n.must(t, "/set-servfail", map[string]any{"host": host})
}

// Forget undoes Move and Break.
func (n *Names) Forget(t testing.TB, host string) {
	t.Helper()
	n.must(t, "/clear-a", map[string]any{"host": host})
	n.must(t, "/clear-servfail", map[string]any{"host": host})
}

func (n *Names) must(t testing.TB, path string, what any) {
	t.Helper()
	if err := n.tell(path, what); err != nil {
		t.Fatal(err)
	}
}

func (n *Names) tell(path string, what any) error {
	text, err := json.Marshal(what)
	if err != nil {
		return err
	}
	res, err := http.Post(n.API+path, "application/json", bytes.NewReader(text))
	if err != nil {
		return err
	}
	return statusIs(res, 200, 400) // 400 is the history that nobody asked to clear
}
