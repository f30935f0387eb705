package proxy

import (
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/regate/regate/internal/edge"
	"github.com/regate/regate/internal/oci"
)

var errStalled = errors.New("nothing, or too little, has passed for too long")

// send sends the answer that prepare has made. An error after its header has
// been sent breaks the connection (edge.Handler), so that nobody takes half a
// blob for all of it.
func (a *answer) send() error {
	h := a.w.Header()
	for name, values := range a.res.Header {
		if toClient(name) {
			h[name] = values
		}
	}
	for _, name := range [...]string{"Location", "Link"} { // rewritten by prepare
		if v := a.res.Header[name]; v != nil {
			h[name] = v
		}
	}
	if v := a.res.Header["Www-Authenticate"]; v != nil && !a.route.Pool.Checked() {
		h["Www-Authenticate"] = v
	}
	if h["Content-Type"] == nil && a.hasBody() {
		h["Content-Type"] = octets // or net/http guesses, and text/html is one of its guesses
	}
	setOwn(h, a.req.Op)
	if a.res.StatusCode >= 300 && a.res.StatusCode != http.StatusNotModified {
		h["Cache-Control"] = noStore
	}
	a.rest = a.span()
	a.sending.Store(true)
	a.w.WriteHeader(a.res.StatusCode)
	if a.r.Method == http.MethodHead {
		return nil
	}
	return a.copy()
}

// hasBody reports whether a body follows, as far as one can know before.
func (a *answer) hasBody() bool {
	return a.r.Method != http.MethodHead && a.res.ContentLength != 0
}

// copy sends the body.
func (a *answer) copy() error {
	if a.res.ContentLength == 0 {
		return nil
	}
	pool := small
	if a.res.ContentLength < 0 || a.res.ContentLength > int64(small.size) {
		pool = large
	}
	buf := pool.get()
	defer pool.put(buf)
	client := client{w: edge.Gather(a.w, a.r), watch: a.watch, step: firstStep}
	control := http.NewResponseController(a.w)
	if pool == large {
		// The registry may need a while for the first byte.
		if err := control.Flush(); err != nil {
			return a.clientFailed(err)
		}
	}
	for over := false; !over; {
		n, err := a.read(*buf)
		if n > 0 {
			client.watch = a.watch // it is another one after a break
			if err := client.write((*buf)[:n]); err != nil {
				return a.clientFailed(err)
			}
			a.rest.next += int64(n)
		}
		if over = err == io.EOF; err == nil || over {
			continue
		}
		if err := a.resume(a.why(err)); err != nil {
			return oci.Errorf(oci.Unreachable, "registry broke off").Because(err)
		}
	}
	a.ep.Finished()
	a.watch.on()
	if err := control.Flush(); err != nil {
		return a.clientFailed(err)
	}
	if a.watch.close() { // at the very last moment
		return a.clientFailed(errStalled)
	}
	return nil
}

// read reads from the registry. What has come after the watch has ended it is
// not written: nothing would watch that.
func (a *answer) read(p []byte) (n int, err error) {
	a.reading.Store(true)
	a.watch.on()
	n, err = a.res.Body.Read(p)
	a.reading.Store(false)
	if fired, _ := a.watch.fired(); fired {
		return 0, errStalled
	}
	return n, err
}

func (a *answer) clientFailed(err error) error {
	return oci.Errorf(oci.BadRequest, "client stopped reading").Because(a.why(err))
}

// A client is written to in steps that a slow one can take in the time that a
// watch allows: a write of 256 KiB on a line of 4 KiB/s would seem to stall.
type client struct {
	w     io.Writer
	watch *watch
	step  int
}

const (
	firstStep = 64 << 10
	leastStep = 16 << 10  // one TLS record
	mostStep  = 256 << 10 // a whole buffer
)

func (c *client) write(p []byte) error {
	for len(p) > 0 {
		n := min(len(p), c.step)
		start := time.Now()
		c.watch.on()
		if _, err := c.w.Write(p[:n]); err != nil {
			return err
		}
		c.watch.passed(n)
		if took := time.Since(start); took > c.watch.limit/8 {
			c.step = max(c.step/2, leastStep)
		} else {
			c.step = min(c.step*2, mostStep)
		}
		p = p[n:]
	}
	return nil
}
