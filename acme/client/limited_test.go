package client

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 22, 4, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"3600":                          now.Add(time.Hour),
		"0":                             now,
		"Sun, 22 Nov 2026 06:00:00 GMT": now.Add(2 * time.Hour),
		"":                              {},
		"-1":                            {},
		"soon":                          {},
		"99999999999999999999":          {},
	} {
		if got := retryAfter(text, now); !got.Equal(want) {
			t.Errorf("retryAfter(%q) = %v, want %v", text, got, want)
		}
	}
}

// Orders run at the same time: each hears what was said to it.
func TestHintsAreOfTheirContext(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "60")
		if r.URL.Path == "/limited" {
			w.WriteHeader(http.StatusTooManyRequests)
		}
	}))
	defer s.Close()
	c := &http.Client{Transport: hinted{http.DefaultTransport}}
	get := func(ctx context.Context, path string) error {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := c.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		return res.Body.Close()
	}
	failed := errors.New("failed")
	limited, ofLimited := withHint(t.Context())
	other, ofOther := withHint(t.Context())
	if err := errors.Join(get(limited, "/limited"), get(other, "/fine"), get(t.Context(), "/limited")); err != nil {
		t.Fatal(err)
	}
	l, ok := errors.AsType[Limited](ofLimited.wrap(failed))
	if wait := time.Until(l.After); !ok || !errors.Is(l, failed) || wait <= 0 || wait > time.Minute {
		t.Errorf("after a refusal that says when: %+v", l)
	}
	if err := ofOther.wrap(failed); err != failed {
		t.Errorf("after an answer: %#v", err)
	}
	if err := ofLimited.wrap(nil); err != nil {
		t.Errorf("without an error: %v", err)
	}
}
