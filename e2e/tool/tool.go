// Package tool finds the programs that the tests run.
//
// In goes a program's name, out comes its path: of the gate's own binaries in
// bin, of Go programs in .tools/bin, of what Debian brings in the system's
// folders. It installs nothing; e2e/install.sh does. No state.
package tool

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
)

// folders are where programs are looked for, first match first. /usr/local is
// left out on purpose: the versions tested are those that install.sh brought.
func folders() []string {
	root := Root()
	bin := os.Getenv("REGATE_BIN")
	if bin == "" {
		bin = filepath.Join(root, "bin")
	}
	return []string{bin, filepath.Join(root, ".tools", "bin"), "/usr/sbin", "/usr/bin", "/sbin", "/bin"}
}

// Root returns the folder of the checkout.
func Root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(filepath.Dir(filepath.Dir(file)))
}

// Path returns where a program is. That one is missing is an error that says
// what to do, and a test that meets it fails: none is skipped.
func Path(name string) (string, error) {
	for _, dir := range folders() {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && info.Mode()&0o111 != 0 && !info.IsDir() {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s is missing: run the tests by `make e2e`, which builds the gate and installs what they need", name)
}

// Environ is the environment of every program the tests run: enough to work,
// and nothing of the machine's, so that no proxy setting or credential of the
// person at the keyboard takes part.
func Environ(home string) []string {
	return []string{
		"PATH=/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=" + home,
		"TMPDIR=" + home,
		"XDG_RUNTIME_DIR=" + home,
		"LC_ALL=C.UTF-8",
	}
}
