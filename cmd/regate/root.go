package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/regate/regate/cmd/internal/gate"
	"github.com/regate/regate/configs"
	"github.com/regate/regate/internal/trust"
	"github.com/regate/regate/proxy/upstream"
)

func rootCommand(s streams) *cobra.Command {
	c := &cobra.Command{
		Use:   "root",
		Short: "Print the token root and what registries need of it, and the CA's fingerprint",
		Long: `root prints the certificate that registries of trust mode token and forward verify tokens with,
and the auth section for each of them. There is none yet before the first start: then it makes one.
The same file stays good while the signing keys below it change, so no registry is restarted for them.
A gate that runs here keeps its key to itself: stop it before --export.

In tls.mode internal it also prints the fingerprint of the CA that the gate's own certificates are from,
for regate trust on the machines of clients. That CA is another one: registries must not be given it.`,
		Example: `  regate root -c regate.yaml
  regate root -c regate.yaml --export /media/safe     # with the private key`,
		Args: noArgs,
	}
	config := configFlag(c)
	export := c.Flags().String("export", "", "write token-root.pem and token-root.key into this `directory`, for safe keeping")
	c.RunE = func(c *cobra.Command, _ []string) error {
		file, err := loadBeside(*config)
		if err != nil {
			return err
		}
		root, done, err := gate.ReadRoot(c.Context(), file)
		if err != nil {
			return err
		}
		defer done()
		if *export != "" {
			return exportRoot(s.err, root, *export)
		}
		if err := printRoot(s.out, file, root); err != nil {
			return err
		}
		return printClientCA(s.out, file, root)
	}
	return c
}

func printRoot(w io.Writer, file *configs.File, root gate.Root) error {
	certs, err := trust.ParseBundle(root.PEM, time.Now())
	if err != nil {
		return fmt.Errorf("token root: %w", err)
	}
	fmt.Fprintf(w, "%s\n# The token root, for registries, also in %s.\n# Token root: %s\n", root.PEM, root.File, trust.Fingerprint(certs[0]))
	realm := realmOf(file)
	for _, name := range slices.Sorted(maps.Keys(file.Registries)) {
		issuer, service, ok := trusted(file, file.Registries[name].Auth)
		if !ok {
			fmt.Fprintf(w, "\n# Registry %s: sees no token of the gate, or asks for one in its own way, and needs no root.\n", name)
			continue
		}
		fmt.Fprintf(w, `
# Registry %s: in its configuration, the same for registry 2.8, 3.0 and 3.1.
auth:
  token:
    realm: %s
    service: %s
    issuer: %s
    rootcertbundle: /etc/docker/registry/token-root.pem   # a copy of the certificate above
    # signingalgorithms: [ES256]                          # registry 3 only: take no other
`, name, realm, service, issuer)
	}
	return nil
}

// printClientCA says how clients come to trust the gate. The certificate stays
// out of it, lest it end in a file that registries read the token root from.
func printClientCA(w io.Writer, file *configs.File, root gate.Root) error {
	if root.CA == nil {
		return nil
	}
	certs, err := trust.ParseBundle(root.CA, time.Now())
	if err != nil {
		return fmt.Errorf("%s: %w", root.CAFile, err)
	}
	fmt.Fprintf(w, "\n# The CA that clients trust, for them alone, also in %s.\n", root.CAFile)
	var named string
	for _, c := range certs.Anchors() {
		fmt.Fprintf(w, "# CA: %s\n", trust.Fingerprint(c))
		named += " --fingerprint " + trust.Fingerprint(c)
	}
	fmt.Fprintf(w, "# On each of their machines: regate trust %s --install%s\n", strings.TrimSuffix(realmOf(file), "/auth"), named)
	return nil
}

// trusted is what a registry has to be told about the tokens it sees; ok is
// false if it sees none of ours.
func trusted(file *configs.File, t upstream.Trust) (issuer, service string, ok bool) {
	switch {
	case t.Mode == upstream.ModeToken:
		return t.Issuer, t.Service, true
	case t.Mode == upstream.ModeForward && (t.Check == nil || *t.Check):
		token := file.Auth.Token.WithDefaults()
		return token.Issuer, token.Service, true
	}
	return "", "", false
}

func realmOf(file *configs.File) string {
	if file.Listen.PublicURL != "" {
		return file.Listen.PublicURL + "/auth"
	}
	host := "HOST" // a wildcard is for the reader to fill in
	if i := slices.IndexFunc(file.TLS.Hosts, func(h string) bool { return !strings.HasPrefix(h, "*") }); i >= 0 {
		host = strings.Trim(file.TLS.Hosts[i], "[]")
	}
	if _, port, err := net.SplitHostPort(file.Listen.HTTPS); err == nil && port != "443" {
		return "https://" + net.JoinHostPort(host, port) + "/auth"
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return "https://" + host + "/auth"
}

// exportRoot writes the root and its key. It never writes over a file.
func exportRoot(w io.Writer, root gate.Root, dir string) error {
	if root.Export == nil {
		return errors.New("a gate is running here and has the key: stop it, then export")
	}
	cert, key, err := root.Export()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for _, f := range []struct {
		name string
		data []byte
		mode os.FileMode
	}{{"token-root.key", key, 0o600}, {"token-root.pem", cert, 0o644}} {
		path := filepath.Join(dir, f.name)
		if err := writeNew(path, f.data, f.mode); err != nil {
			return err
		}
		fmt.Fprintln(w, "wrote", path)
	}
	return nil
}

func writeNew(path string, data []byte, mode os.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
}
