package idp

import (
	"crypto/tls"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// sign is what becomes of a token that is signed so, now.
func (w *works) sign(t testing.TB, i *Issuer, s signing) string {
	_, err := i.Verify(t.Context(), s.jwt(t, w.claims()))
	return verdict(err)
}

var byTwo = signing{"RS256", "two", otherKey()}

func TestKeysAreAskedForWhenTheyAreNeeded(t *testing.T) {
	t.Parallel()
	w := newWorks(t)
	i := w.issuer(t, nil)
	if n := w.asked.Load(); n != 0 {
		t.Fatalf("asked %d times before the first token", n)
	}
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if got := w.sign(t, i, byOne); got != "" {
				t.Error(got)
			}
		})
	}
	all.Wait()
	if n := w.asked.Load(); n != 1 {
		t.Errorf("asked %d times for all who came at once", n)
	}
	w.later(keysLife - time.Second)
	w.sign(t, i, byOne)
	if n := w.asked.Load(); n != 1 {
		t.Errorf("asked %d times within an hour", n)
	}
	w.later(time.Second)
	w.sign(t, i, byOne)
	if n := w.asked.Load(); n != 2 {
		t.Errorf("asked %d times after an hour", n)
	}
}

func TestKeysRotate(t *testing.T) {
	t.Parallel()
	w := newWorks(t)
	i := w.issuer(t, nil)
	w.sign(t, i, byOne)
	w.keys.Store([]any{published("two", otherKey())})
	if got := w.sign(t, i, byTwo); got != unsignedT {
		t.Errorf("by a new key within a minute: %q", got)
	}
	w.later(keysPause)
	if got := w.sign(t, i, byTwo); got != "" {
		t.Errorf("by a new key: %q", got)
	}
	if got := w.sign(t, i, byOne); got != unsignedT {
		t.Errorf("by a key that was withdrawn: %q", got)
	}
	for range 50 {
		w.sign(t, i, signing{"RS256", "three", otherKey()})
		w.sign(t, i, signing{"RS256", "two", rsaKey()})
	}
	if n := w.asked.Load(); n != 2 {
		t.Errorf("the issuer was asked %d times", n)
	}
}

func TestIssuerIsDown(t *testing.T) {
	t.Parallel()
	w := newWorks(t)
	i := w.issuer(t, nil)
	w.down.Store(true)
	if got := w.sign(t, i, byOne); !strings.HasPrefix(got, "? discovery: ") || !strings.HasSuffix(got, "answers 502") {
		t.Errorf("before it was ever reached: %q", got)
	}
	w.down.Store(false)
	w.later(failurePause)
	if got := w.sign(t, i, byOne); got != "" {
		t.Errorf("when it is back: %q", got)
	}

	w.down.Store(true)
	w.later(2 * time.Hour)
	if got := w.sign(t, i, byOne); got != "" {
		t.Errorf("two hours after: %q", got)
	}
	if got := w.sign(t, i, signing{"RS256", "one", otherKey()}); got != unsignedT {
		t.Errorf("two hours after, by somebody else: %q", got)
	}
	w.later(keysPause)
	if got := w.sign(t, i, byTwo); !strings.HasPrefix(got, "? the token may be signed by a new key: ") {
		t.Errorf("two hours after, by a key that may be new: %q", got)
	}
	w.later(22 * time.Hour)
	if got := w.sign(t, i, byOne); !strings.HasPrefix(got, "? the issuer's keys are older than a day: ") {
		t.Errorf("a day after: %q", got)
	}
	w.down.Store(false)
	w.later(keysPause)
	if got := w.sign(t, i, byOne); got != "" {
		t.Errorf("when it is back at last: %q", got)
	}
}

