package client

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/certmagic"

	"github.com/regate/regate/acme/acmestub"
)

// serving is a client of a server over https that answers with h.
func serving(t *testing.T, h http.HandlerFunc) (*http.Client, string) {
	t.Helper()
	s := httptest.NewTLSServer(h)
	t.Cleanup(s.Close)
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	return newHTTPClient(roots), s.URL
}

func TestAnswersHaveALimit(t *testing.T) {
	for size, want := range map[int]error{maxAnswer: nil, maxAnswer + 1: errTooLong, 8 * maxAnswer: errTooLong} {
		c, url := serving(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, size)) })
		res, err := c.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if !errors.Is(err, want) || len(body) != min(size, maxAnswer) {
			t.Errorf("of %d bytes %d are read: %v, want %v", size, len(body), err, want)
		}
	}
}

// Wherever the server leads to, and be it this machine.
func TestPlainHTTPIsNotAsked(t *testing.T) {
	plain := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("plain http is asked") }))
	t.Cleanup(plain.Close)
	c, url := serving(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, plain.URL, http.StatusTemporaryRedirect)
	})
	for _, asked := range []string{url, plain.URL} {
		res, err := c.Post(asked, "application/jose+json", strings.NewReader("{}"))
		if err == nil {
			_ = res.Body.Close()
		}
		if _, ok := errors.AsType[Misbehaviour](err); !ok || !errors.Is(err, errPlain) {
			t.Errorf("%s: %v, want %v", asked, err, errPlain)
		}
	}
}

func TestRetryAfterIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // lest a second pass
		for _, tt := range []struct{ method, text, want string }{
			{"POST", "999999999", "60"},
			{"POST", "0", "1"},
			{"POST", "5", "5"},
			{"POST", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat), "60"},
			{"POST", time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat), "1"},
			{"POST", "99999999999999999999", ""},
			{"POST", "-1", ""},
			{"POST", "", ""},
			{"GET", "21600", "21600"}, // renewal info
			{"GET", "999999999", "86400"},
			{"GET", "0", "1"},
		} {
			h := http.Header{"Retry-After": {tt.text}}
			boundRetryAfter(tt.method, h)
			if got := h.Get("Retry-After"); got != tt.want {
				t.Errorf("%s: Retry-After %q becomes %q, want %q", tt.method, tt.text, got, tt.want)
			}
		}
	})
}

// A refusal says when the CA may be asked again, and nobody sleeps until then.
func TestRefusalsKeepTheirRetryAfter(t *testing.T) {
	c, url := serving(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "7200")
		w.WriteHeader(http.StatusTooManyRequests)
	})
	ctx, said := withHint(t.Context())
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	l, _ := errors.AsType[Limited](said.wrap(errors.New("failed")))
	if wait := time.Until(l.After); res.Header.Get("Retry-After") != "7200" || wait < time.Hour {
		t.Errorf("Retry-After is %q, to wait is %s", res.Header.Get("Retry-After"), wait)
	}
}

// acmez follows the links of a chain to where they lead, and back again.
func TestLinksAreNotFollowed(t *testing.T) {
	ca := acmestub.New(t)
	asked := 0
	ca.Spoil = func(path string, h http.Header) {
		if strings.HasPrefix(path, "/cert/") && asked < 100 {
			asked++
			h.Add("Link", `<`+strings.TrimSuffix(ca.Directory(), "/directory")+path+`>;rel="up"`)
		}
	}
	issued, err := testIssuer(ca, nil, hooked{&certmagic.FileStorage{Path: t.TempDir()}, func() {}}).Issue(t.Context(), request(t, "links.example.com"))
	if err != nil || bytes.Count(issued.Certificate, []byte("BEGIN")) != 1 || asked != 1 {
		t.Errorf("asked %d times for the certificate: %v", asked, err)
	}
}

func TestOrderEnds(t *testing.T) {
	ca := acmestub.New(t)
	i := testIssuer(ca, nil, hooked{&certmagic.FileStorage{Path: t.TempDir()}, func() {}})
	if i.time < orderTime {
		t.Errorf("an order has %s", i.time)
	}
	i.time = time.Nanosecond
	if _, err := i.Issue(t.Context(), request(t, "ends.example.com")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("after the end of the order: %v", err)
	}
}
