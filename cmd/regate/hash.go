package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/regate/regate/authsvc/password"
)

func hashCommand(s streams) *cobra.Command {
	c := &cobra.Command{
		Use:   "hash",
		Short: "Turn a password into the bcrypt line for auth.users",
		Long: `hash asks for a password at the terminal, or reads the first line of its input, and prints
its bcrypt hash. The password never stands in an argument, where other users of the machine could see it.`,
		Example: `  regate hash
  openssl rand -base64 24 | tee password.txt | regate hash`,
		Args: noArgs,
	}
	cost := c.Flags().Int("cost", password.DefaultCost, "work factor; each step doubles the time of a login that is not cached")
	c.RunE = func(*cobra.Command, []string) error {
		text, err := readPassword(s)
		if err != nil {
			return err
		}
		hash, err := password.Hash(text, *cost)
		if err != nil {
			return err
		}
		fmt.Fprintln(s.out, hash)
		return nil
	}
	return c
}

// readPassword asks twice at a terminal, and elsewhere reads one line.
func readPassword(s streams) (string, error) {
	f, ok := s.in.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		line, err := bufio.NewReader(s.in).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return "", err
		}
		if line = strings.TrimRight(line, "\r\n"); line == "" {
			return "", errors.New("the input holds no password")
		}
		return line, nil
	}
	first, err := ask(s, f, "Password: ")
	if err != nil {
		return "", err
	}
	again, err := ask(s, f, "Again: ")
	switch {
	case err != nil:
		return "", err
	case first == "":
		return "", errors.New("an empty password is none")
	case first != again:
		return "", errors.New("the two passwords differ")
	}
	return first, nil
}

func ask(s streams, f *os.File, prompt string) (string, error) {
	fmt.Fprint(s.err, prompt)
	text, err := term.ReadPassword(int(f.Fd()))
	fmt.Fprintln(s.err)
	return string(text), err
}
