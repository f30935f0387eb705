package testbed

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// A Gate is regate with a configuration in a file. NewGate reserves its
// addresses, so that others may be told of them; Start runs it.
type Gate struct {
	*Process
	Host  string   // gate.test:PORT, as clients write it
	URL   string   // https://gate.test:PORT
	Plain string   // http://gate.test:PORT; "" has it listen nowhere
	Admin string   // http://127.0.0.1:PORT
	CA    *CA      // who signs its certificate; its own is known after Start
	TLS   string   // the section tls of its configuration
	File  string   // its configuration
	Env   []string // beside PATH and HOME

	Port, PlainPort int

	dir string
}

// NewGate reserves the addresses of a gate and makes its certificate. With no
// CA given the gate is told to be its own.
func NewGate(t testing.TB, ca *CA) *Gate {
	t.Helper()
	g := &Gate{CA: ca, Port: Port(), PlainPort: Port(), Admin: "http://" + LocalAddr(), dir: Dir(t)}
	g.Host = Host + ":" + strconv.Itoa(g.Port)
	g.URL = "https://" + g.Host
	g.Plain = "http://" + Host + ":" + strconv.Itoa(g.PlainPort)
	g.File = filepath.Join(g.dir, "regate.yaml")
	g.TLS = "{hosts: [" + Host + "], mode: internal}"
	if ca != nil {
		cert, key := ca.Issue(t, Host)
		g.TLS = fmt.Sprintf("{hosts: [%s], mode: files, files: [{cert: %s, key: %s}]}", Host, cert, key)
	}
	return g
}

// StatePath returns the folder of the gate's state.
func (g *Gate) StatePath() string { return filepath.Join(g.dir, "state") }

// AdminPort is the port of Admin, as a balancer wants it.
func (g *Gate) AdminPort() string { return g.Admin[strings.LastIndexByte(g.Admin, ':')+1:] }

// Configure writes the configuration: its addresses, certificate, state and
// log are given, the rest is yaml.
func (g *Gate) Configure(t testing.TB, yaml string) {
	t.Helper()
	write(t, g.File, g.preamble()+yaml)
}

func (g *Gate) preamble() string {
	plain := ""
	if g.Plain != "" {
		plain = fmt.Sprintf("%s:%d", Address, g.PlainPort)
	}
	return fmt.Sprintf(`listen: {https: "%s:%d", http: %q, admin: %q, grace: 0s}
tls: %s
state: {path: %s}
log: {level: debug, format: json}
`, Address, g.Port, plain, strings.TrimPrefix(g.Admin, "http://"), g.TLS, g.StatePath())
}

// TokenRoot has the gate make its token root and returns the file, which is
// what a registry wants as rootcertbundle before it starts.
func (g *Gate) TokenRoot(t testing.TB) string {
	t.Helper()
	Run(t, Command{Program: "regate", Args: []string{"root", "-c", g.File}, Dir: g.dir})
	return filepath.Join(g.StatePath(), "token-root.pem")
}

// Start runs the gate and waits until it is ready and has a certificate.
func (g *Gate) Start(t testing.TB) {
	t.Helper()
	g.Launch(t)
	if g.CA == nil {
		g.CA = LoadCA(t, filepath.Join(g.StatePath(), "certs", "ca.crt"))
	}
	g.Await(t, g.serving)
}

// Launch runs the gate and waits until it is ready, with a certificate or
// without. It may be used again when the gate has ended.
func (g *Gate) Launch(t testing.TB) {
	t.Helper()
	g.Process = Start(t, Command{Program: "regate", Args: []string{"serve", "-c", g.File}, Env: g.Env, Dir: g.dir})
	t.Cleanup(func() { g.overhear(t.Name()) })
	g.Await(t, g.ready)
}

// AwaitReady waits for a gate that somebody else has started.
func (g *Gate) AwaitReady(t testing.TB) {
	t.Helper()
	await(t, g.ready, nil, nil)
	await(t, g.serving, nil, nil)
}

func (g *Gate) ready() error { return answers(http.DefaultClient, g.Admin+"/readyz", 200) }

func (g *Gate) serving() error { return answers(g.CA.HTTP(), g.URL+"/healthz", 200) }

// LocalAddr returns a loopback address that nobody else was given.
func LocalAddr() string { return "127.0.0.1:" + strconv.Itoa(Port()) }

// answers reports an error unless a GET of url has one of the statuses.
func answers(client *http.Client, url string, statuses ...int) error {
	res, err := client.Get(url)
	if err != nil {
		return err
	}
	return statusIs(res, statuses...)
}

// statusIs ends an answer and reports an error unless it has one of the statuses.
func statusIs(res *http.Response, statuses ...int) error {
	defer res.Body.Close()
	if slices.Contains(statuses, res.StatusCode) {
		return nil
	}
	return fmt.Errorf("%s: %s", res.Request.URL, res.Status)
}

func write(t testing.TB, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(strings.TrimLeft(text, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// listening reports an error unless somebody takes connections at addr.
func listening(addr string) error {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	return conn.Close()
}
