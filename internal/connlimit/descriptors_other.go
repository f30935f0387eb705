//go:build !unix

package connlimit

// Descriptors is how many files and connections the process may have open.
func Descriptors() (n int, ok bool) { return 0, false }
