package remote

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/regate/regate/internal/oci"
)

// TestRateLimit: after a 429, the registry is left alone for as long as it
// says, as far as the limit goes.
func TestRateLimit(t *testing.T) {
	g := newRig(t, "")
	limited := true
	g.answer = func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Ratelimit-Remaining", "0;w=21600")
		if limited {
			w.Header().Set("Retry-After", "90")
			w.WriteHeader(http.StatusTooManyRequests)
		}
	}
	for i, tt := range []struct {
		path  string
		after time.Duration
		sent  int
		wait  string // "" if there is an answer
	}{
		{"/manifests/1", 0, 1, "90"},
		{"/manifests/1", 0, 1, "90"},
		{"/manifests/2", 29500 * time.Millisecond, 1, "61"},
		{"/blobs/x", 0, 2, ""},
		{"/manifests/2", 61 * time.Second, 3, ""},
	} {
		g.pass(tt.after)
		limited = i == 0
		_, err := g.get(t, "a/b", tt.path)
		if (err == nil) != (tt.wait == "") {
			t.Fatalf("request %d: %v", i, err)
		}
		if err != nil {
			check(t, err, oci.TooMany, "far.example lets this gate ask for nothing more for another "+tt.wait+" seconds")
			if got := oci.AsError(err).Header.Get("Retry-After"); got != tt.wait {
				t.Errorf("request %d: Retry-After %q, want %q", i, got, tt.wait)
			}
		}
		if n := g.counts()[0]; n != tt.sent {
			t.Errorf("request %d: %d have reached the registry, want %d", i, n, tt.sent)
		}
	}
	if want := []string{RateLimited, Waiting, Waiting}; !slices.Equal(g.reasons, want) {
		t.Errorf("counted %q, want %q", g.reasons, want)
	}
	if n, ok := g.Remaining(); n != 0 || !ok {
		t.Errorf("Remaining() = %d, %v", n, ok)
	}
}

// TestRateLimitThatIsOverAtOnce: on a busy machine, the time may have passed
// before the client is told of it. It is an error nonetheless.
func TestRateLimitThatIsOverAtOnce(t *testing.T) {
	g := newRig(t, "")
	g.answer = func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "0")
		w.WriteHeader(http.StatusTooManyRequests)
	}
	g.budget.now = func() time.Time {
		g.pass(2 * time.Second)
		return g.clock()
	}
	_, err := g.get(t, "a/b")
	check(t, err, oci.TooMany, "another 1 seconds")
}

// TestRateLimitOfTokens concerns all requests: none can do without one.
func TestRateLimitOfTokens(t *testing.T) {
	g := newRig(t, "gate")
	g.give = status(http.StatusTooManyRequests)
	for _, path := range []string{"/manifests/1", "/manifests/1", "/blobs/x", "/tags/list", "/referrers/x"} {
		_, err := g.get(t, "a/b", path)
		check(t, err, oci.TooMany, "another 60 seconds")
	}
	if got, want := g.counts(), [2]int{1, 1}; got != want {
		t.Errorf("%v requests were sent, want %v", got, want)
	}
}

func TestPause(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	for text, want := range map[string]time.Duration{
		"":                     defaultPause,
		"5":                    5 * time.Second,
		"0":                    time.Second,
		"-1":                   defaultPause,
		"1e3":                  defaultPause,
		"9999999":              longestPause,
		"99999999999999999999": defaultPause,
		now.Add(90 * time.Second).UTC().Format(http.TimeFormat):  90 * time.Second,
		now.Add(-90 * time.Second).UTC().Format(http.TimeFormat): time.Second,
	} {
		if got := pause(text, now); got != want {
			t.Errorf("pause(%q) = %v, want %v", text, got, want)
		}
	}
}

func TestRemaining(t *testing.T) {
	b := budget{now: time.Now}
	for _, tt := range []struct {
		text string
		want int64
		ok   bool
	}{
		{"", -1, false}, {"many", -1, false}, {"76;w=21600", 76, true}, {"-1", 76, true}, {"99999999999999999999", 76, true}, {" 0 ", 0, true},
	} {
		b.note(http.Header{"Ratelimit-Remaining": {tt.text}})
		if n, ok := b.remaining(); n != tt.want || ok != tt.ok {
			t.Errorf("after %q: %d, %v, want %d, %v", tt.text, n, ok, tt.want, tt.ok)
		}
	}
}
