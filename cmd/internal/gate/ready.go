package gate

import (
	"bytes"
	"fmt"
	"net/http"
	"time"

	"github.com/regate/regate/acme"
)

// serveReady answers 200, or 503 while draining: certificates do not count. A
// balancer would send nothing to a gate that is not ready, and so not the
// questions of a CA either. Nor does the state, without which all gates of a
// fleet go on with pulls. With ?verbose it says what there is of both.
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
	if a := p.peers.away.Load(); a != nil {
		text.WriteString(a.line(time.Now()))
	}
	for _, s := range p.certs.Certificates() {
		text.WriteString(line(s))
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, err := w.Write(text.Bytes())
	return err
}

// line tells of the state in one line, and in two more what is known and to be done.
func (a *absence) line(now time.Time) string {
	return fmt.Sprintf("state: away for %v, since %s\n  error: %v\n  advice: %s\n",
		now.Sub(a.since).Round(time.Second), a.since.UTC().Format(time.RFC3339), a.err, whileAway)
}

const whileAway = "Look at the server of state.redis. Pulls, pushes and logins with passwords go on without it; " +
	"what cannot says 503. Nothing has to be done here when it is back."

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
