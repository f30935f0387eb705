//go:build redis

package gate

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/regate/regate/configs"
	"github.com/regate/regate/internal/state/redis/redistest"
)

// A fleet is gates that share a Redis and nothing else.
type fleet struct {
	t     *testing.T
	redis *redistest.Server
	key   string // the file
	other string // upstream
}

func newFleet(t *testing.T) *fleet {
	t.Helper()
	f := &fleet{t: t, redis: redistest.Start(t), key: filepath.Join(t.TempDir(), "state.key"), other: registry(t, "main").URL}
	write(t, f.key, strings.Repeat("0f", 32))
	return f
}

// config is that of one gate, which has no state yet.
func (f *fleet) config() string {
	f.t.Helper()
	return f.shared(config(f.t, f.other, ""))
}

// shared is the configuration of a gate that was alone.
func (f *fleet) shared(path string) string {
	f.t.Helper()
	redis := fmt.Sprintf(", redis: {addrs: [%q], key_file: %q}}\nlog:", f.redis.Addr, f.key)
	return changed(f.t, path, "}\nlog:", redis)
}

func (f *fleet) start() *running { f.t.Helper(); return start(f.t, f.config()) }

func (g *running) root() string {
	g.t.Helper()
	pem, err := os.ReadFile(g.RootFile)
	if err != nil {
		g.t.Fatal(err)
	}
	return string(pem)
}

// serial is that of the certificate that the gate shows.
func (g *running) serial() string {
	g.t.Helper()
	c, err := tls.Dial("tcp", g.Addrs["https"], &tls.Config{InsecureSkipVerify: true}) // what it is, not whether it is good
	if err != nil {
		g.t.Fatal(err)
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0].SerialNumber.String()
}

func (g *running) control() *Control {
	return NewControl(filepath.Join(filepath.Dir(g.config), "state", "control.sock"))
}

// TestFleetSharesWhatItMakes: gates that start at the same time make one root,
// one CA and one certificate, and take each other's tokens.
func TestFleetSharesWhatItMakes(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	gates := make([]*running, 3)
	started := make(chan struct{})
	for i := range gates {
		path := f.config()
		go func() {
			defer func() { started <- struct{}{} }()
			gates[i] = start(t, path)
		}()
	}
	for range gates {
		<-started
	}
	one := gates[0]
	tok, login := one.token("repository:a:pull"), one.logIn("dev", "secret")
	for i, g := range gates {
		if g.RootFingerprint != one.RootFingerprint || g.root() != one.root() || g.CAFingerprint != one.CAFingerprint || g.serial() != one.serial() {
			t.Errorf("gate %d has another root, CA or certificate", i)
		}
		if got := g.pull(tok); got != http.StatusOK {
			t.Errorf("gate %d answers %d to the token of another", i, got)
		}
		if tok, status := g.refresh(login.Refresh); status != http.StatusOK || one.pull(tok) != http.StatusOK {
			t.Errorf("gate %d answers %d to the refresh token of another", i, status)
		}
	}
}

// TestRevocationReachesTheFleet within five seconds, also from a machine where
// no gate runs.
func TestRevocationReachesTheFleet(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	one, two := f.start(), f.start()
	refused := func(g *running, tok string) time.Duration {
		t.Helper()
		begin := time.Now()
		g.until("the token is refused", func() bool { return g.pull(tok) == http.StatusUnauthorized })
		return time.Since(begin)
	}
	dev := "dev"
	tok := two.token("repository:a:pull")
	if got := two.pull(tok); got != http.StatusOK {
		t.Fatalf("before: %d", got)
	}
	if _, err := one.control().Revoke(t.Context(), Revocation{Subject: &dev}); err != nil {
		t.Fatal(err)
	}
	took := refused(two, tok)
	t.Logf("another gate refuses after %v", took)
	if took > 5*time.Second {
		t.Errorf("another gate refuses after %v", took)
	}
}

// TestFleetCountsGuessesTogether: a burst is one for all gates.
func TestFleetCountsGuessesTogether(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	gates := []*running{f.start(), f.start()}
	wrong := 0
	for i := range 30 {
		switch status := gates[i%2].guess("guess " + strconv.Itoa(i)); status {
		case http.StatusUnauthorized:
			wrong++
		case http.StatusTooManyRequests:
		default:
			t.Errorf("guess %d: %d", i, status)
		}
	}
	if wrong != 10 {
		t.Errorf("%d guesses were looked at, want the burst of 10", wrong)
	}
}

