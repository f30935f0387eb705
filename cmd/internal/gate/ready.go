package gate

import (
	"bytes"
	"fmt"
	"net/http"
	"time"

	"github.com/regate/regate/acme"
	"github.com/regate/regate/internal/state"
)

// serveReady answers 200, or 503 while draining: certificates do not count. A
// balancer would send nothing to a gate that is not ready, and so not the
// questions of a CA either. Nor does the state, without which all gates of a
// fleet go on with pulls. With ?verbose it says what there is of both, and whether
// the fleet is one.
func (p *process) serveReady(w http.ResponseWriter, r *http.Request) error {
	if !r.URL.Query().Has("verbose") {
		return p.draining.ServeHealth(w, r)
	}
	var text bytes.Buffer
	status := http.StatusOK
	if p.draining.On() {
		status = http.StatusServiceUnavailable
		text.WriteString("draining\n")
	} else {
		text.WriteString("ready\n")
	}
	if t := p.trouble(); t != nil {
		text.WriteString(stateLine(*t, time.Now()))
	}
	text.WriteString(p.rootLine())
	for _, s := range p.certs.Certificates() {
		text.WriteString(line(s))
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, err := w.Write(text.Bytes())
	return err
}

// trouble is what is wrong with the state that gates share; nil is nothing.
func (p *process) trouble() *state.Trouble { return state.TroubleOf(p.store) }

// stateLine tells of the state in one line, and in two more what is known and to be done.
func stateLine(t state.Trouble, now time.Time) string {
	what := "away"
	if t.Answers {
		what = "answers, and does not do what it is asked,"
	}
	return fmt.Sprintf("state: %s for %v, since %s\n  error: %v\n  advice: %s %s\n",
		what, now.Sub(t.Since).Round(time.Second), t.Since.UTC().Format(time.RFC3339), t.Err, t.Advice, meanwhile)
}

const meanwhile = "Pulls, pushes and logins with passwords go on; what cannot says 503. Nothing has to be done here when it is well again."

// line tells of a host in one line, and in two more of its trouble.
func line(s acme.Status) string {
	text := s.Host + ": certificate until " + s.NotAfter.UTC().Format(time.RFC3339)
	switch {
	case s.Pending && s.Trouble.Failed():
		text = fmt.Sprintf("%s: no certificate (%s)", s.Host, s.Trouble.Reason)
	case s.Pending:
		text = s.Host + ": no certificate yet"
	case s.Trouble.Failed():
		text += fmt.Sprintf(", and no newer one (%s)", s.Trouble.Reason)
	}
	if s.Trouble.Failed() {
		text += fmt.Sprintf("\n  error: %s\n  advice: %s", s.Trouble.Detail, s.Trouble.Advice)
	}
	return text + "\n"
}
