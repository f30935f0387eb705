package proxy

import (
	"bytes"
	"context"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/regate/regate/internal/oci"
)

// manifests are the bodies of requests that are read before they are sent, so
// that they can be sent again. There is room for so many; one that finds none
// is streamed, and sent once.
type manifests struct{ taken atomic.Int64 }

const mostManifests = 64 << 20

// A manifest is such a body.
type manifest struct {
	text  []byte
	among *manifests
	size  int64 // that is reserved for it
}

// reserve takes room for a body of a length, which is negative if nobody knows.
func (m *manifests) reserve(length int64) bool {
	size := reserved(length)
	if m.taken.Add(size) > mostManifests {
		m.taken.Add(-size)
		return false
	}
	return true
}

func reserved(length int64) int64 {
	if length < 0 {
		return maxManifest
	}
	return length
}

// read takes body into the room that has been reserved for its length.
func (m *manifests) read(body *inbound, length int64) (*manifest, error) {
	whole := &manifest{among: m, size: reserved(length)}
	var text bytes.Buffer
	if length > 0 {
		text.Grow(int(length) + bytes.MinRead)
	}
	_, err := text.ReadFrom(struct{ io.Reader }{body})
	_ = body.Close()
	if err == nil {
		whole.text = text.Bytes()
		return whole, nil
	}
	if fault := body.failure(); fault != nil {
		err = fault
	} else {
		err = oci.Errorf(oci.BadRequest, "body cannot be read").Because(err)
	}
	return whole, err
}

// free gives the room back.
func (m *manifest) free() {
	if m != nil {
		m.among.taken.Add(-m.size)
	}
}

// reader is the body for one attempt, which ends if the registry takes nothing
// for the time idle.
func (m *manifest) reader(idle time.Duration, abort context.CancelCauseFunc) io.ReadCloser {
	p := &portion{text: m.text}
	p.watch = newWatch(idle, func() { abort(errRegistryStalled) })
	p.watch.on()
	return p
}

// A portion is what is left of a manifest. The transport may read and close it
// on two goroutines.
type portion struct {
	watch *watch

	mu   sync.Mutex // guards text
	text []byte
}

func (p *portion) Read(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.text) == 0 {
		return 0, io.EOF
	}
	p.watch.on()
	n := copy(b, p.text)
	p.text = p.text[n:]
	return n, nil
}

// Close implements io.Closer. From then on, the endpoint's time-out counts.
func (p *portion) Close() error {
	p.watch.close()
	return nil
}
