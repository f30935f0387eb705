package main

import (
	"bufio"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/regate/regate/internal/trust"
)

// A trusting is what trust is asked, as its flags say it.
type trusting struct {
	host    trust.Host
	clients []string
	prints  []string
	caFile  string
	root    string
	install bool
	json    bool
}

func trustCommand(s streams) *cobra.Command {
	c := &cobra.Command{
		Use:   "trust https://HOST[:PORT]",
		Short: "Have docker, podman, containerd and others trust the CA of a gate",
		Long: `trust fetches the certificate of a gate's own CA, checks that it is the one that the gate's
certificate is from, and prints what each client has to have so that it trusts the gate. Name HOST
and PORT as image references do. Where the certificate is one that everybody trusts, it says so.

It cannot know whether the gate that answered is yours: compare the fingerprint it prints with the
one that serve has in its first lines, and regate root prints, on the gate's machine. With --install
it writes the files of what is found on this machine, as root, if you name that fingerprint, or type
yes at a terminal after the comparison. What is there already is left as it is. The system's own
store, which all programs use, is only touched with --for system.

Clients: ` + strings.Join(trust.Names(), ", ") + `, and system for the store of this system.`,
		Example: `  regate trust https://registry.example.com
  sudo regate trust https://registry.example.com --install --fingerprint sha256:4f1b…
  sudo regate trust https://registry.example.com --install --for system,docker
  regate trust https://registry.example.com --fingerprint sha256:4f1b… --for kubernetes | kubectl apply -f -
  regate trust https://registry.example.com --ca-file ca.crt --install    # no network: a certificate carried by hand
  regate trust https://registry.example.com --ca-file ca.crt --install --root /mnt/image`,
	}
	var q trusting
	c.Args = func(_ *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usagef("regate trust takes the address of a gate, such as https://registry.example.com")
		}
		return nil
	}
	c.Flags().StringSliceVar(&q.clients, "for", nil, "these `clients` only, separated by commas")
	c.Flags().StringSliceVar(&q.prints, "fingerprint", nil, "the `sha256:HEX` that the CA must have; may be repeated, for a gate between two CAs")
	c.Flags().StringVar(&q.caFile, "ca-file", "", "the CA's certificate in this `file`, instead of what the gate offers")
	c.Flags().StringVar(&q.root, "root", "/", "the `directory` that --install takes for /, such as an image")
	c.Flags().BoolVar(&q.install, "install", false, "write the files of what is found here")
	c.Flags().BoolVar(&q.json, "json", false, "print JSON")
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := q.parse(args[0]); err != nil {
			return usageError{err}
		}
		return q.run(c.Context(), s)
	}
	return c
}

// parse checks what was typed.
func (q *trusting) parse(arg string) (err error) {
	if q.host, err = trust.ParseHost(arg); err != nil {
		return err
	}
	if q.root != "/" && !q.install {
		return errors.New("--root goes with --install")
	}
	for i, p := range q.prints {
		if q.prints[i], err = trust.ParseFingerprint(p); err != nil {
			return fmt.Errorf("--fingerprint: %w", err)
		}
	}
	chosen, err := trust.Select(trust.Clients(q.host, nil), q.clients)
	if err != nil {
		return fmt.Errorf("--for: %w", err)
	}
	for _, c := range chosen {
		if q.install && !c.Installable() {
			return fmt.Errorf("--install: %s is not on this machine: print what it needs without --install", c.Name)
		}
	}
	return nil
}

func (q *trusting) run(ctx context.Context, s streams) error {
	if !q.host.Reads() {
		fmt.Fprintf(s.err, "warning: clients read %s/app as an image of Docker Hub: the name of a registry has a dot or a port\n", q.host)
	}
	offered, err := q.bundle(ctx)
	if errors.Is(err, errPublic) {
		return q.printPublic(s.out)
	}
	if err != nil {
		return err
	}
	if err := q.named(offered); err != nil {
		return err
	}
	all := trust.Clients(q.host, offered.Anchors())
	if q.install {
		return q.installAll(ctx, s, all, offered.Anchors())
	}
	if len(q.clients) > 0 {
		if all, err = trust.Select(all, q.clients); err != nil {
			return err
		}
	}
	return q.print(s.out, all, offered.Anchors())
}

// bundle has the certificates that are to be trusted, or errPublic.
func (q *trusting) bundle(ctx context.Context) (trust.Bundle, error) {
	if q.caFile == "" {
		return fetchCA(ctx, q.host)
	}
	f, err := os.Open(q.caFile)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := readBounded(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", q.caFile, err)
	}
	b, err := trust.ParseBundle(text, time.Now())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", q.caFile, err)
	}
	return b, nil
}

// named checks that each certificate which is to be trusted was named, if any was.
func (q *trusting) named(offered trust.Bundle) error {
	if len(q.prints) == 0 {
		return nil
	}
	var missed []string
	for _, c := range offered.Anchors() {
		if print := trust.Fingerprint(c); !slices.Contains(q.prints, print) {
			missed = append(missed, fmt.Sprintf("  %s  %s", print, trust.Name(c)))
		}
	}
	if len(missed) == 0 {
		return nil
	}
	err := fmt.Errorf("a CA was not named by --fingerprint, so nothing is trusted:\n%s", strings.Join(missed, "\n"))
	if slices.ContainsFunc(offered, func(c *x509.Certificate) bool { return slices.Contains(q.prints, trust.Fingerprint(c)) }) {
		return fmt.Errorf("%w\none that was named is only below it: name the one at the top", err)
	}
	return fmt.Errorf("%w\neither that fingerprint is another gate's, or somebody is between here and %s", err, q.host)
}

// confirm asks at a terminal whether the CA is the right one, unless it was named.
func (q *trusting) confirm(s streams, anchors trust.Bundle) error {
	if len(q.prints) > 0 {
		return nil
	}
	in, ok := s.in.(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return errors.New("nothing was installed: there is no terminal to ask at, so name the CA with --fingerprint sha256:…,\n" +
			"as serve or regate root print it on the gate's machine")
	}
	printCAs(s.err, q.host, anchors)
	fmt.Fprint(s.err, "\nDo serve and regate root on the gate's machine print the same? Type yes to trust it: ")
	line, err := bufio.NewReader(in).ReadString('\n')
	if err != nil {
		return err
	}
	if strings.TrimSpace(line) != "yes" {
		return errors.New("nothing was installed")
	}
	return nil
}
