package configs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// Find returns the file that is read when none is named: regate.yaml here,
// else the system's.
func Find() (string, error) { return find("regate.yaml", "/etc/regate/regate.yaml") }

// find returns the first path at which there is something. One that cannot be
// looked at counts: reading it will say why.
func find(paths ...string) (string, error) {
	for _, p := range paths {
		if _, err := os.Stat(p); !errors.Is(err, fs.ErrNotExist) {
			return p, nil
		}
	}
	return "", fmt.Errorf("there is no configuration at %s; name one with -c FILE", strings.Join(paths, " or "))
}
