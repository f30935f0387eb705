//go:build bench

// Package bench measures what the gate costs, beside nginx and HAProxy.
//
// In goes the built gate, out comes a table of markdown for the README: CPU time
// of the processes, from /proc, per unit of work. All servers stand in front of
// the same registry, which costs next to nothing, have the same certificate, and
// are asked by the same client in turns, so that what else the machine does
// hits them alike. Each writes a line to its log for each request, as each does
// when it comes from its package. The peers check nothing.
//
// It asserts only that the work was done; whether a number is good is for the
// reader of the table. Lifetime: the test binary, in namespaces of its own.
//
//	make bench                                          all of it, about five minutes
//	cd e2e && go test -tags bench -run 'TestBench/upload' -v ./bench   one part
//	… -short                                            a look instead of a measurement
package bench

import (
	"crypto/tls"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/regate/regate/e2e/testbed"
)

func TestMain(m *testing.M) {
	if os.Getenv(floodEnv) != "" {
		os.Exit(floodMain())
	}
	if os.Getenv(intruderEnv) != "" {
		os.Exit(intruderMain())
	}
	testbed.Main(m)
}

func TestBench(t *testing.T) {
	b := newBench(t)
	t.Run("manifest", b.manifest)
	t.Run("blob", b.blob)
	t.Run("upload", b.upload)
	t.Run("handshakes", b.handshakes)
	t.Run("token", b.token)
	t.Run("logins", b.logins)
	t.Run("memory", b.memory)
	t.Run("idle", b.idle)
	t.Run("crowd", b.idleCrowd)
	t.Run("fleet", b.fleet)
	t.Run("acme", b.acme)
	t.Run("flood", b.flood)
	t.Run("intruder", b.intruder)
	fmt.Print(b.report.String())
}

// A bench is everything that runs while it is measured.
type bench struct {
	report
	authority *testbed.CA
	tls       *tls.Config
	sink      *sink
	peer      peer
	gate      *server
	servers   []*server // the gate first
	uploaders []*server // those but for one of the two nginx, which take uploads alike
	bearer    string    // for the gate
	rounds    int
}

const (
	account  = "admin"
	password = "correct-horse"
)

// rules let one user in by a cheap hash, and others, who are new to the gate when
// their turn comes, by the one that people should have. Wrong passwords have no
// limit: what they cost is what is measured.
const rules = `
registries: {main: {upstreams: ["http://%s"]}}
auth:
  token: {issuer: regate, service: registry, expiration: 3600}
  login_limits: {exempt: [0.0.0.0/0]}
  users:
    "admin": {password: %q}
    "first": {password: %[3]q}
    "second": {password: %[3]q}
    "flooded": {password: %q}
  acl:
    - {match: {account: "/.+/"}, actions: ["*"]}
`

func newBench(t *testing.T) *bench {
	b := &bench{rounds: 7, authority: testbed.NewCA(t), sink: startSink(t)}
	if testing.Short() {
		b.rounds = 1
	}
	b.tls = &tls.Config{RootCAs: b.authority.Pool(), ServerName: testbed.Host, NextProtos: []string{"http/1.1"}}
	gate := b.startGate(t)
	b.gate, b.bearer = gate.server, b.login(t, gate.server, account)
	b.peer = peer{cert: gate.cert, key: gate.key, upstream: b.sink.addr}
	off, on, haproxy := b.peer.nginx(t, "off"), b.peer.nginx(t, "on"), b.peer.haproxy(t)
	b.servers = []*server{b.gate, off, on, haproxy}
	b.uploaders = []*server{b.gate, off, haproxy}
	return b
}

// A gate is a server, with the files of its certificate.
type gate struct {
	*server
	cert, key string
}

var certificate = regexp.MustCompile(`cert: (\S+), key: ([^\s}]+)`)

// startGate starts a gate. Its log is that of production, not the one of the
// other tests.
func (b *bench) startGate(t *testing.T) gate {
	return b.startGateAs(t, func(config string) string { return config })
}

// startGateAs starts one with a change of its configuration.
func (b *bench) startGateAs(t *testing.T, change func(string) string) gate {
	g := b.prepareGate(t, change)
	g.Start(t)
	return b.measured(t, g)
}

// prepareGate configures one that somebody else starts.
func (b *bench) prepareGate(t *testing.T, change func(string) string) *testbed.Gate {
	g := testbed.NewGate(t, b.authority)
	g.Configure(t, fmt.Sprintf(rules, b.sink.addr, hash(t, 5), hash(t, crowdCost), hash(t, 10)))
	info := strings.Replace(read(t, g.File), "level: debug", "level: info", 1)
	if err := os.WriteFile(g.File, []byte(change(info)), 0o600); err != nil {
		t.Fatal(err)
	}
	return g
}

// measured is a gate that runs.
func (b *bench) measured(t *testing.T, g *testbed.Gate) gate {
	files := certificate.FindStringSubmatch(read(t, g.File))
	if files == nil {
		t.Fatalf("no certificate in %s", g.File)
	}
	return gate{&server{name: "regate", host: g.Host, pid: g.Pid()}, files[1], files[2]}
}

func read(t *testing.T, file string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// hash returns the bcrypt hash of everybody's password.
func hash(t *testing.T, cost int) string {
	line := testbed.Run(t, testbed.Command{
		Program: "htpasswd",
		Args:    []string{"-nbBC", fmt.Sprint(cost), "", password},
		Dir:     testbed.Dir(t),
	})
	return strings.TrimPrefix(strings.TrimSpace(line), ":")
}
