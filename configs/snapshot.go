package configs

import (
	"crypto/sha256"
	"io"
	"maps"
	"os"
)

// A Snapshot is what files held at one moment: the SHA-256 of each, by path.
// A file that is not there, or cannot be read, has the zero sum.
type Snapshot map[string][sha256.Size]byte

func (s Snapshot) equal(other Snapshot) bool { return maps.Equal(s, other) }

// again takes a snapshot of the same files now.
func (s Snapshot) again() Snapshot {
	now := make(Snapshot, len(s))
	for path := range s {
		now[path] = sum(path)
	}
	return now
}

func snapshot(paths []string) Snapshot {
	s := make(Snapshot, len(paths))
	for _, p := range paths {
		s[p] = sum(p)
	}
	return s
}

// sum looks at regular files only: to open a pipe could take for ever, and to
// read one would take its contents from whoever they are for.
func sum(path string) (s [sha256.Size]byte) {
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return s
	}
	f, err := os.Open(path)
	if err != nil {
		return s
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return s
	}
	h.Sum(s[:0])
	return s
}
