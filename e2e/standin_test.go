package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/regate/regate/e2e/testbed"
	"github.com/regate/regate/e2e/tool"
)

// importPrograms gives the engine a stand-in for an image of Docker Hub's, made
// of this machine's programs, by the names that they have there, and what they
// are linked with. Everybody may write to folders.
func (d docker) importPrograms(t *testing.T, image string, programs map[string]string, folders []string, changes ...string) {
	t.Helper()
	tree := testbed.Dir(t)
	for _, dir := range append(folders, "tmp", "etc", "bin") {
		if err := os.MkdirAll(filepath.Join(tree, dir), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Join(tree, dir), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	for name, program := range programs {
		path, err := tool.Path(program)
		if err != nil {
			t.Fatal(err)
		}
		testbed.Run(t, testbed.Command{Program: "cp", Args: []string{"--dereference", path, filepath.Join(tree, "bin", name)}, Dir: tree})
		for _, lib := range libraries(t, path) {
			testbed.Run(t, testbed.Command{Program: "cp", Args: []string{"--dereference", "--parents", lib, tree}, Dir: tree})
		}
	}
	d.importTree(t, tree, image, append([]string{"-c", "ENV PATH=/bin"}, flags("-c", changes)...)...)
}

// libraries are what a program is linked with, the loader included.
func libraries(t *testing.T, program string) (all []string) {
	t.Helper()
	out, err := testbed.Try(testbed.Command{Program: "ldd", Args: []string{program}, Dir: testbed.Dir(t)})
	if err != nil { // it is static
		return nil
	}
	for _, word := range strings.Fields(out) {
		if strings.HasPrefix(word, "/") {
			all = append(all, word)
		}
	}
	return all
}

func flags(name string, values []string) (all []string) {
	for _, v := range values {
		all = append(all, name, v)
	}
	return all
}
