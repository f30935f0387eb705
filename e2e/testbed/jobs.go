package testbed

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"log"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// Jobs is the issuer of a CI or a cluster: it signs for each job or pod a token
// that says what it is, and has its keys where the standard says.
type Jobs struct {
	URL string

	t  testing.TB
	mu sync.Mutex // guards what is below

	id    string
	key   *rsa.PrivateKey
	down  bool
	asked int // for the keys
	job   map[string]any
}

// JobSecret opens the address at which a job asks for its token.
const JobSecret = "request-token-of-a-job"

// StartJobs starts an issuer with a certificate of ca.
func StartJobs(t testing.TB, ca *CA) *Jobs {
	t.Helper()
	Secret(JobSecret)
	addr := LocalAddr()
	j := &Jobs{URL: "https://" + addr, t: t}
	j.Rotate("1")
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		answerJSON(w, map[string]any{"issuer": j.URL, "jwks_uri": j.URL + "/.well-known/jwks", "id_token_signing_alg_values_supported": []string{"RS256"}})
	})
	mux.HandleFunc("GET /.well-known/jwks", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, j.Keys())
		j.mu.Lock()
		defer j.mu.Unlock()
		j.asked++
	})
	mux.HandleFunc("GET /token", j.request)
	cert, key := ca.Issue(t, "127.0.0.1")
	s := &http.Server{Addr: addr, Handler: j.unlessDown(mux), ErrorLog: log.New(io.Discard, "", 0)}
	go func() { _ = s.ListenAndServeTLS(cert, key) }()
	t.Cleanup(func() { _ = s.Close() })
	Await(t, func() error { return listening(addr) })
	return j
}

func (j *Jobs) unlessDown(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		j.mu.Lock()
		down := j.down
		j.mu.Unlock()
		if down {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Fail has it answer nothing of use until it is told otherwise.
func (j *Jobs) Fail(down bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.down = down
}

// Asked is how often somebody wanted its keys.
func (j *Jobs) Asked() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.asked
}

// Rotate makes another key, which is the only one from now on.
func (j *Jobs) Rotate(id string) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		j.t.Fatal(err)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.id, j.key = id, key
}

// Keys are the public ones, as they are published.
func (j *Jobs) Keys() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	text, err := json.Marshal(map[string]any{"keys": []any{map[string]any{
		"kty": "RSA", "use": "sig", "alg": "RS256", "kid": j.id, "e": "AQAB",
		"n": base64.RawURLEncoding.EncodeToString(j.key.N.Bytes()),
	}}})
	if err != nil {
		panic(err)
	}
	return string(text)
}

// Token signs these claims, and those that every token has.
func (j *Jobs) Token(claims map[string]any) string {
	j.mu.Lock()
	defer j.mu.Unlock()
	now := time.Now().Unix()
	all := map[string]any{"iss": j.URL, "iat": now, "nbf": now, "exp": now + 300, "jti": rand.Text()}
	maps.Copy(all, claims)
	part := func(v any) string {
		text, err := json.Marshal(v)
		if err != nil {
			panic(err)
		}
		return base64.RawURLEncoding.EncodeToString(text)
	}
	text := part(map[string]any{"alg": "RS256", "kid": j.id, "typ": "JWT"}) + "." + part(all)
	sum := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(nil, j.key, crypto.SHA256, sum[:])
	if err != nil {
		panic(err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// Run says which job asks for tokens from now on.
func (j *Jobs) Run(claims map[string]any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.job = claims
}

// request is how a job of GitHub's gets its token, for an audience that it
// names. The one that it gets without is for the owner.
func (j *Jobs) request(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "Bearer "+JobSecret {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	j.mu.Lock()
	claims := maps.Clone(j.job)
	j.mu.Unlock()
	claims["aud"] = r.URL.Query().Get("audience")
	if claims["aud"] == "" {
		owner, _, _ := strings.Cut(claims["repository"].(string), "/")
		claims["aud"] = "https://github.com/" + owner
	}
	answerJSON(w, map[string]any{"count": 1, "value": j.Token(claims)})
}
