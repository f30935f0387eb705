//go:build bench

package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A server is what is measured: a process with its children.
type server struct {
	name   string
	host   string // gate.test:PORT
	at     string // where that is, if it is not what host says
	pid    int
	others []int // more processes, of a server that is many
}

// tick is the unit of CPU time in /proc (USER_HZ, which is 100 for programs on
// any Linux that Go runs on).
const tick = 10 * time.Millisecond

// cpu returns the time that the processes have spent in user and kernel mode
// (proc(5), utime and stime).
func (s *server) cpu(t testing.TB) time.Duration {
	t.Helper()
	sum := 0
	for _, pid := range s.family(t) {
		f := stat(pid)
		if f == nil {
			t.Fatalf("%s: process %d is gone", s.name, pid)
		}
		sum += number(f[11]) + number(f[12])
	}
	return time.Duration(sum) * tick
}

// family is the processes and their children: the workers of nginx.
func (s *server) family(t testing.TB) []int {
	t.Helper()
	parents := append([]int{s.pid}, s.others...)
	pids := slices.Clone(parents)
	all, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range all {
		pid := number(filepath.Base(dir))
		if f := stat(pid); f != nil && slices.Contains(parents, number(f[1])) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// stat returns the fields of /proc/PID/stat that follow the name, which may
// hold anything; nil if there is no such process.
func stat(pid int) []string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil
	}
	_, after, _ := strings.Cut(string(text), ") ")
	return strings.Fields(after)
}

// memory returns a field of /proc/PID/status in bytes: VmRSS, VmHWM.
func (s *server) memory(t testing.TB, field string) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.pid))
	if err != nil {
		t.Fatal(err)
	}
	_, after, found := strings.Cut(string(text), field+":")
	if !found {
		t.Fatalf("no %s in the status of %s", field, s.name)
	}
	return int64(number(strings.Fields(after)[0])) << 10
}

// forgetPeak sets VmHWM to what it is now (proc(5), clear_refs).
func (s *server) forgetPeak(t testing.TB) {
	t.Helper()
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", s.pid), []byte("5"), 0); err != nil {
		t.Fatal(err)
	}
}

func number(text string) int {
	n, _ := strconv.Atoi(text)
	return n
}

// compare has the servers do the same work in turns, and returns the median
// of what one unit of it cost each of them.
func (b *bench) compare(t *testing.T, servers []*server, units float64, work func(testing.TB, *server)) map[string]time.Duration {
	t.Helper()
	costs := make(map[string][]time.Duration)
	for _, s := range servers { // connections and caches become warm
		work(t, s)
	}
	for round := range b.rounds {
		for _, s := range servers {
			cost := s.spent(t, func() { work(t, s) })
			costs[s.name] = append(costs[s.name], time.Duration(float64(cost)/units))
		}
		t.Logf("round %d: %s", round+1, last(servers, costs))
	}
	medians := make(map[string]time.Duration)
	for name, all := range costs {
		medians[name] = median(all)
	}
	return medians
}

func last(servers []*server, costs map[string][]time.Duration) string {
	var text []string
	for _, s := range servers {
		all := costs[s.name]
		text = append(text, fmt.Sprintf("%s %v", s.name, all[len(all)-1].Round(100*time.Nanosecond)))
	}
	return strings.Join(text, ", ")
}

// spent returns the CPU time that work costs the server.
func (s *server) spent(t testing.TB, work func()) time.Duration {
	t.Helper()
	before := s.cpu(t)
	work()
	return s.cpu(t) - before
}

func median[T time.Duration | int64 | float64](all []T) T {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2]
}
