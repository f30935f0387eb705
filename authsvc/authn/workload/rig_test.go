package workload

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/idp"
)

type object = map[string]any

const (
	gitHub   = "https://token.actions.githubusercontent.com"
	gateName = "registry.example.com"
)

var (
	noon = time.Unix(1_800_000_000, 0)
	key  = sync.OnceValue(func() *rsa.PrivateKey {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		return k
	})
)

func b64(text []byte) string { return base64.RawURLEncoding.EncodeToString(text) }

// keyFile is a file with the issuer's keys.
func keyFile(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keys.json")
	text := `{"keys":[{"kty":"RSA","use":"sig","kid":"one","e":"AQAB","n":"` + b64(key().N.Bytes()) + `"}]}`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// config has GitHub with the rules.
func config(t testing.TB, rules ...Rule) Config {
	return Config{{IssuerConfig: idp.IssuerConfig{Issuer: gitHub, Audience: []string{gateName}, JWKSFile: keyFile(t)}, Rules: rules}}
}

// jwt is a token that is good at noon, and says more.
func jwt(t testing.TB, more object) authn.Secret {
	t.Helper()
	claims := object{"iss": gitHub, "aud": gateName, "iat": noon.Unix(), "exp": noon.Add(5 * time.Minute).Unix(), "sub": "repo:acme/app:ref:refs/heads/main"}
	maps.Copy(claims, more)
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	text := b64([]byte(`{"alg":"RS256","kid":"one","typ":"JWT"}`)) + "." + b64(payload)
	sum := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(nil, key(), crypto.SHA256, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return authn.Secret(text + "." + b64(signature))
}

func open(t testing.TB, c Config, log *zap.Logger) *Users {
	t.Helper()
	u, err := New(c, func() time.Time { return noon }, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = u.Close() })
	return u
}

// nobody knows nobody.
var nobody = authn.Chain{}
