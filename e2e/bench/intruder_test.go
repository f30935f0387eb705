//go:build bench

package bench

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"sync/atomic"
	"testing"
	"time"
)

// intruderEnv makes this binary the flood of handshakes: its value is the
// address of the gate, and how many handshakes it asks for in a second.
const intruderEnv = "REGATE_BENCH_INTRUDER"

const (
	intruderLimit = 64  // connections of one network
	intruderRate  = 200 // handshakes in a second beyond that
	pullTime      = 1500 * time.Millisecond
	stranger      = "127.9.0.1" // where the flood comes from
)

// intruder is how fast those who are connected pull while somebody, on one
// core, has all the connections he may and asks for more; and while he makes
// and ends connections as fast as he can.
func (b *bench) intruder(t *testing.T) {
	g := b.startGateWith(t, fmt.Sprintf("limits: {per_network: %d}", intruderLimit))
	f := &bench{authority: b.authority, tls: b.tls, sink: b.sink, gate: g.server, rounds: b.rounds}
	f.bearer = f.login(t, g.server, account)
	pull := f.pullers(t)
	kept, text := f.intruded(t, pull, intruderRate)
	b.row(fmt.Sprintf("rate of pulls while one core asks for %d handshakes a second beyond the limit", intruderRate), text, "≥ 80 %", kept >= 0.8)
	_, text = f.intruded(t, pull, 0)
	b.row("rate of pulls while one core makes all the handshakes it can", text, "–", true)
}

// intruded returns what part of its rate a pull keeps. Calm and flood take turns
// at being first.
func (b *bench) intruded(t *testing.T, pull func() float64, rate int) (kept float64, text string) {
	var calm, flooded, ratios []float64
	for round := range b.rounds {
		var before, during float64
		if round%2 == 0 {
			before = pull()
		}
		stop := b.startIntruder(t, rate)
		during = pull()
		said := stop()
		if round%2 == 1 {
			before = pull()
		}
		t.Logf("round %d: %.0f MiB/s, flooded %.0f MiB/s; flood: %s", round+1, before, during, said)
		calm, flooded, ratios = append(calm, before), append(flooded, during), append(ratios, during/before)
	}
	return median(ratios), fmt.Sprintf("%.0f %% (%.0f of %.0f MiB/s)", median(ratios)*100, median(flooded), median(calm))
}

// pullers connect, and pull for a while each time they are told to, which
// returns how many MiB a second they were sent.
func (b *bench) pullers(t *testing.T) func() float64 {
	const clients, size = 2, 16 << 20
	conns := make([]*conn, clients)
	for i := range conns {
		conns[i] = b.dial(t, b.gate)
		t.Cleanup(func() { _ = conns[i].Close() })
	}
	request := b.header("GET", repository+"blobs/"+digest(size), b.gate, "")
	return func() float64 {
		var bytes atomic.Int64
		begun := time.Now()
		together(clients, func(i int) {
			for time.Since(begun) < pullTime {
				conns[i].ask(t, request, 200)
				bytes.Add(size)
			}
		})
		return mebibytes(bytes.Load()) / time.Since(begun).Seconds()
	}
}

// startIntruder starts the flood in a process of its own, held to one core,
// waits until it has begun, and returns what ends it.
func (b *bench) startIntruder(t *testing.T, rate int) (stop func() string) {
	cmd := exec.Command("taskset", "-c", "0", fmt.Sprintf("/proc/%d/exe", os.Getpid()))
	cmd.Env = []string{fmt.Sprintf("%s=%s %d", intruderEnv, b.gate.host, rate), "GOMAXPROCS=1"}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fscanln(out, new(string)); err != nil {
		t.Fatalf("flood: %v", err)
	}
	return func() string {
		_ = in.Close()
		said, _ := io.ReadAll(out)
		if err := cmd.Wait(); err != nil {
			t.Fatalf("flood: %v", err)
		}
		return string(said)
	}
}

// intruderMain goes on until its input ends.
func intruderMain() int {
	var host string
	var rate int
	if _, err := fmt.Sscan(os.Getenv(intruderEnv), &host, &rate); err != nil {
		return 2
	}
	held := 0
	for rate > 0 { // he takes all the connections he may
		c, err := shakeFrom(host)
		if err != nil {
			break
		}
		defer c.Close()
		held++
	}
	fmt.Println("begun")
	var over atomic.Bool
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // until it ends
		over.Store(true)
	}()
	begun, asked, refused := time.Now(), 0, 0
	ask := func(time.Time) bool {
		asked++
		if c, err := shakeFrom(host); err != nil {
			refused++
		} else {
			_ = c.Close()
		}
		return !over.Load()
	}
	if rate > 0 {
		steady(rate, time.Minute, 0)(ask)
	} else {
		for ask(begun) {
		}
	}
	fmt.Printf("%d held, %.0f asked for in a second, %d of them refused", held, float64(asked)/time.Since(begun).Seconds(), refused)
	return 0
}

func shakeFrom(host string) (*tls.Conn, error) {
	d := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(stranger)}, Timeout: 5 * time.Second}
	return tls.DialWithDialer(d, "tcp", host, &tls.Config{InsecureSkipVerify: true})
}
