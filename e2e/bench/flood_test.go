//go:build bench

package bench

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// floodEnv makes this binary the flood: its value is the address of the gate.
const floodEnv = "REGATE_BENCH_FLOOD"

const (
	floodRate = 1000 // wrong logins in a second
	floodConn = 400  // connections for them: more than may wait for their turn
	probeRate = 200  // requests to /v2 in a second, meanwhile
	probeTime = 6 * time.Second
	floodTime = probeTime + 4*time.Second // some to begin, some to spare
)

// calmly is the most of one core that others may use in a round that counts;
// patientRounds is how many are tried for each of those.
const (
	calmly        = 0.1
	patientRounds = 3
)

// A floodRound is the p99 of /v2/ without a flood and with one.
type floodRound struct{ idle, busy time.Duration }

func (r floodRound) ratio() float64 { return r.busy.Seconds() / r.idle.Seconds() }

// flood is how long others wait while somebody guesses passwords. The probes
// come at a steady rate whether or not those before them have been answered.
// Rounds in which somebody else uses the machine say little; if most are such,
// all count, and the row says so.
func (b *bench) flood(t *testing.T) {
	var calm, all []floodRound
	for len(calm) < b.rounds && len(all) < patientRounds*b.rounds {
		r, others := b.floodRound(t)
		all = append(all, r)
		if others <= calmly {
			calm = append(calm, r)
		}
	}
	what := fmt.Sprintf("p99 of /v2/ at %d wrong logins a second, against the idle one (%d probes a second)", floodRate, probeRate)
	if len(calm)*2 <= b.rounds {
		calm, what = all, what+"; on a machine that others used"
	}
	ratio := median(each(calm, floodRound.ratio))
	b.row(what, fmt.Sprintf("%.1f × (%.2f ms, idle %.2f ms; %d rounds)", ratio,
		median(each(calm, func(r floodRound) float64 { return r.busy.Seconds() * 1000 })),
		median(each(calm, func(r floodRound) float64 { return r.idle.Seconds() * 1000 })), len(calm)), "≤ 2 ×", ratio <= 2)
	b.helper(t)
}

func (b *bench) floodRound(t *testing.T) (r floodRound, others float64) {
	var sent string
	others = foreign(t, func() {
		r.idle = b.probe(t)
		stop := b.startFlood(t)
		r.busy = b.probe(t)
		sent = stop()
	})
	t.Logf("p99 %v idle, %v flooded, %.1f ×; flood: %s; others used %.0f %% of a core", r.idle, r.busy, r.ratio(), sent, 100*others)
	return r, others
}

func each[T, V any](all []T, f func(T) V) []V {
	values := make([]V, len(all))
	for i, v := range all {
		values[i] = f(v)
	}
	return values
}

// helper is what the other process of the gate, which compares passwords, has
// in memory that is not the program.
func (b *bench) helper(t *testing.T) {
	pids := b.gate.family(t)
	if len(pids) != 2 {
		t.Fatalf("the gate has the processes %v, want two", pids)
	}
	own := (&server{name: "helper", pid: pids[1]}).memory(t, "RssAnon")
	b.row("memory of the process that compares passwords, beside the program", fmt.Sprintf("%.1f MiB", mebibytes(own)), "< 8 MiB", own < 8*mebibyte)
}

// probe returns the p99 of small requests at a steady rate. The time of one
// begins when it should have been sent.
func (b *bench) probe(t *testing.T) time.Duration {
	const clients = 8
	request := b.header("GET", "/v2/", b.gate, "")
	var mu sync.Mutex
	var all []time.Duration
	together(clients, func(i int) {
		c := b.dial(t, b.gate)
		defer c.Close()
		c.ask(t, request, 200)
		for due := range steady(probeRate/clients, probeTime, i) {
			c.ask(t, request, 200)
			mu.Lock()
			all = append(all, time.Since(due))
			mu.Unlock()
		}
	})
	slices.Sort(all)
	return all[len(all)*99/100]
}

// steady yields the moments at which something is due, when they have come.
// i sets several of them apart from each other.
func steady(rate int, length time.Duration, i int) func(func(time.Time) bool) {
	return func(yield func(time.Time) bool) {
		gap := time.Second / time.Duration(rate)
		start := time.Now().Add(gap * time.Duration(i) / 8)
		for due := start; due.Sub(start) < length; due = due.Add(gap) {
			time.Sleep(time.Until(due))
			if !yield(due) {
				return
			}
		}
	}
}

// startFlood starts the flood in a process of its own, waits until it flows,
// and returns what waits for its end.
func (b *bench) startFlood(t *testing.T) (stop func() string) {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = []string{floodEnv + "=" + b.gate.host, "SSL_CERT_FILE=" + b.authority.File}
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(2 * time.Second) // for the queue of comparisons to fill
	return func() string {
		if err := cmd.Wait(); err != nil {
			t.Fatalf("flood: %v\n%s", err, out.String())
		}
		return out.String()
	}
}

// floodMain sends logins with passwords that are all different and all wrong.
func floodMain() int {
	host := os.Getenv(floodEnv)
	via := &http.Transport{MaxConnsPerHost: floodConn, MaxIdleConnsPerHost: floodConn, Protocols: new(http.Protocols)}
	via.Protocols.SetHTTP1(true)
	client := &http.Client{Transport: via}
	ctx, cancel := context.WithTimeout(context.Background(), floodTime)
	defer cancel()
	var counts [600]atomic.Int64
	var all sync.WaitGroup
	n := 0
	for range steady(floodRate, floodTime, 0) {
		n++
		password := fmt.Sprintf("wrong-%d", n)
		all.Go(func() { counts[tryLogin(ctx, client, host, password)].Add(1) })
	}
	cancel()
	all.Wait()
	fmt.Printf("%d sent, %d refused, %d turned away, %d waiting at the end, %d else", n,
		counts[401].Load(), counts[429].Load(), counts[0].Load(), int64(n)-counts[401].Load()-counts[429].Load()-counts[0].Load())
	return 0
}

// tryLogin returns the status of the answer, or 0 if there was none in time.
func tryLogin(ctx context.Context, client *http.Client, host, password string) int {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+host+"/auth", strings.NewReader(form("flooded", password)))
	if err != nil {
		return 0
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := client.Do(r)
	if err != nil {
		return 0
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil { // or the connection ends with it
		return 0
	}
	return res.StatusCode
}
