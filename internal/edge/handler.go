package edge

import (
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/regate/regate/internal/oci"
)

// lingering bounds how long the rest of a body is read that the handler did
// not want. The server reads up to 256 KiB of it before it sends the header,
// so that the connection can be used again; a client that sends one byte a
// minute would wait there for ever.
const lingering = 5 * time.Second

// smallAnswer is one that the server has in its buffer when the handler ends.
const smallAnswer = 2 << 10

// Handler serves requests with a function that returns an error, which is
// then what the client is told. If a part of the answer has been sent already
// the connection is broken instead, so that the client cannot take it for all
// of it; if the client has gone, nothing is sent.
func Handler(serve func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, w, r := enter(w, r)
		if err := serve(w, r); err != nil {
			s.fail(w, r, err)
			return
		}
		s.linger(w, r)
		hurry(w, s.patience(r)) // with what the server has still in its buffer
	})
}

// fail ends a request with err.
func (s *scope) fail(w http.ResponseWriter, r *http.Request, err error) {
	s.record.Err = err
	if s.writer.status != 0 || s.gone() {
		panic(http.ErrAbortHandler)
	}
	s.linger(w, r)
	hurry(w, s.patience(r))
	oci.WriteError(w, r, err)
}

// patience is how long an answer that is complete may wait for its reader. On
// HTTP/1.1 a small one goes to the kernel at once, but after what is left of
// the body.
func (s *scope) patience(r *http.Request) time.Duration {
	if r.ProtoMajor > 1 && s.record.Upstream == "" && s.writer.bytes <= smallAnswer {
		return streamTime
	}
	return answerTime
}

// linger sets a deadline for what is left of the body. When nothing is, there
// must be none: the server is reading to see whether the client is still
// there, and the deadline would say that it is not. HTTP/2 discards the rest
// by itself.
func (s *scope) linger(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor == 1 && s.body.ReadCloser != nil && !s.body.ended.Load() {
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(lingering))
	}
}

// Recover makes a panic the end of that request only: the client is told that
// there was an internal error, and Log, which is to stand before it, writes
// the stack. http.ErrAbortHandler is no accident and passes.
func Recover(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, w, r := enter(w, r)
		defer func() {
			v := recover()
			if v == nil {
				return
			}
			if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(v)
			}
			s.record.stack = debug.Stack()
			s.fail(w, r, panicked{v})
		}()
		next.ServeHTTP(w, r)
	})
}

// panicked is the error of a request whose handler panicked.
type panicked struct{ value any }

func (p panicked) Error() string { return fmt.Sprintf("panic: %v", p.value) }
