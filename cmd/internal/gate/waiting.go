package gate

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/regate/regate/acme"
	"github.com/regate/regate/internal/oci"
)

// A notice is what anybody may know of a host without a certificate: what to
// do about it, and not what the CA said.
type notice struct {
	Host   string
	Reason acme.Reason
	Why    string
	Advice string
}

// waiting is what to say of a host at this origin if it has no certificate. A
// redirect would lead to a handshake that fails, and tell nobody why.
func (g *generation) waiting(origin string) (n notice, waits bool) {
	u, err := url.Parse(origin)
	if err != nil {
		return n, false
	}
	for _, s := range g.certs.Certificates() {
		if s.Host == u.Hostname() {
			return noticeOf(u.Hostname(), s.Trouble), s.Pending
		}
		if acme.MatchHost(s.Host, u.Hostname()) { // its wildcard; it may come itself
			n, waits = noticeOf(u.Hostname(), s.Trouble), s.Pending
		}
	}
	return n, waits
}

func noticeOf(host string, t acme.Trouble) notice {
	if !t.Failed() {
		return notice{host, "", "It has been asked for, and is on its way.", "Come back in a minute."}
	}
	return notice{host, t.Reason, t.Reason.Sentence(), t.Advice}
}

func (n notice) text() string {
	reason := ""
	if n.Reason != "" {
		reason = fmt.Sprintf(" (%s)", n.Reason)
	}
	return fmt.Sprintf("%s has no certificate yet, so https does not work there.\n\n%s%s\n%s\n", n.Host, n.Why, reason, n.Advice)
}

//go:embed waiting.html
var waitingPage string

var waitingHTML = template.Must(template.New("waiting.html").Parse(waitingPage))

// serve tells that a host has no certificate: browsers get a page, OCI
// clients an error of theirs, and everybody else text.
func (n notice) serve(w http.ResponseWriter, r *http.Request) error {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	if oci.IsV2(r.RequestURI) {
		return oci.Errorf(oci.Unavailable, "%s has no certificate yet: %s", n.Host, n.Advice).With("Retry-After", "60")
	}
	h.Set("Retry-After", "60")
	h.Set("Cache-Control", "no-store")
	h.Add("Vary", "Accept")
	if strings.Contains(r.Header.Get("Accept"), "text/html") {
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		w.WriteHeader(http.StatusServiceUnavailable)
		return waitingHTML.Execute(w, n)
	}
	h.Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(http.StatusServiceUnavailable)
	_, err := io.WriteString(w, n.text())
	return err
}
