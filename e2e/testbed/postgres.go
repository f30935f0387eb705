package testbed

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// A Postgres is a PostgreSQL with an empty database docker_auth. Whoever comes
// over TCP needs TLS and a password.
type Postgres struct {
	*Process
	Addr string // 127.0.0.1:PORT
	CA   *CA    // who has signed its certificate

	port      int
	dir, data string
}

// StartPostgres makes a PostgreSQL, starts it, and waits until it answers.
func StartPostgres(t testing.TB) *Postgres {
	t.Helper()
	p := &Postgres{port: Port(), CA: NewCA(t), dir: Dir(t)}
	p.Addr = fmt.Sprintf("127.0.0.1:%d", p.port)
	p.makeData(t)
	p.Launch(t)
	Run(t, p.psql("postgres", "CREATE DATABASE docker_auth"))
	return p
}

// makeData makes its files. It refuses to run as root, and Dir is for root
// alone, so they are elsewhere below /run, which is the namespace's own.
func (p *Postgres) makeData(t testing.TB) {
	t.Helper()
	var err error
	if p.data, err = os.MkdirTemp("/run", "postgres-"); err != nil {
		t.Fatal(err)
	}
	give(t, p.data)
	Run(t, p.asPostgres(t, "initdb", "-D", p.data, "--no-sync", "--auth-local=trust", "--auth-host=scram-sha-256"))
	cert, key := p.CA.Issue(t, "127.0.0.1")
	for name, from := range map[string]string{"server.crt": cert, "server.key": key} {
		text, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		give(t, write(t, filepath.Join(p.data, name), string(text)))
	}
	hba := "local all all trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n"
	give(t, write(t, filepath.Join(p.data, "pg_hba.conf"), hba))
}

// Launch runs it, the first time or again, and waits until it answers.
func (p *Postgres) Launch(t testing.TB) {
	t.Helper()
	p.Process = Start(t, p.asPostgres(t, "postgres", "-D", p.data, "-p", strconv.Itoa(p.port),
		"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="+p.data, "-c", "fsync=off", "-c", "ssl=on"))
	t.Cleanup(func() { p.Stop(t) }) // before Start's own, at which it would wait for the gate
	p.Await(t, func() error { _, err := Try(p.psql("postgres", "SELECT 1")); return err })
}

// Stop ends it without waiting for its clients.
func (p *Postgres) Stop(t testing.TB) {
	t.Helper()
	_ = p.Signal(syscall.SIGINT)
	select {
	case <-p.Done():
	case <-time.After(Patience):
		t.Errorf("PostgreSQL did not end within %v", Patience)
	}
}

// SQL has the statements carried out, as the administrator.
func (p *Postgres) SQL(t testing.TB, statements string) {
	t.Helper()
	Run(t, p.psql("docker_auth", statements))
}

// Lock keeps everybody else from a table until the test ends.
func (p *Postgres) Lock(t testing.TB, table string, long time.Duration) {
	t.Helper()
	Start(t, p.psql("docker_auth", fmt.Sprintf("BEGIN; LOCK TABLE %s; SELECT pg_sleep(%g)", table, long.Seconds())))
}

func (p *Postgres) psql(database, statements string) Command {
	return Command{Program: "psql", Dir: p.dir, Args: []string{
		"-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", p.data, "-p", strconv.Itoa(p.port), "-U", "postgres", "-d", database, "-c", statements,
	}}
}

// asPostgres is one of its programs, which Debian keeps by version.
func (p *Postgres) asPostgres(t testing.TB, program string, args ...string) Command {
	t.Helper()
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/" + program)
	if err != nil || len(found) == 0 {
		t.Fatalf("%s is missing: run the tests by `make e2e`, which installs what they need", program)
	}
	as := []string{"--reuid=postgres", "--regid=postgres", "--clear-groups", "--", found[len(found)-1]}
	return Command{Program: "setpriv", Dir: p.dir, Args: append(as, args...)}
}

// give makes the file PostgreSQL's.
func give(t testing.TB, path string) {
	t.Helper()
	who, err := user.Lookup("postgres")
	if err != nil {
		t.Fatal(err)
	}
	uid, _ := strconv.Atoi(who.Uid)
	gid, _ := strconv.Atoi(who.Gid)
	if err := os.Chown(path, uid, gid); err != nil {
		t.Fatal(err)
	}
}
