package edge

import (
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

// ServeHealth answers 200, or 503 while draining.
func (d *Draining) ServeHealth(w http.ResponseWriter, _ *http.Request) error {
	if d.On() {
		return oci.Errorf(oci.Unavailable, "draining").With("Retry-After", "5")
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_, err := io.WriteString(w, "ok\n")
	return err
}
