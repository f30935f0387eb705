package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"text/template"

	"github.com/regate/regate/authsvc/password"
	"github.com/regate/regate/configs"
)

// A home is the data directory.
type home struct{ dir string }

func (h home) config() string { return filepath.Join(h.dir, "regate.yaml") }
func (h home) socket() string { return filepath.Join(h.dir, "registry.sock") }
func (h home) images() string { return filepath.Join(h.dir, "registry") }
func (h home) secret() string { return filepath.Join(h.dir, "registry.secret") }

// maxSocket is the longest path of a Unix socket (unix(7)).
const maxSocket = 107

// prepare makes the directory and, on the first start, the configuration with
// an admin account, whose password it returns; later it returns "".
func (h home) prepare(listen string) (secret string, err error) {
	if len(h.socket()) > maxSocket {
		return "", fmt.Errorf("the path of %s is too long for a Unix socket: choose a shorter --data", h.dir)
	}
	if err := os.MkdirAll(h.dir, 0o700); err != nil {
		return "", err
	}
	if _, err := os.Stat(h.config()); !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	secret = rand.Text()
	hash, err := password.Hash(secret, 0)
	if err != nil {
		return "", err
	}
	return secret, h.write(values{Listen: listen, Home: h.dir, Socket: h.socket(), Hash: hash})
}

// stayed reports an error if the directory was moved: its configuration has
// paths in it, and would make another CA and other keys in the old place.
func (h home) stayed() error {
	file, err := configs.Load(h.config())
	if err != nil {
		return err
	}
	if dir := file.State.Dir(); dir != h.dir {
		return fmt.Errorf("%s keeps its state in %s: if you have moved the directory, change the paths in this file", h.config(), dir)
	}
	return nil
}

// write makes the configuration appear whole or not at all, so that a start
// that was cut off is a first start again.
func (h home) write(v values) error {
	f, err := os.CreateTemp(h.dir, ".regate-*.yaml") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if err := errors.Join(config.Execute(f, v), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), h.config())
}

type values struct{ Listen, Home, Socket, Hash string }

// config is the file of the first start. Text goes in by %q: what Go quotes
// so, YAML reads so, for paths and hashes.
var config = template.Must(template.New("regate.yaml").Parse(`# Written by the first start of regate-standalone, and yours to change: it is
# read again when it changes. All keys: configs/regate.yaml in the source.
listen:
  https: {{printf "%q" .Listen}}
  http: ""
  admin: ""
  grace: 0s
tls:
  # For other machines: listen on ":443", put the name of this one first, and
  # give the CA a new name, since the one there is may only sign for localhost.
  # Then give them the certificate of the new CA, certs/ca.crt beside this file.
  hosts: [localhost, 127.0.0.1]
  mode: internal
  # internal: {name: our CA}
registries:
  inside: {upstreams: [{{printf "%q" (printf "unix://%s" .Socket)}}]}
auth:
  users:
    # The first start printed the password. For another one: regate hash
    "admin": {password: {{printf "%q" .Hash}}}
  acl:
    - {match: {account: "admin"}, actions: ["*"]}
state: {path: {{printf "%q" .Home}}}
log: {level: warn} # info has a line for each request
`))
