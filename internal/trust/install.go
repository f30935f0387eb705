package trust

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
)

// A State is how it stands with a file after Install.
type State string

const (
	Written State = "written"       // it was not there, or had less
	Present State = "already there" // it has what is wanted
	ByHand  State = "by hand"       // others' settings are in it: what is wanted has to be added by hand
)

// An Outcome tells of one file.
type Outcome struct {
	Path  string `json:"path"`
	State State  `json:"state"`
}

// Find reports whether the client is on the machine whose files are below root.
func Find(root *os.Root, c Client) bool {
	for _, sign := range c.signs {
		if _, err := root.Lstat(rel(sign)); err == nil {
			return true
		}
	}
	return false
}

// Install writes the files of the client below root. It looks at all of them
// before it writes one: where there is a CA's file with another CA in it, or a
// symbolic link on the way, an error says so, and nothing is written.
func Install(root *os.Root, c Client) ([]Outcome, error) {
	var all []Outcome
	for _, f := range c.Files {
		state, err := plan(root, f)
		if err != nil {
			return nil, err
		}
		all = append(all, Outcome{f.Path, state})
	}
	for i, f := range c.Files {
		if all[i].State != Written {
			continue
		}
		if err := write(root, f); err != nil {
			return all[:i], err
		}
	}
	return all, nil
}

// rel is a path of the machine as os.Root wants it.
func rel(p string) string { return strings.TrimPrefix(p, "/") }

// plan says what Install would do with f.
func plan(root *os.Root, f File) (State, error) {
	have, err := read(root, f.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Written, nil
	case err != nil:
		return "", err
	case string(have) == f.Content:
		return Present, nil
	case f.IsCA():
		return compare(f, have)
	case names(have, f.ca):
		return Present, nil
	}
	return ByHand, nil
}

// compare says what to do where a CA's file is that differs in its text.
func compare(f File, have []byte) (State, error) {
	old, new := certificates(have), certificates([]byte(f.Content))
	switch {
	case new.within(old):
		return Present, nil
	case old.within(new) && len(old) > 0:
		return Written, nil // the next CA comes beside the one that is there
	case len(old) == 0:
		return "", fmt.Errorf("%s is there, and holds no certificate: move it away", f.Path)
	}
	return "", fmt.Errorf("%s is there, with another CA (%s, %s): if that one is no longer in use, remove the file", f.Path, Name(old[0]), Fingerprint(old[0]))
}

// certificates are those in text that can be read.
func certificates(text []byte) Bundle {
	var b Bundle
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if c, err := x509.ParseCertificate(block.Bytes); err == nil {
			b = append(b, c)
		}
	}
	return b
}

// names reports whether a line of text has the path ca, and is no comment.
func names(text []byte, ca string) bool {
	for line := range bytes.Lines(text) {
		line, _, _ = bytes.Cut(line, []byte("#"))
		if _, after, ok := bytes.Cut(line, []byte(ca)); ok && !bytes.HasPrefix(after, []byte(".")) && !bytes.HasPrefix(after, []byte("-")) {
			return true
		}
	}
	return false
}

// read returns a regular file that no symbolic link leads to.
func read(root *os.Root, p string) ([]byte, error) {
	if err := unlinked(root, p); err != nil {
		return nil, err
	}
	f, err := root.Open(rel(p))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, 1<<20))
}

// unlinked walks to p. A link may be meant, but then it is for whoever made it
// to say where the file should be. What is not there yet is not an error here.
func unlinked(root *os.Root, p string) error {
	parts := strings.Split(rel(p), "/")
	for i := range parts {
		at := path.Join(parts[:i+1]...)
		info, err := root.Lstat(at)
		switch {
		case err != nil:
			return err
		case info.Mode()&fs.ModeSymlink != 0:
			to, _ := root.Readlink(at)
			return fmt.Errorf("/%s is a symbolic link to %s, and links are not followed: write %s there by hand", at, Printable(to), p)
		case i < len(parts)-1 && !info.IsDir(), i == len(parts)-1 && !info.Mode().IsRegular():
			return fmt.Errorf("/%s is there, and not what is needed for %s: move it away", at, p)
		}
	}
	return nil
}

// write puts the file there, whole or not at all, readable for everybody
// whatever the umask.
func write(root *os.Root, f File) error {
	dir := path.Dir(rel(f.Path))
	if err := mkdirs(root, dir); err != nil {
		return err
	}
	// Clients read all names that end in .crt, .cert or .key.
	tmp := dir + "/.regate-" + rand.Text()
	if err := fill(root, tmp, f.Content); err != nil {
		_ = root.Remove(tmp)
		return err
	}
	if err := root.Rename(tmp, rel(f.Path)); err != nil {
		_ = root.Remove(tmp)
		return err
	}
	return nil
}

func fill(root *os.Root, name, content string) error {
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(content)
	return errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
}

// mkdirs makes the directories that are missing, and leaves the others as they are.
func mkdirs(root *os.Root, dir string) error {
	parts := strings.Split(dir, "/")
	for i := range parts {
		at := path.Join(parts[:i+1]...)
		err := root.Mkdir(at, 0o755)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return err
		}
		if err := root.Chmod(at, 0o755); err != nil {
			return err
		}
	}
	return nil
}
