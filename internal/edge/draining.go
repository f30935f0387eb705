package edge

import (
	"errors"
	"io"
	"net/http"
	"sync/atomic"

	"github.com/regate/regate/internal/oci"
)

// Draining is the switch that tells load balancers to send nothing more. The
// zero Draining is off.
type Draining struct{ on atomic.Bool }

// Start turns it on, for good.
func (d *Draining) Start() { d.on.Store(true) }

// On reports whether it has been turned on.
func (d *Draining) On() bool { return d.on.Load() }

// TurnAway has clients leave with the next answer, while it is on. A connection
// that is closed later may be closed just when its client sends something on
// it, which not every client tries again. Of Connection: close (RFC 9112 9.6)
// net/http makes a GOAWAY where the connection is one of HTTP/2.
func (d *Draining) TurnAway(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if d.On() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// errDraining is what balancers wait for: it goes by and nobody has to act on it.
var errDraining = errors.New("the gate was told to end")

// ServeHealth answers 200, or 503 while draining.
func (d *Draining) ServeHealth(w http.ResponseWriter, _ *http.Request) error {
	if d.On() {
		return oci.Errorf(oci.Unavailable, "draining").With("Retry-After", "5").Because(errDraining)
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_, err := io.WriteString(w, "ok\n")
	return err
}
