package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/regate/regate/internal/trust"
)

// A trustReport is the answer as JSON.
type trustReport struct {
	Host      string         `json:"host"` // as image references have it
	Public    bool           `json:"public"`
	CAs       []trustedCA    `json:"cas"`
	Clients   []trust.Client `json:"clients,omitempty"`
	Installed []installed    `json:"installed,omitempty"`
}

type trustedCA struct {
	Name        string    `json:"name"`
	Fingerprint string    `json:"fingerprint"`
	NotAfter    time.Time `json:"not_after"`
	PEM         string    `json:"pem"`
}

func (q *trusting) report(anchors trust.Bundle) trustReport {
	r := trustReport{Host: q.host.String(), CAs: []trustedCA{}}
	for _, c := range anchors {
		r.CAs = append(r.CAs, trustedCA{trust.Name(c), trust.Fingerprint(c), c.NotAfter.UTC(), string(trust.Bundle{c}.PEM())})
	}
	return r
}

func (r trustReport) write(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(r)
}

func (q *trusting) printPublic(w io.Writer) error {
	if q.json {
		r := q.report(nil)
		r.Public = true
		return r.write(w)
	}
	fmt.Fprintf(w, "%s has a certificate that this machine trusts as it is. Nothing need be installed.\n", q.host.URL())
	return nil
}

// print says what each client needs. A manifest that is asked for alone is
// printed alone, for kubectl.
func (q *trusting) print(w io.Writer, clients []trust.Client, anchors trust.Bundle) error {
	if q.json {
		r := q.report(anchors)
		r.Clients = clients
		return r.write(w)
	}
	if len(clients) == 1 && clients[0].Manifest != "" {
		for _, c := range anchors {
			fmt.Fprintf(w, "# %s, %s\n", trust.Name(c), trust.Fingerprint(c))
		}
		_, err := io.WriteString(w, clients[0].Manifest)
		return err
	}
	printCAs(w, q.host, anchors)
	if len(q.prints) == 0 {
		fmt.Fprint(w, "\nCompare that with what serve and regate root print on the gate's machine, before you use what follows.\n")
	}
	for _, c := range clients {
		printClient(w, c)
	}
	fmt.Fprintf(w, "\nTHE CERTIFICATE, ca.crt\n%s\nOn a machine with any of these, as root, with the fingerprint that serve prints:\n  regate trust %s --install%s\n",
		anchors.PEM(), q.host.URL(), strings.Repeat(" --fingerprint sha256:…", len(anchors)))
	return nil
}

func printCAs(w io.Writer, host trust.Host, anchors trust.Bundle) {
	fmt.Fprintf(w, "%s has a certificate of a CA of its own:\n", host)
	for _, c := range anchors {
		fmt.Fprintf(w, "  %s  (%s, until %s)\n", trust.Fingerprint(c), trust.Name(c), c.NotAfter.Format(time.DateOnly))
	}
}

func printClient(w io.Writer, c trust.Client) {
	title := strings.ToUpper(c.Name) + ": " + c.Title
	if c.Untested {
		title += " (untested)"
	}
	fmt.Fprintf(w, "\n%s\n", title)
	for _, f := range c.Files {
		if f.IsCA() {
			fmt.Fprintf(w, "  %s   the certificate\n", f.Path)
			continue
		}
		fmt.Fprintf(w, "  %s   with\n", f.Path)
		printIndented(w, "    ", f.Content)
	}
	printOnce(w, c.Once)
	for _, step := range append(refresh(c), c.Then...) {
		printIndented(w, "  ", "- "+strings.ReplaceAll(step, "\n", "\n  "))
	}
}

// printOnce says what has to stand in the configuration of somebody else.
func printOnce(w io.Writer, once []trust.Once) {
	for _, o := range once {
		fmt.Fprintf(w, "  %s of %s: once, unless it stands there\n", o.Path, o.Version)
		printIndented(w, "    ", o.Content)
	}
}

// refresh is the step that makes a system's store take up its files.
func refresh(c trust.Client) []string {
	if len(c.Refresh) == 0 {
		return nil
	}
	return []string{"Run " + strings.Join(c.Refresh, " ") + "."}
}

func printIndented(w io.Writer, by, text string) {
	for line := range strings.Lines(text) {
		fmt.Fprint(w, by, strings.TrimSuffix(line, "\n"), "\n")
	}
}
