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

// LimitBodies puts limits on the body of each request. A read beyond them
// returns an *oci.Error, which the handler is to return, and the connection
// ends. A body that the handler does not read is under the same limits when
// the server reads the rest of it to use the connection again.
func LimitBodies(limits BodyLimits) Middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Body != nil && r.Body != http.NoBody {
				b := &limitedBody{
					ReadCloser: r.Body,
					limits:     limits,
					header:     w.Header(),
					control:    http.NewResponseController(w),
					start:      time.Now(),
					length:     r.ContentLength,
				}
				b.arm(b.deadline(b.start))
				r.Body = b
			}
			next.ServeHTTP(w, r)
		})
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

// Read arms the deadline anew, and lifts it when there is nothing more to
// come: from then on the server reads to see whether the client is still
// there, and a deadline would end the request.
func (b *limitedBody) Read(p []byte) (int, error) {
	if b.length > b.limits.MaxBytes {
		return 0, b.refuse(b.tooLarge())
	}
	b.arm(b.deadline(time.Now()))
	n, err := b.ReadCloser.Read(p)
	b.read += int64(n)
	switch {
	case b.read > b.limits.MaxBytes:
		return 0, b.refuse(b.tooLarge())
	case errors.Is(err, os.ErrDeadlineExceeded):
		return n, b.refuse(oci.Errorf(oci.BadRequest, "the body came too slowly").Because(err))
	case err != nil:
		b.arm(time.Time{})
	}
	return n, err
}

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

// arm sets the deadline. It fails on a connection that is broken, which the
// read will tell, and in a test without a connection.
func (b *limitedBody) arm(t time.Time) { _ = b.control.SetReadDeadline(t) }

func (b *limitedBody) tooLarge() error {
	return oci.Errorf(oci.TooLarge, "the body is larger than %d bytes", b.limits.MaxBytes)
}

// refuse ends the connection with the request, as the rest of the body is not
// worth reading.
func (b *limitedBody) refuse(err error) error {
	b.header.Set("Connection", "close")
	return err
}
