package edge

import (
	"errors"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/regate/regate/internal/oci"
)

// BodyLimits bound the body of somebody whom we do not know yet.
type BodyLimits struct {
	MaxBytes int64         // largest body
	Idle     time.Duration // longest wait for the next byte
	Grace    time.Duration // how long it may be slower than MinRate
	MinRate  int64         // bytes in a second, on average, once Grace is over
}

// DefaultBodyLimits suit a form with a name and a password.
func DefaultBodyLimits() BodyLimits {
	return BodyLimits{MaxBytes: 64 << 10, Idle: 60 * time.Second, Grace: 5 * time.Minute, MinRate: 1 << 10}
}

// LimitBody puts limits on the body of r. A read beyond them returns an
// *oci.Error, which the handler is to return, and the connection ends.
func LimitBody(w http.ResponseWriter, r *http.Request, limits BodyLimits) {
	if r.Body == nil || r.Body == http.NoBody {
		return
	}
	r.Body = &limitedBody{
		ReadCloser: r.Body,
		limits:     limits,
		header:     w.Header(),
		control:    http.NewResponseController(w),
		start:      time.Now(),
		length:     r.ContentLength,
	}
}

type limitedBody struct {
	io.ReadCloser
	limits  BodyLimits
	header  http.Header
	control *http.ResponseController
	start   time.Time
	length  int64 // as announced; -1 if it was not
	read    int64
}

// Read arms the deadline for as long as it waits and no longer: one that
// fires afterwards would end the request, since the server goes on reading to
// see whether the client is still there.
func (b *limitedBody) Read(p []byte) (int, error) {
	if b.length > b.limits.MaxBytes {
		return 0, b.end(oci.Errorf(oci.TooLarge, "body is larger than %d bytes", b.limits.MaxBytes))
	}
	b.arm(b.deadline(time.Now()))
	n, err := b.ReadCloser.Read(p)
	b.arm(time.Time{})
	b.read += int64(n)
	switch {
	case b.read > b.limits.MaxBytes:
		return 0, b.end(oci.Errorf(oci.TooLarge, "body is larger than %d bytes", b.limits.MaxBytes))
	case errors.Is(err, os.ErrDeadlineExceeded):
		return n, b.end(oci.Errorf(oci.BadRequest, "body came too slowly").Because(err))
	}
	return n, err
}

// arm sets the deadline. It fails on a connection that is broken, which the
// read will tell, and on what is no connection at all.
func (b *limitedBody) arm(t time.Time) { _ = b.control.SetReadDeadline(t) }

// deadline is when the next byte must be there.
func (b *limitedBody) deadline(now time.Time) time.Time {
	idle := now.Add(b.limits.Idle)
	if b.limits.MinRate <= 0 {
		return idle
	}
	earned := time.Duration(b.read) * time.Second / time.Duration(b.limits.MinRate)
	if floor := b.start.Add(b.limits.Grace + earned); floor.Before(idle) {
		return floor
	}
	return idle
}

// end refuses the rest of the body, so the connection is of no more use.
func (b *limitedBody) end(err error) error {
	b.header.Set("Connection", "close")
	return err
}
