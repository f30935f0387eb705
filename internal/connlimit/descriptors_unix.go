//go:build unix

package connlimit

import "syscall"

// Descriptors is how many files and connections the process may have open. The
// Go runtime has raised it as far as it may (os, on start).
func Descriptors() (n int, ok bool) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, false
	}
	return int(min(uint64(limit.Cur), 1<<30)), true
}
