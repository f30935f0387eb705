// Package client drives the programs that people use against a registry, each
// through the same few verbs.
//
// In goes an Env: where the registry is, whose certificates to trust, a home of
// its own. Out come digests, and errors that hold what the program printed,
// which is what a person would see. It knows no gate, decides nothing, and
// never turns the verification of certificates off.
//
// Lifetime: a Client lives as long as its home; two of them share nothing but
// an engine.
package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/regate/regate/e2e/tool"
)

// A Client does what people do. Names are without the host: "team/app",
// "team/app:1.0.0", "team/app@sha256:…".
type Client interface {
	// Login keeps the credentials, after trying them if the program does that.
	Login(user, password string) error
	// Push makes a new image, pushes it and forgets it; its digest is returned.
	Push(repo, tag string) (digest string, err error)
	// Pull fetches an image, all of it, and forgets it.
	Pull(ref string) (digest string, err error)
}

// A Deleter can delete a manifest by its digest.
type Deleter interface {
	Delete(repo, digest string) error
}

// An Indexer can push an image of several platforms.
type Indexer interface {
	PushIndex(repo, tag string) (digest string, err error)
}

// A Mounter can push what the registry has under one name to another name, and
// then asks for a mount in place of an upload.
type Mounter interface {
	Mount(from, to string) error
}

// Env is what a client works with.
type Env struct {
	Home       string // an empty folder
	Host       string // HOST:PORT of the registry
	CA         string // file of the one authority to trust; "" for none
	Cert, Key  string // files of a certificate to show; "" for none (docker, podman, skopeo, buildah, ctr)
	Docker     string // DOCKER_HOST of the engine
	Containerd string // socket of the engine
	Namespace  string // the registry that images are said to be of, with Host for its mirror; "" is Host itself (ctr)
}

// Names lists all clients.
func Names() []string {
	return []string{"docker", "podman", "skopeo", "buildah", "ctr", "crane", "regctl", "helm", "oras"}
}

// New returns a client by its name.
func New(name string, env Env) (Client, error) {
	switch name {
	case "docker":
		return newDocker(env)
	case "podman":
		return newPodman(env)
	case "skopeo":
		return newSkopeo(env)
	case "buildah":
		return newBuildah(env)
	case "ctr":
		return newCtr(env)
	case "crane":
		return newCrane(env)
	case "regctl":
		return newRegctl(env)
	case "helm":
		return newHelm(env)
	case "oras":
		return newOras(env)
	}
	return nil, fmt.Errorf("no client is called %q", name)
}

// patience bounds one command.
const patience = 4 * time.Minute

// A program is a command with the home and the environment it always gets.
type program struct {
	name string
	args []string // before all others
	home string
	env  []string
}

// run runs the program and returns all it printed, also within the error.
func (p program) run(args ...string) (string, error) { return p.feed(nil, args...) }

// feed runs the program with something on its standard input.
func (p program) feed(stdin io.Reader, args ...string) (string, error) {
	path, err := tool.Path(p.name)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, append(p.args[:len(p.args):len(p.args)], args...)...)
	cmd.Env = append(tool.Environ(p.home), p.env...)
	cmd.Dir = p.home
	cmd.Stdin = stdin
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err = cmd.Run()
	if err := p.record(out.Bytes()); err != nil {
		return "", err
	}
	if err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s", p.name, strings.Join(args, " "), err, out.String())
	}
	return out.String(), nil
}

// record adds to what the program has printed, in a file in its home, which is
// searched for secrets at the end of a run.
func (p program) record(out []byte) error {
	f, err := os.OpenFile(filepath.Join(p.home, "printed.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(out)
	return errors.Join(err, f.Close())
}

// steps runs commands of the program one after the other, up to the first that
// goes wrong.
func (p program) steps(commands ...[]string) error {
	for _, args := range commands {
		if _, err := p.run(args...); err != nil {
			return err
		}
	}
	return nil
}
