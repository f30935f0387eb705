package remote

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/regate/regate/internal/oci"
)

// A class is requests that registries count together. Docker Hub counts
// manifests alone: who may have no more of them can still finish the layers of
// those that came before.
type class uint8

const (
	manifests class = iota
	others
	referrers // counted with the others
)

// classify goes by what is behind the repository in the path.
func (r *Remote) classify(out *http.Request, repo string) class {
	rest := strings.TrimPrefix(out.URL.Path, strings.TrimSuffix(r.cfg.Origin.Path, "/")+"/v2/"+repo)
	switch {
	case strings.HasPrefix(rest, "/manifests/"):
		return manifests
	case strings.HasPrefix(rest, "/referrers/"):
		return referrers
	}
	return others
}

// A budget is what a registry lets the gate ask for, as far as it has said so.
type budget struct {
	now  func() time.Time
	left atomic.Int64 // as the header says, and one more; 0 if it has not

	mu    sync.Mutex   // guards until
	until [2]time.Time // by class: asked no more before that
}

const (
	defaultPause = time.Minute
	longestPause = time.Hour
)

var errWaiting = errors.New("it has answered 429")

// check returns the error of a request that would be one too many.
func (b *budget) check(registry string, c class) error {
	b.mu.Lock()
	until := b.until[min(c, others)]
	b.mu.Unlock()
	wait := until.Sub(b.now())
	if wait <= 0 {
		return nil
	}
	return tooMany(registry, wait)
}

func tooMany(registry string, wait time.Duration) error {
	seconds := strconv.Itoa(int((wait + time.Second - 1) / time.Second))
	return oci.Errorf(oci.TooMany, "%s lets this gate ask for nothing more for another %s seconds; its limit is reached", registry, seconds).
		Because(errWaiting).
		With("Retry-After", seconds)
}

// exhaust notes a 429, and returns for how long it is good.
func (b *budget) exhaust(c class, h http.Header) time.Duration {
	b.note(h)
	now := b.now()
	until := now.Add(pause(h.Get("Retry-After"), now))
	b.mu.Lock()
	defer b.mu.Unlock()
	if u := &b.until[min(c, others)]; u.Before(until) {
		*u = until
	}
	return until.Sub(now)
}

// pause reads Retry-After (RFC 9110 10.2.3).
func pause(text string, now time.Time) time.Duration {
	wait := defaultPause
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		wait = time.Duration(seconds) * time.Second
	} else if at, err := http.ParseTime(text); err == nil {
		wait = at.Sub(now)
	}
	return min(max(wait, time.Second), longestPause)
}

// note reads RateLimit-Remaining, which is "76;w=21600" at Docker Hub.
func (b *budget) note(h http.Header) {
	text, _, _ := strings.Cut(h.Get("Ratelimit-Remaining"), ";")
	if n, err := strconv.ParseUint(strings.TrimSpace(text), 10, 62); err == nil {
		b.left.Store(int64(n) + 1)
	}
}

func (b *budget) remaining() (n int64, ok bool) {
	n = b.left.Load()
	return n - 1, n > 0
}