// guess logs in with a password that is wrong.
func (g *running) guess(password string) int {
	g.t.Helper()
	r, err := http.NewRequestWithContext(g.t.Context(), http.MethodGet, "https://"+g.Addrs["https"]+"/auth?scope=repository:a:pull", nil)
	if err != nil {
		g.t.Fatal(err)
	}
	r.SetBasicAuth("dev", password)
	res, err := g.https.Do(r)
	if err != nil {
		g.t.Fatal(err)
	}
	_ = res.Body.Close()
	return res.StatusCode
}

// TestRedisLost: what needs no state goes on, what does says 503 and when to
// come again, and when it is back nothing is wrong.
func TestRedisLost(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	one, two := f.start(), f.start()
	tok, login := one.token("repository:a:pull,push"), one.logIn("dev", "secret")
	root := one.root()
	revokedBefore := two.token("repository:a:pull")
	if _, err := one.control().Revoke(t.Context(), Revocation{Token: claim(t, revokedBefore, "jti")}); err != nil {
		t.Fatal(err)
	}
	two.until("the revocation is known", func() bool { return two.pull(revokedBefore) == http.StatusUnauthorized })

	f.redis.Kill()
	for _, g := range []*running{one, two} {
		g.until("a login without the state", func() bool {
			status, _, _ := g.get("https", "/auth?scope=repository:a:pull", "Authorization", basic)
			return status == http.StatusOK
		})
		if got := g.pull(tok); got != http.StatusOK {
			t.Errorf("pull: %d", got)
		}
		if got := g.pull(revokedBefore); got != http.StatusUnauthorized {
			t.Errorf("pull with a token that was revoked: %d", got)
		}
		if got, _, _ := g.write(http.MethodPost, "/v2/a/blobs/uploads/", "Bearer "+tok); got != http.StatusOK { // as this registry answers
			t.Errorf("push: %d", got)
		}
		status, header := g.refreshed(login.Refresh)
		if status != http.StatusServiceUnavailable || header.Get("Retry-After") == "" {
			t.Errorf("refresh: %d, Retry-After %q; want 503 and when to come again", status, header.Get("Retry-After"))
		}
		if status, _, _ := g.get("https", "/healthz"); status != http.StatusOK {
			t.Errorf("health: %d", status)
		}
		if _, err := g.control().Revoke(t.Context(), Revocation{Token: "x"}); err == nil {
			t.Error("something was revoked, which nobody can remember")
		}
	}

	f.redis.Start(t)
	for _, g := range []*running{one, two} {
		g.until("the refresh token is good again", func() bool { _, status := g.refresh(login.Refresh); return status == http.StatusOK })
		if got := g.pull(tok); got != http.StatusOK || g.root() != root {
			t.Errorf("afterwards: %d, or another root", got)
		}
	}
	if _, err := one.control().Revoke(t.Context(), Revocation{Token: claim(t, tok, "jti")}); err != nil {
		t.Error(err)
	}
	two.until("revocations are followed again", func() bool { return two.pull(tok) == http.StatusUnauthorized })
}

// refreshed is refresh with the header of the answer.
func (g *running) refreshed(text string) (int, http.Header) {
	g.t.Helper()
	form := "grant_type=refresh_token&service=registry&scope=repository:a:pull&refresh_token=" + text
	res, err := g.https.Post("https://"+g.Addrs["https"]+"/auth", "application/x-www-form-urlencoded", strings.NewReader(form))
	if err != nil {
		g.t.Fatal(err)
	}
	_ = res.Body.Close()
	return res.StatusCode, res.Header
}

// TestStartWithoutRedis: a gate that has been there comes up by its copy.
func TestStartWithoutRedis(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	path := f.config()
	g := start(t, path)
	tok, serial := g.token("repository:a:pull"), g.serial()
	revoked := g.token("repository:a:pull")
	if _, err := g.control().Revoke(t.Context(), Revocation{Token: claim(t, revoked, "jti")}); err != nil {
		t.Fatal(err)
	}
	g.until("the revocation is known", func() bool { return g.pull(revoked) == http.StatusUnauthorized })
	g.stop()
	g.ends()
	f.redis.Kill()

	g = start(t, path)
	if got := g.serial(); got != serial {
		t.Errorf("certificate %s, want %s, which is good", got, serial)
	}
	if got := g.pull(tok); got != http.StatusOK {
		t.Errorf("pull with a token from before: %d", got)
	}
	if got := g.pull(revoked); got != http.StatusUnauthorized {
		t.Errorf("pull with one that was revoked: %d", got)
	}
	if got := g.pull(g.token("repository:a:pull")); got != http.StatusOK {
		t.Errorf("pull with a new token: %d", got)
	}
	f.redis.Start(t)
	g.until("the state is back", func() bool { _, err := g.control().Revoke(t.Context(), Revocation{Token: "x"}); return err == nil })
}

