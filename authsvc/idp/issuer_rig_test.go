package idp

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

const gateName = "registry.example.com"

// a works is an issuer of tokens for workloads, and a clock.
type works struct {
	*httptest.Server
	keys     atomic.Value // []any
	down     atomic.Bool
	asked    atomic.Int32          // for keys
	document func(*works) object   // nil is the usual one
	sees     func(r *http.Request) // each question
	clock    atomic.Pointer[time.Time]
}

var noon = time.Unix(1_800_000_000, 0)

func newWorks(t testing.TB) *works {
	w := new(works)
	w.keys.Store([]any{published("one", rsaKey()), published("ec", ecKey()), published("ed", edKey())})
	w.clock.Store(&noon)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(rw http.ResponseWriter, r *http.Request) {
		d := object{"issuer": w.URL, "jwks_uri": w.URL + "/keys", "authorization_endpoint": "urn:kubernetes:programmatic_authorization"}
		if w.document != nil {
			d = w.document(w)
		}
		answerJSON(rw, d)
	})
	mux.HandleFunc("GET /keys", func(rw http.ResponseWriter, r *http.Request) {
		w.asked.Add(1)
		answerJSON(rw, object{"keys": w.keys.Load()})
	})
	w.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if w.sees != nil {
			w.sees(r)
		}
		if w.down.Load() {
			http.Error(rw, "down", http.StatusBadGateway)
			return
		}
		mux.ServeHTTP(rw, r)
	}))
	t.Cleanup(w.Close)
	return w
}

func (w *works) now() time.Time { return *w.clock.Load() }

func (w *works) later(d time.Duration) {
	then := w.now().Add(d)
	w.clock.Store(&then)
}

func (w *works) config() IssuerConfig {
	return IssuerConfig{Issuer: w.URL, Audience: []string{"other.example.com", gateName}, Algorithms: []string{"RS256", "ES256", "EdDSA"}}
}

func (w *works) issuer(t testing.TB, change func(*IssuerConfig)) *Issuer {
	t.Helper()
	cfg := w.config()
	if change != nil {
		change(&cfg)
	}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	i, err := NewIssuer(cfg, w.now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = i.Close() })
	return i
}

// claims are those of a good token.
func (w *works) claims() object {
	return object{"iss": w.URL, "aud": gateName, "sub": "repo:acme/app:ref:refs/heads/main",
		"iat": w.now().Unix(), "nbf": w.now().Unix(), "exp": w.now().Add(10 * time.Minute).Unix()}
}

var byOne = signing{"RS256", "one", rsaKey()}

func (w *works) token(t testing.TB, change func(object)) string {
	c := w.claims()
	if change != nil {
		change(c)
	}
	return byOne.jwt(t, c)
}

// keyFile writes keys as issuers publish them.
func keyFile(t testing.TB, keys ...any) string {
	t.Helper()
	text, err := json.Marshal(object{"keys": keys})
	if err != nil {
		t.Fatal(err)
	}
	return textFile(t, string(text))
}

func textFile(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// spelled signs a header and a payload as they are written.
func spelled(t testing.TB, s signing, header, payload string) string {
	text := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(payload))
	return text + "." + base64.RawURLEncoding.EncodeToString(s.sign(t, []byte(text)))
}

// verdict is "" for a token that is good, what its holder is told if it is not,
// and "?" and what went wrong if it cannot be told.
func verdict(err error) string {
	var no *Refusal
	switch {
	case err == nil:
		return ""
	case errors.As(err, &no):
		return strings.TrimPrefix(no.Msg, "the token of the issuer is not good here: ")
	}
	return "? " + err.Error()
}
