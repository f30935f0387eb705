package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/regate/regate/acme"
	"github.com/regate/regate/authsvc/authn/ldap"
	"github.com/regate/regate/authsvc/casbin"
	"github.com/regate/regate/configs/dockerauth"
)

func importCommand(s streams) *cobra.Command {
	c := &cobra.Command{
		Use:     "import",
		Short:   "Make a configuration of another program's",
		Example: `  regate import docker_auth auth_config.yml > regate.yaml`,
		Args:    noCommand,
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(importDockerAuth(s))
	return c
}

func importDockerAuth(s streams) *cobra.Command {
	c := &cobra.Command{
		Use:   "docker_auth FILE",
		Short: "Make a configuration of docker_auth's",
		Long: `docker_auth reads the configuration of docker_auth and prints one for the gate that means the
same and that regate check accepts as it is. Where docker_auth's file says nothing there is a value
to try, with a comment. On stderr it says of each line of FILE what became of it:

  as it was    it means here what it meant there
  changed      it means something else, and why
  dangerous    it does not do what it seems to
  not needed   it has no place here
  to fill in   FILE does not say it

A rule that cannot be said here refuses, until somebody has rewritten it. docker_auth's paths are often
those in a container: call it where the files and programs are that FILE names. Nothing of FILE that
is a secret is printed, but for the bcrypt hashes of users.

The exit status is 0 if there is a configuration, also if something was left out, and 1 if FILE
cannot be read.`,
		Example: `  regate import docker_auth /etc/docker_auth/auth_config.yml > regate.yaml
  regate import docker_auth auth_config.yml --json 2> report.json > regate.yaml`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef("name one file, the configuration of docker_auth")
			}
			return nil
		},
	}
	asJSON := c.Flags().Bool("json", false, "print the report as JSON")
	c.RunE = func(c *cobra.Command, args []string) error {
		result, err := convertUntil(c.Context(), args[0])
		if err != nil {
			return err
		}
		if _, err := s.out.Write(result.YAML); err != nil {
			return err
		}
		if *asJSON {
			enc := json.NewEncoder(s.err)
			enc.SetIndent("", "  ")
			return enc.Encode(append(dockerauth.Report{}, result.Report...)) // [] in JSON, not null
		}
		_, err = fmt.Fprintf(s.err, "%s\n%s", args[0], result.Report)
		return err
	}
	return c
}

// convertUntil gives up when somebody wants the program to end: FILE may be a
// pipe that nobody writes to. What goes on in the background ends with the
// program.
func convertUntil(ctx context.Context, path string) (dockerauth.Result, error) {
	type outcome struct {
		dockerauth.Result
		error
	}
	done := make(chan outcome, 1)
	go func() {
		result, err := convert(path)
		done <- outcome{result, err}
	}()
	select {
	case o := <-done:
		return o.Result, o.error
	case <-ctx.Done():
		return dockerauth.Result{}, errors.New("interrupted")
	}
}

// convert reads no more of a file than the conversion takes.
func convert(path string) (dockerauth.Result, error) {
	f, err := os.Open(path)
	if err != nil {
		return dockerauth.Result{}, err
	}
	defer f.Close()
	source, err := io.ReadAll(io.LimitReader(f, dockerauth.MaxSource+1))
	if err != nil {
		return dockerauth.Result{}, err
	}
	result, err := dockerauth.Convert(filepath.Base(path), source, thisMachine{})
	var syntax *dockerauth.SyntaxError
	switch {
	case errors.As(err, &syntax):
		return result, fmt.Errorf("%s:%w", path, err)
	case err != nil:
		return result, fmt.Errorf("%s: %w", path, err)
	}
	return result, nil
}

// thisMachine is the one that the command runs on.
type thisMachine struct{}

// Program is dockerauth.Machine's. It looks for programs as the gate does.
func (thisMachine) Program(command string) error {
	_, err := exec.LookPath(command)
	return err
}

// Directory is dockerauth.Machine's.
func (thisMachine) Directory(cfg ldap.Config) error {
	_, err := ldap.Configs{cfg}.Open(nil)
	return err
}

// File is dockerauth.Machine's.
func (thisMachine) File(path string) error {
	text, err := os.ReadFile(path)
	if err == nil && len(bytes.TrimSpace(text)) == 0 {
		err = fmt.Errorf("%s is empty", path)
	}
	return err
}

// Policy is dockerauth.Machine's.
func (thisMachine) Policy(cfg casbin.Config) error {
	_, err := casbin.New(cfg)
	return err
}

// Certificate is dockerauth.Machine's.
func (thisMachine) Certificate(cert, key string) ([]string, error) {
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, err
	}
	hosts := pair.Leaf.DNSNames
	for _, ip := range pair.Leaf.IPAddresses {
		hosts = append(hosts, ip.String())
	}
	if len(hosts) == 0 {
		return nil, errors.New("there is no name in it that clients would look at (subjectAltName)")
	}
	cfg := acme.Config{Hosts: hosts, Mode: acme.ModeFiles, Files: []acme.KeyPair{{Cert: cert, Key: key}}}
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return hosts, acme.Check(cfg)
}
