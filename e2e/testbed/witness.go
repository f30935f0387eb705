package testbed

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// shortest is how long a secret must be to be looked for: one of less stands in
// a log by chance.
const shortest = 6

// forbidden is what no output holds, whoever it is of: tokens, which begin as
// every JSON object in base64 does, secrets that gates give out, the hashes that
// Bcrypt makes, and keys.
var forbidden = regexp.MustCompile(`eyJ[\w-]{32,}|` + givenOut.String() + `|\$2y\$05\$|PRIVATE KEY-----`)

// A witness knows the secrets of a run and all that gates have said in it, and
// compares them in the end: a secret of one test is none for the log of another
// either.
type witness struct {
	mu      sync.Mutex
	secrets map[string]string // by what gives it away
	said    []statement
}

// A statement is a text, or a file with a text.
type statement struct{ where, text, file string }

// run is the witness of this run, which has as many tests at once as there are.
var run witness

// Secret says that no gate may say this text, which is a password or a key.
func Secret(texts ...string) {
	for _, text := range texts {
		run.keep(text)
	}
}

// Said is what a gate has said that the testbed did not start itself.
func Said(t testing.TB, text string) {
	t.Helper()
	run.hear(statement{where: t.Name(), text: text})
}

// keep knows a secret as it is, as a URL has it, and within the base64 of
// anything, such as "Basic dXNlcjpwYXNzd29yZA==".
func (w *witness) keep(secret string) {
	if len(secret) < shortest || isJWT(secret) {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.secrets == nil {
		w.secrets = map[string]string{}
	}
	w.secrets[secret] = secret
	w.secrets[url.QueryEscape(secret)] = secret
	for before := range 3 { // the bytes that share a group of four letters with it
		text := base64.StdEncoding.EncodeToString([]byte("xx"[:before] + secret + "xx"))
		w.secrets[text[(before*8+5)/6:(before+len(secret))*8/6]] = secret
	}
}

// hear keeps something that a gate has said.
func (w *witness) hear(s statement) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.said = append(w.said, s)
}

// hearCommand keeps what a command has printed. What it gives out is a secret
// from then on, and may be printed this once.
func (w *witness) hearCommand(c Command, out string) {
	if hands := slices.Contains(c.Args, "create") || slices.Contains(c.Args, "rotate"); hands && slices.Contains(c.Args, "token") {
		if secret := givenOut.FindString(out); secret != "" {
			w.keep(secret)
			out = strings.Replace(out, secret, "", 1)
		}
	}
	w.hear(statement{where: c.Program + " " + strings.Join(c.Args, " "), text: out})
}

// leaks tells of every statement that gives a secret away.
func (w *witness) leaks() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []string
	for _, s := range w.said {
		if s.file != "" {
			text, err := os.ReadFile(s.file)
			if err != nil {
				all = append(all, fmt.Sprintf("%s: cannot be read: %v", s.where, err))
				continue
			}
			s.text = string(text)
		}
		for form, secret := range w.secrets {
			if i := strings.Index(s.text, form); i >= 0 {
				all = append(all, fmt.Sprintf("%s: has the secret %q: %s", s.where, secret, lineAt(s.text, i)))
			}
		}
		if at := forbidden.FindStringIndex(s.text); at != nil {
			all = append(all, fmt.Sprintf("%s: has a token, a hash or a key: %s", s.where, lineAt(s.text, at[0])))
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func lineAt(text string, i int) string {
	end := strings.IndexByte(text[i:], '\n')
	if end < 0 {
		end = len(text) - i
	}
	return text[strings.LastIndexByte(text[:i], '\n')+1 : i+end]
}

// verdict is the status of a run that has ended with this one.
func (w *witness) verdict(status int) int {
	leaks := w.leaks()
	if len(leaks) == 0 {
		return status
	}
	fmt.Fprintf(os.Stderr, "FAIL: what gates and clients have printed or answered:\n\t%s\n", strings.Join(leaks, "\n\t"))
	return max(status, 1)
}

// ours reports whether the command is a program of ours, maybe inside another.
func (c Command) ours() bool {
	return slices.ContainsFunc(append([]string{c.Program}, c.Args...), func(word string) bool {
		name := filepath.Base(word)
		return name == "regate" || name == "regate-standalone"
	})
}

// overhear asks a gate, unless it has ended, for what its operators look at.
func (g *Gate) overhear(where string) {
	client := http.Client{Timeout: 5 * time.Second} // it may be frozen
	for _, path := range []string{"/readyz?verbose", "/metrics"} {
		res, err := client.Get(g.Admin + path)
		if err != nil {
			continue
		}
		text, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		run.hear(statement{where: where + " " + path, text: string(text)})
	}
}
