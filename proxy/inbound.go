package proxy

import (
	"context"
	"errors"
	"io"
	"math"
	"net/http"
	"sync"
	"time"

	"github.com/regate/regate/internal/oci"
)

var (
	errClientStalled   = errors.New("the client sent nothing, or too little, for too long")
	errRegistryStalled = errors.New("the registry took nothing, or too little, for too long")
	errBodyOver        = errors.New("the request is over")
)

// gather bounds how long small pieces are collected before they are passed on.
const gather = time.Second

// past is a deadline that wakes whoever waits.
var past = time.Unix(1, 0)

// An inbound is the body of a request on its way to the registry. The
// transport reads it on a goroutine of its own, and may still do so when the
// answer is there, or when the handler has returned.
//
// Either side must make progress: the client while a read waits for it, the
// registry between two reads.
type inbound struct {
	body    io.Reader
	control *http.ResponseController
	watch   *watch
	most    int64 // bytes that may come
	length  int64 // bytes that will come; negative if nobody knows

	mu      sync.Mutex              // guards what follows
	abort   context.CancelCauseFunc // ends the attempt to send it to a registry
	begun   bool                    // somebody has tried to read
	waiting bool                    // for the client, rather than for the registry
	ended   bool                    // everything has been read, or an error
	over    bool                    // nobody wants any more of it
	err     error                   // why reading ended, but for io.EOF
}

// newInbound wraps the body of r. It ends if there is no progress for the time
// idle.
func newInbound(w http.ResponseWriter, r *http.Request, idle time.Duration) *inbound {
	b := &inbound{
		body:    r.Body,
		control: http.NewResponseController(w),
		abort:   func(error) {},
		most:    math.MaxInt64,
		length:  r.ContentLength,
	}
	b.watch = newWatch(idle, b.stalled)
	return b
}

// abortWith says how to end the attempt that is under way, if there is a body.
func (b *inbound) abortWith(abort context.CancelCauseFunc) {
	if b != nil {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.abort = abort
	}
}

// hasBegun reports whether anything of the body may be gone.
func (b *inbound) hasBegun() bool {
	if b == nil {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.begun
}

// complete reports whether all of the body has been read.
func (b *inbound) complete() bool {
	if b == nil {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ended && b.err == nil
}

// limit lets no more than the given number of bytes through; a request
// without a body has no inbound.
func (b *inbound) limit(most int64) {
	if b != nil {
		b.most = most
	}
}

// stalled is what the watch calls. The deadline wakes a read that waits.
func (b *inbound) stalled() {
	b.mu.Lock()
	defer b.mu.Unlock()
	cause := errRegistryStalled
	if b.waiting {
		cause = errClientStalled
		_ = b.control.SetReadDeadline(past)
	}
	if b.err == nil {
		b.err = cause
	}
	b.abort(cause)
}

// Read fills p as far as that takes no longer than gather or one more wait:
// a TLS record holds 16 KiB at most, and registries write to disk what they
// get at once.
func (b *inbound) Read(p []byte) (n int, err error) {
	start := time.Now()
	for n < len(p) && err == nil {
		var m int
		m, err = b.read(p[n:])
		n += m
		if time.Since(start) > gather {
			break
		}
	}
	return n, err
}

func (b *inbound) read(p []byte) (int, error) {
	if err := b.begin(); err != nil {
		return 0, err
	}
	b.watch.on()
	n, err := b.body.Read(p)
	b.watch.on() // and now for the registry
	b.watch.passed(n)
	return n, b.done(n, err)
}

func (b *inbound) begin() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.begun = true
	switch {
	case b.err != nil:
		return b.err
	case b.ended: // the transport looks for more than was announced
		return io.EOF
	case b.over:
		return errBodyOver
	}
	b.waiting = true
	return nil
}

func (b *inbound) done(n int, err error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting = false
	b.most -= int64(n)
	b.length -= int64(n)
	if b.most < 0 {
		err = errLargeManifest()
	}
	if err == nil && b.length != 0 {
		return nil
	}
	b.ended = true
	if err != nil && err != io.EOF && b.err == nil {
		b.err = err
	}
	return err
}

// WriteTo passes on a body of unknown length in large pieces; for one of known
// length http.Transport lets the connection do that.
func (b *inbound) WriteTo(w io.Writer) (int64, error) {
	buf := large.get()
	defer large.put(buf)
	return io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{b}, *buf)
}

// Close is for the transport, which calls it when it has read and written all,
// or will do so no more. From then on, the endpoint's time-out counts. A body
// that nobody has begun to read may still go to another endpoint.
func (b *inbound) Close() error {
	if b.hasBegun() {
		b.watch.close()
	}
	return nil
}

// finish ends the body when the answer is there. What the client has not sent
// yet is nobody's business any more, but the server reads some of it so that
// the client can read the answer; that must end, too.
func (b *inbound) finish(linger time.Duration) {
	if b == nil {
		return
	}
	b.watch.close()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.over = true
	if !b.ended {
		_ = b.control.SetReadDeadline(time.Now().Add(linger))
	}
}

// failure is why the client's side of the body failed; nil if it did not.
func (b *inbound) failure() error {
	if b == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.err == nil || errors.Is(b.err, errRegistryStalled):
		return nil
	case errors.Is(b.err, errClientStalled):
		return oci.Errorf(oci.BadRequest, "body came too slowly").Because(b.err)
	}
	var refused *oci.Error
	if errors.As(b.err, &refused) {
		return refused
	}
	return oci.Errorf(oci.BadRequest, "body cannot be read").Because(b.err)
}