// TestIssuerThatIsDownIsLeftAlone: whoever comes need not wait for it each time.
func TestIssuerThatIsDownIsLeftAlone(t *testing.T) {
	t.Parallel()
	w := newWorks(t)
	var asked atomic.Int32
	w.sees = func(*http.Request) { asked.Add(1) }
	i := w.issuer(t, nil)
	w.sign(t, i, byOne)
	w.down.Store(true)
	w.later(keysLife)
	asked.Store(0)
	for range 59 {
		w.sign(t, i, byOne)
		w.sign(t, i, byTwo)
		w.later(time.Second)
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("asked %d times in a minute", n)
	}
}

// What an issuer publishes that is not believed, or more than is read.
func TestIssuerThatMakesNoSense(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		document func(*works) object
		keys     []any
		want     string
	}{
		"another's document": {func(w *works) object { return object{"issuer": "https://evil.example", "jwks_uri": w.URL + "/keys"} }, nil, `discovery: the issuer calls itself "https://evil.example"`},
		"a slash more":       {func(w *works) object { return object{"issuer": w.URL + "/", "jwks_uri": w.URL + "/keys"} }, nil, "discovery: the issuer calls itself"},
		"no keys":            {func(w *works) object { return object{"issuer": w.URL} }, nil, `discovery: "" is no https address`},
		"keys in the open":   {func(w *works) object { return object{"issuer": w.URL, "jwks_uri": "http://keys.example/"} }, nil, `discovery: "http://keys.example/" is no https address`},
		"nothing that signs": {nil, []any{object{"kty": "oct", "k": "c2VjcmV0"}, published("weak", weakKey())}, "the provider has no key that could sign"},
		"too many keys":      {nil, manyKeys(maxKeys + 1), "the provider has more than 100 keys"},
		"too long":           {nil, []any{object{"x": strings.Repeat("x", maxBody)}}, "the answer is longer than 1 MiB"},
		"private keys alone": {nil, []any{jose.JSONWebKey{Key: rsaKey(), KeyID: "one"}}, "the provider has no key that could sign"},
	} {
		w := newWorks(t)
		w.document = tt.document
		if tt.keys != nil {
			w.keys.Store(tt.keys)
		}
		if got := w.sign(t, w.issuer(t, nil), byOne); !strings.HasPrefix(got, "? ") || !strings.Contains(got, tt.want) {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

func manyKeys(n int) (all []any) {
	for range n {
		all = append(all, published("one", rsaKey()))
	}
	return all
}

// TestTokenWithoutKidIsTriedWithFewKeys: it costs us no more than it cost to send.
func TestTokenWithoutKidIsTriedWithFewKeys(t *testing.T) {
	t.Parallel()
	w := newWorks(t)
	file := keyFile(t, append(manyKeys(maxTries), published("two", otherKey()))...)
	i := w.issuer(t, func(c *IssuerConfig) { c.JWKSFile = file })
	if got := w.sign(t, i, signing{"RS256", "", otherKey()}); got != unsignedT {
		t.Errorf("by the ninth key: %q", got)
	}
	if got := w.sign(t, i, byTwo); got != "" {
		t.Errorf("by the ninth key with its kid: %q", got)
	}
}

func TestKeysOfAFile(t *testing.T) {
	t.Parallel()
	w := newWorks(t)
	w.down.Store(true)
	i := w.issuer(t, func(c *IssuerConfig) { c.JWKSFile = keyFile(t, published("one", rsaKey())) })
	if got := w.sign(t, i, byOne); got != "" {
		t.Errorf("by a key of the file: %q", got)
	}
	w.later(100 * time.Hour)
	if got := w.sign(t, i, byOne); got != "" {
		t.Errorf("by a key of an old file: %q", got)
	}
	if got := w.sign(t, i, byTwo); got != unsignedT {
		t.Errorf("by another key: %q", got)
	}
	if w.asked.Load() != 0 {
		t.Error("somebody was asked for keys")
	}
}

func TestFilesOfAnIssuer(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		cfg  IssuerConfig
		want string
	}{
		"no file":    {IssuerConfig{JWKSFile: "/nowhere"}, "jwks_file: open /nowhere"},
		"no JSON":    {IssuerConfig{JWKSFile: textFile(t, "-----BEGIN")}, "jwks_file: "},
		"no keys":    {IssuerConfig{JWKSFile: keyFile(t)}, "has no key that could sign"},
		"no CA":      {IssuerConfig{CA: textFile(t, "x")}, "ca: "},
		"CA is gone": {IssuerConfig{CA: "/nowhere"}, "ca: open /nowhere"},
	} {
		tt.cfg.Issuer = "https://issuer.example"
		if _, err := NewIssuer(tt.cfg, nil); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// An API of Kubernetes wants to see who asks; its certificate is of its own CA.
func TestTokenFileIsForTheIssuerAlone(t *testing.T) {
	t.Parallel()
	var shown sync.Map
	elsewhere := httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		shown.Store("elsewhere", r.Header.Get("Authorization"))
		answerJSON(rw, object{"keys": []any{published("one", rsaKey())}})
	}))
	t.Cleanup(elsewhere.Close)
	token := textFile(t, "let-me-in\n")
	var away atomic.Bool
	var api *httptest.Server
	api = httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		shown.Store(r.URL.Path, r.Header.Get("Authorization"))
		switch {
		case r.URL.Path == "/openid/v1/jwks":
			answerJSON(rw, object{"keys": []any{published("one", rsaKey())}})
		case r.URL.Path == "/moved":
			http.Redirect(rw, r, elsewhere.URL, http.StatusFound)
		case away.Load():
			answerJSON(rw, object{"issuer": api.URL, "jwks_uri": elsewhere.URL})
		default:
			answerJSON(rw, object{"issuer": api.URL, "jwks_uri": api.URL + "/openid/v1/jwks"})
		}
	}))
	t.Cleanup(api.Close)
	w := newWorks(t)
	ca := textFile(t, pemOf(api.TLS.Certificates[0]))
	ask := func(change func(*IssuerConfig)) string {
		shown.Clear()
		i := w.issuer(t, func(c *IssuerConfig) {
			c.Issuer, c.CA, c.TokenFile = api.URL, ca, token
			change(c)
		})
		c := w.claims()
		c["iss"] = api.URL
		_, err := i.Verify(t.Context(), byOne.jwt(t, c))
		return verdict(err)
	}
	seen := func(at string) any { v, _ := shown.Load(at); return v }

	if got := ask(func(*IssuerConfig) {}); got != "" || seen(wellKnown) != "Bearer let-me-in" || seen("/openid/v1/jwks") != "Bearer let-me-in" {
		t.Errorf("discovery: %q, shown %v and %v", got, seen(wellKnown), seen("/openid/v1/jwks"))
	}
	if got := ask(func(c *IssuerConfig) { c.JWKSURL = api.URL + "/openid/v1/jwks" }); got != "" || seen("/openid/v1/jwks") != "Bearer let-me-in" || seen(wellKnown) != nil {
		t.Errorf("jwks_url: %q, shown %v", got, seen("/openid/v1/jwks"))
	}
	away.Store(true)
	if got := ask(func(*IssuerConfig) {}); got != "" || seen("elsewhere") != "" {
		t.Errorf("keys elsewhere: %q, shown %v", got, seen("elsewhere"))
	}
	if got := ask(func(c *IssuerConfig) { c.JWKSURL = api.URL + "/moved" }); !strings.HasSuffix(got, "answers 302") || seen("elsewhere") != nil {
		t.Errorf("sent on to another host: %q, shown %v", got, seen("elsewhere"))
	}
	if got := ask(func(c *IssuerConfig) { c.TokenFile = "/nowhere" }); !strings.HasPrefix(got, "? token_file: ") {
		t.Errorf("no token: %q", got)
	}
	if got := ask(func(c *IssuerConfig) { c.CA = "" }); !strings.Contains(got, "or ca in jwt_auth") {
		t.Errorf("without its CA: %q", got)
	}
}

func pemOf(c tls.Certificate) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]}))
}
