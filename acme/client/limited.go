package client

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// A Limited is the refusal of a server that said when it may be asked again.
type Limited struct {
	Err   error
	After time.Time
}

func (l Limited) Error() string { return l.Err.Error() }
func (l Limited) Unwrap() error { return l.Err }

// A hint is what the server said of that (RFC 9110 10.2.3) in the requests of
// one context: acmez looks at it only where it is to poll.
type hint struct {
	mu    sync.Mutex
	after time.Time
}

type hintKey struct{}

func withHint(ctx context.Context) (context.Context, *hint) {
	h := new(hint)
	return context.WithValue(ctx, hintKey{}, h), h
}

func (h *hint) wrap(err error) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err == nil || h.after.IsZero() {
		return err
	}
	return Limited{err, h.after}
}

// hinted passes requests on and notes the hints in their refusals.
type hinted struct{ http.RoundTripper }

func (t hinted) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := t.RoundTripper.RoundTrip(r)
	h, _ := r.Context().Value(hintKey{}).(*hint)
	if err != nil || h == nil || res.StatusCode < http.StatusBadRequest {
		return res, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.after = retryAfter(res.Header.Get("Retry-After"), time.Now())
	return res, nil
}

// retryAfter reads a number of seconds or a date; zero if it is neither.
func retryAfter(text string, now time.Time) time.Time {
	if n, err := strconv.ParseUint(text, 10, 31); err == nil {
		return now.Add(time.Duration(n) * time.Second)
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return time.Time{}
	}
	return at
}
