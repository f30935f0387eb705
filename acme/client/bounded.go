package client

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// What a server may do to the gate is limited, since not everybody who answers
// as one is to be trusted with its memory and its time.
const (
	maxAnswer   = 1 << 20 // bytes
	minPoll     = time.Second
	maxPoll     = time.Minute
	maxInfoTime = 24 * time.Hour // between looks at renewal info (RFC 9773 4.3.2)
)

var (
	errPlain   = errors.New("the CA leads to a URL without https, where anybody on the way could answer")
	errTooLong = fmt.Errorf("the CA answers with more than %d bytes", maxAnswer)
)

// bounded passes requests on over https alone, wherever a server redirects or
// points to (RFC 8555 6.1), and answers up to their limits.
type bounded struct{ http.RoundTripper }

func (t bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != "https" {
		if r.Body != nil {
			_ = r.Body.Close()
		}
		return nil, Misbehaviour{errPlain}
	}
	res, err := t.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	res.Body = &limitedBody{res.Body, maxAnswer}
	// Chains are complete (RFC 8555 9.1), and the first of them is taken:
	// acmez would follow links to others, however many there are.
	res.Header.Del("Link")
	if res.StatusCode < http.StatusMultipleChoices {
		boundRetryAfter(r.Method, res.Header)
	}
	return res, nil
}

// boundRetryAfter keeps polls apart, and from waiting for ever: acmez sleeps as
// long as it is told. Only renewal info is asked for by GET.
func boundRetryAfter(method string, h http.Header) {
	const key = "Retry-After"
	text := h.Get(key)
	if text == "" {
		return
	}
	now, longest := time.Now(), maxPoll
	if method == http.MethodGet {
		longest = maxInfoTime
	}
	at := retryAfter(text, now)
	if at.IsZero() {
		h.Del(key) // acmez would fail
		return
	}
	wait := min(max(at.Sub(now), minPoll), longest)
	h.Set(key, strconv.Itoa(int(wait/time.Second)))
}

// A limitedBody fails when there is more than may be left.
type limitedBody struct {
	io.ReadCloser
	left int64
}

func (b *limitedBody) Read(p []byte) (int, error) {
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	if int64(n) > b.left {
		n, err = int(b.left), Misbehaviour{errTooLong}
	}
	b.left -= int64(n)
	return n, err
}
