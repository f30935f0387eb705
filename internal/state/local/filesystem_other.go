//go:build !linux

package local

// refuseNetwork knows the file systems of Linux only, where the gate runs;
// elsewhere it is for trying out.
func refuseNetwork(string) error { return nil }
