package edge

import (
	"errors"
	"io"
	"net/http"
	"os"
	"sync/atomic"
	"syscall"
)

// A writer notes what is sent. Everything else that the server's writer can
// do is reached through Unwrap (http.ResponseController).
type writer struct {
	http.ResponseWriter
	status int // 0 until the header is sent
	bytes  int64
}

// Unwrap serves http.ResponseController.
func (w *writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader sends the header. Informational ones may come before it.
func (w *writer) WriteHeader(status int) {
	if w.status == 0 && status >= http.StatusOK {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *writer) Write(p []byte) (int, error) {
	w.sent()
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}

// FlushError serves http.ResponseController: a flush sends the header too.
func (w *writer) FlushError() error {
	w.sent()
	return http.NewResponseController(w.ResponseWriter).Flush()
}

func (w *writer) sent() {
	if w.status == 0 {
		w.status = http.StatusOK
	}
}

// A body notes what is received. The transport of a proxied request may still
// be reading when the handler has returned, hence the atomics.
type body struct {
	io.ReadCloser
	bytes  atomic.Int64
	ended  atomic.Bool // there is nothing more to read
	broken atomic.Bool // the client went away in the middle of it
	slow   atomic.Bool // a deadline ended it
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.bytes.Add(int64(n))
	if err != nil {
		b.ended.Store(true)
	}
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
		b.broken.Store(true)
	case errors.Is(err, os.ErrDeadlineExceeded):
		b.slow.Store(true)
	}
	return n, err
}
