//go:build bench

package bench

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// foreign returns how much of one core was used, while work ran, by what is
// outside of the bench: by others on this machine, and by other machines on the
// same processor (proc(5), /proc/stat, steal). Times to answer mean nothing
// while that is much.
//
// The bench has a process namespace of its own, so what it sees below /proc is
// its own, and what /proc/stat counts is everybody's.
func foreign(t *testing.T, work func()) float64 {
	t.Helper()
	begun, all, own := time.Now(), everybody(t), ours(t)
	work()
	ticks := (everybody(t) - all) - (ours(t) - own)
	return float64(time.Duration(ticks)*tick) / float64(time.Since(begun))
}

// everybody is the time in user and kernel mode, and that was stolen. Interrupts
// are nobody's, and most are ours.
func everybody(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		t.Fatal(err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	f := strings.Fields(line)[1:]
	return number(f[0]) + number(f[1]) + number(f[2]) + number(f[7])
}

// ours is that of all processes that there are, and of their children that have
// ended.
func ours(t *testing.T) (sum int) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range all {
		pid, _ := strconv.Atoi(filepath.Base(dir))
		if f := stat(pid); f != nil {
			sum += number(f[11]) + number(f[12]) + number(f[13]) + number(f[14])
		}
	}
	return sum
}
