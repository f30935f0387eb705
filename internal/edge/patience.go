package edge

import (
	"net/http"
	"time"
)

// answerTime bounds how long a client may take to read an answer of the
// gate's own. All of them are small, but one that is never read holds a
// connection, or on HTTP/2 a stream and its goroutine, for as long as the
// client likes: flow control is none of the server's time-outs' business.
// What is proxied has deadlines of its own.
const (
	answerTime = 30 * time.Second
	streamTime = 5 * time.Second // on HTTP/2, of some hundred bytes for whoever asks
)

// Impatient puts answerTime on the whole of a small handler, which must not
// wait for long itself.
func Impatient(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, w, r = enter(w, r)
		hurry(w, answerTime)
		next.ServeHTTP(w, r)
	})
}

// hurry bounds what is left to write. It fails on what is no connection at all.
func hurry(w http.ResponseWriter, most time.Duration) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(most))
}

// relax ends what an earlier request on the same connection has begun. Streams
// of HTTP/2 have a deadline each.
func relax(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor == 1 {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Time{})
	}
}
