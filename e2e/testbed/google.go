package testbed

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// googleHosts are those that gates and browsers speak to.
var googleHosts = []string{"accounts.google.com", "oauth2.googleapis.com", "www.googleapis.com", "openidconnect.googleapis.com"}

// A Google is a Provider under Google's own names. Gates reach it by Proxy,
// which is the only way to the internet that there is.
type Google struct {
	*Provider
	Proxy string // http://127.0.0.1:PORT

	addr string
	key  *ecdsa.PrivateKey
}

// StartGoogle starts a Google, with a web client for gates.
func StartGoogle(t testing.TB, ca *CA) *Google {
	t.Helper()
	g := &Google{Provider: newProvider(t, "openid email"), key: newKey(t)}
	g.sign, g.keeps = g.idToken, true
	// Everybody has agreed before, so a refresh token takes their doing so again.
	g.gives = func(asked url.Values) bool { return asked.Get("prompt") == "consent" }
	mux := http.NewServeMux()
	mux.HandleFunc("GET accounts.google.com/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		answerJSON(w, map[string]any{
			"issuer": "https://accounts.google.com", "authorization_endpoint": "https://accounts.google.com/o/oauth2/v2/auth",
			"token_endpoint": "https://oauth2.googleapis.com/token", "jwks_uri": "https://www.googleapis.com/oauth2/v3/certs",
			"userinfo_endpoint":                     "https://openidconnect.googleapis.com/v1/userinfo",
			"token_endpoint_auth_methods_supported": []string{"client_secret_post", "client_secret_basic"},
		})
	})
	mux.HandleFunc("GET accounts.google.com/o/oauth2/v2/auth", func(w http.ResponseWriter, r *http.Request) {
		g.want(r.URL.Query().Get("access_type") == "offline", "%s", r.URL)
		g.authorize(w, r)
	})
	mux.HandleFunc("POST oauth2.googleapis.com/token", g.token)
	mux.HandleFunc("GET www.googleapis.com/oauth2/v3/certs", g.certs)
	mux.HandleFunc("GET openidconnect.googleapis.com/v1/userinfo", g.api(func(h Human, _ *http.Request) any { return about(h) }))
	g.serve(ca, mux, googleHosts...)
	g.addr = strings.TrimPrefix(g.URL, "https://")
	g.startProxy()
	return g
}

func (g *Google) certs(w http.ResponseWriter, _ *http.Request) {
	point, _ := g.key.PublicKey.Bytes() // 4, x, y
	part := func(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
	answerJSON(w, map[string]any{"keys": []any{map[string]any{
		"kty": "EC", "crv": "P-256", "use": "sig", "kid": "1", "x": part(point[1:33]), "y": part(point[33:]),
	}}})
}

// about is what Google says of somebody.
func about(h Human) map[string]any {
	claims := map[string]any{"sub": "subject-" + h.Name, "email": h.Email, "email_verified": true}
	if _, domain, ok := strings.Cut(h.Email, "@"); ok && !h.Private {
		claims["hd"] = strings.ToLower(domain)
	}
	return claims
}

func (g *Google) idToken(nonce string) string {
	claims, now := about(g.human), time.Now()
	claims["iss"], claims["aud"], claims["azp"] = "https://accounts.google.com", ProviderClient, ProviderClient
	claims["iat"], claims["exp"] = now.Unix(), now.Add(time.Hour).Unix()
	if nonce != "" {
		claims["nonce"] = nonce
	}
	part := func(v any) string {
		text, _ := json.Marshal(v)
		return base64.RawURLEncoding.EncodeToString(text)
	}
	text := part(map[string]string{"alg": "ES256", "kid": "1", "typ": "JWT"}) + "." + part(claims)
	sum := sha256.Sum256([]byte(text))
	r, s, err := ecdsa.Sign(rand.Reader, g.key, sum[:])
	if err != nil {
		g.t.Error(err)
		return ""
	}
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return text + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// Dial connects to whatever has one of Google's names, and to others as usual.
func (g *Google) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if strings.HasSuffix(addr, ".google.com:443") || strings.HasSuffix(addr, ".googleapis.com:443") {
		addr = g.addr
	}
	return new(net.Dialer).DialContext(ctx, network, addr)
}

// startProxy starts an HTTP proxy that knows the way to Google alone.
func (g *Google) startProxy() {
	addr := LocalAddr()
	s := &http.Server{Addr: addr, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.want(r.Method == http.MethodConnect && strings.Contains(r.Host, ".google"), "%s %s, by the proxy", r.Method, r.Host)
		there, err := g.Dial(r.Context(), "tcp", r.Host)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer there.Close()
		here, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer here.Close()
		_, _ = io.WriteString(here, "HTTP/1.1 200 OK\r\n\r\n")
		go func() { _, _ = io.Copy(there, here); there.Close() }()
		_, _ = io.Copy(here, there)
	})}
	go func() { _ = s.ListenAndServe() }()
	g.t.Cleanup(func() { _ = s.Close() })
	g.Proxy = "http://" + addr
	Await(g.t, func() error { return listening(addr) })
}
