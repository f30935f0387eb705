package client

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

var digestPattern = regexp.MustCompile(`sha256:[0-9a-f]{64}`)

// lastDigest returns the last digest in what a program printed.
func lastDigest(out string) (string, error) {
	all := digestPattern.FindAllString(out, -1)
	if len(all) == 0 {
		return "", fmt.Errorf("no digest in %q", out)
	}
	return all[len(all)-1], nil
}

// readDigest returns the digest that a program wrote to a file.
func readDigest(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	return lastDigest(string(text))
}

// certDir makes a folder for --cert-dir that holds the authority, if there is one.
func certDir(env Env) (string, error) {
	dir := filepath.Join(env.Home, "certs")
	return dir, trust(env, dir)
}

// trust puts the authority and the client's certificate, if there are any, into
// a folder under the names that docker and podman look for, as
// https://docs.docker.com/engine/security/certificates has them. It makes the
// folder in any case.
func trust(env Env, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, from := range map[string]string{"ca.crt": env.CA, "client.cert": env.Cert, "client.key": env.Key} {
		if from == "" {
			continue
		}
		text, err := os.ReadFile(from)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// scratch makes a new folder below the home.
func scratch(env Env) (string, error) { return os.MkdirTemp(env.Home, "work-") }

// writeFile writes a file below the home and returns its path.
func writeFile(env Env, name, text string) (string, error) {
	path := filepath.Join(env.Home, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", err
	}
	return path, os.WriteFile(path, []byte(text), 0o600)
}

// splitRef takes "repo:tag" or "repo@digest" apart.
func splitRef(ref string) (repo, tag, digest string) {
	if repo, digest, ok := strings.Cut(ref, "@"); ok {
		return repo, "", digest
	}
	repo, tag, _ = strings.Cut(ref, ":")
	return repo, tag, ""
}