// TestRedisForgetsEverything: root, CA and certificate come back from the gates
// before a new one, which remembers nothing, makes others.
func TestRedisForgetsEverything(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	one := f.start()
	tok, serial := one.token("repository:a:pull"), one.serial()
	f.redis.Do(t, "FLUSHALL")
	one.until("the state has its mark again", func() bool { return f.redis.Do(t, "EXISTS", "rg:{meta/whole}") == "1" })
	two := f.start()
	if two.root() != one.root() || two.CAFingerprint != one.CAFingerprint || two.serial() != serial {
		t.Error("the new gate has another root, CA or certificate")
	}
	if got := two.pull(tok); got != http.StatusOK {
		t.Errorf("the new gate answers %d to a token from before", got)
	}
}

// TestFleetCommandsWithoutAGate open the shared state themselves.
func TestFleetCommandsWithoutAGate(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	g := f.start()
	tok := g.token("repository:a:pull")
	file, err := configs.Load(f.config()) // as on another machine
	if err != nil {
		t.Fatal(err)
	}
	root, done, err := ReadRoot(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	done()
	if string(root.PEM) != g.root() {
		t.Error("the root is another one")
	}
	if _, err := ControlOf(file).Revoke(t.Context(), Revocation{Token: claim(t, tok, "jti")}); err != nil {
		t.Fatal(err)
	}
	g.until("the token is refused", func() bool { return g.pull(tok) == http.StatusUnauthorized })
}

// TestWhatRedisIsAsked counts what the server was told.
func TestWhatRedisIsAsked(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	g := f.start()
	tok, login := g.token("repository:a:pull"), g.logIn("dev", "secret")
	wrong := 0
	for _, tt := range []struct {
		name  string
		times int
		do    func() int
		want  int // the status
		most  float64
	}{
		{"a pull", 100, func() int { return g.pull(tok) }, 200, 0},
		{"a login that is remembered", 100, func() int { g.token("repository:a:pull"); return 200 }, 200, 0},
		{"a refresh", 100, func() int { _, status := g.refresh(login.Refresh); return status }, 200, 1},
		{"a wrong password", 5, func() int { wrong++; return g.guess("guess " + strconv.Itoa(wrong)) }, 401, 2},
		// Two writes, each with an HMGET in its script, and a look at the other
		// secrets of the account, so that there are not too many.
		{"a docker login", 5, func() int { g.logIn("dev", "secret"); return 200 }, 200, 2*2 + 1 + 4},
	} {
		before := f.calls()
		for range tt.times {
			if status := tt.do(); status != tt.want {
				t.Fatalf("%s: %d", tt.name, status)
			}
		}
		got := float64(f.calls()-before) / float64(tt.times)
		t.Logf("%s: %.1f commands", tt.name, got)
		if own := 4 / float64(tt.times); got > tt.most+own { // what the gate does by itself meanwhile
			t.Errorf("%s: %.1f commands, want %.0f at most", tt.name, got, tt.most)
		}
	}
}

// calls is how many commands gates have given. Of those within scripts it
// counts HMGET alone.
func (f *fleet) calls() (n int) {
	f.t.Helper()
	for line := range strings.Lines(f.redis.Do(f.t, "INFO", "commandstats")) {
		name, rest, _ := strings.Cut(line, ":calls=")
		switch strings.TrimPrefix(name, "cmdstat_") {
		case "evalsha", "hmget", "zrangebylex", "scan":
			digits, _, _ := strings.Cut(rest, ",")
			calls, err := strconv.Atoi(digits)
			if err != nil {
				f.t.Fatal(err)
			}
			n += calls
		}
	}
	return n
}

// TestFleetRefusesAForeignDirectory before a command of root makes a copy in it
// that the gate cannot open.
func TestFleetRefusesAForeignDirectory(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	file, err := configs.Load(f.config())
	if err != nil {
		t.Fatal(err)
	}
	dir := file.State.Dir()
	if err := errors.Join(os.MkdirAll(dir, 0o700), os.Chmod(dir, 0o707)); err != nil {
		t.Fatal(err)
	}
	if _, done, err := ReadRoot(t.Context(), file); err == nil {
		done()
		t.Error("the copy is made where others can write")
	} else if !strings.Contains(err.Error(), "chmod o-w "+dir) {
		t.Error(err)
	}
}
