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

// flood is how long others wait while somebody guesses passwords. The probes
// come at a steady rate whether or not those before them have been answered.
func (b *bench) flood(t *testing.T) {
	var calm, flooded, ratios []float64
	for round := range b.rounds {
		idle := b.probe(t)
		stop := b.startFlood(t)
		busy := b.probe(t)
		sent := stop()
		t.Logf("round %d: p99 %v idle, %v flooded; flood: %s", round+1, idle, busy, sent)
		calm, flooded = append(calm, idle.Seconds()*1000), append(flooded, busy.Seconds()*1000)
		ratios = append(ratios, busy.Seconds()/idle.Seconds())
	}
	b.row(fmt.Sprintf("p99 of /v2/ at %d wrong logins a second, against the idle one (%d probes a second)", floodRate, probeRate),
		fmt.Sprintf("%.1f × (%.2f ms, idle %.2f ms)", median(ratios), median(flooded), median(calm)), "≤ 2 ×", median(ratios) <= 2)
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
