package authsvc

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/authn/workload"
	"github.com/regate/regate/authsvc/idp"
	"github.com/regate/regate/internal/oci"
)

const ciIssuer = "https://ci.example.com"

// A ci issues tokens to its jobs.
type ci struct {
	t   testing.TB
	key *rsa.PrivateKey
}

// newCI makes a rig that lets the jobs of a CI in, as dev.
func newCI(t testing.TB, more ...authn.Authenticator) (*rig, *ci) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	c := &ci{t, key}
	file := filepath.Join(t.TempDir(), "keys.json")
	text := fmt.Sprintf(`{"keys":[{"kty":"RSA","kid":"1","e":"AQAB","n":%q}]}`, base64.RawURLEncoding.EncodeToString(key.N.Bytes()))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	users, err := workload.New(workload.Config{{
		IssuerConfig: idp.IssuerConfig{Issuer: ciIssuer, Audience: []string{"gate"}, JWKSFile: file},
		Rules:        []workload.Rule{{Claims: map[string]workload.Pattern{"sub": "job"}, Account: "dev", Labels: map[string][]string{"team": {"${team}"}}}},
	}}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, more...)
	r.service.users = users.Before(r.login)
	return r, c
}

func (c *ci) token(more map[string]any) string {
	c.t.Helper()
	claims := map[string]any{"iss": ciIssuer, "aud": "gate", "sub": "job", "team": "web", "iat": time.Now().Unix(), "exp": time.Now().Unix() + 60}
	for name, v := range more {
		claims[name] = v
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		c.t.Fatal(err)
	}
	enc := base64.RawURLEncoding
	text := enc.EncodeToString([]byte(`{"alg":"RS256","kid":"1"}`)) + "." + enc.EncodeToString(payload)
	sum := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(nil, c.key, crypto.SHA256, sum[:])
	if err != nil {
		c.t.Fatal(err)
	}
	return text + "." + enc.EncodeToString(signature)
}

// TestTokenOfACIIsAPassword, whatever the user name, in each form of a request.
func TestTokenOfACIIsAPassword(t *testing.T) {
	r, c := newCI(t)
	jwt := c.token(nil)
	const wants = "scope=repository:web/app:pull,push&scope=repository:ops/app:pull"
	for name, s := range map[string]shown{
		"GET":           {method: "GET", query: wants, basic: "anything:" + jwt},
		"docker login":  {method: "GET", query: wants + "&account=token&offline_token=true&client_id=docker", basic: "token:" + jwt},
		"POST":          {method: "POST", body: wants + "&grant_type=password&access_type=offline&username=x&password=" + url.QueryEscape(jwt)},
		"old POST":      {method: "POST", body: wants, basic: "x:" + jwt},
		"a user's name": {method: "GET", query: wants, basic: "admin:" + jwt},
		"a long one":    {method: "GET", query: wants, basic: "x:" + c.token(map[string]any{"groups": strings.Repeat("x", 9000)})},
	} {
		w, body := r.ask(t, s)
		if w.Code != 200 || body["refresh_token"] != nil {
			t.Errorf("%s: %d %v", name, w.Code, body)
			continue
		}
		grant, err := r.door.Authorize(t.Context(), oci.Shown{Authorization: oci.NewSecret("Bearer " + body["token"].(string))}, nil)
		if err != nil || grant.Subject != "dev" || grant.Scope.String() != "repository:web/app:pull,push" {
			t.Errorf("%s: %+v, %v", name, grant, err)
		}
	}
	if n := r.asked.Load(); n != 0 {
		t.Errorf("the chain was asked %d times", n)
	}
}

func TestTokenOfACIAtTheDoor(t *testing.T) {
	r, c := newCI(t)
	needs := []oci.Access{{Type: "repository", Name: "web/app", Actions: oci.Push}}
	basic := func(jwt string) oci.Shown {
		return oci.Shown{Authorization: oci.NewSecret("Basic " + base64.StdEncoding.EncodeToString([]byte("x:"+jwt)))}
	}
	if grant, err := r.door.Authorize(t.Context(), basic(c.token(nil)), needs); err != nil || grant.Subject != "dev" {
		t.Errorf("Authorize() = %+v, %v", grant, err)
	}
	if _, err := r.door.Authorize(t.Context(), basic(c.token(map[string]any{"sub": "other"})), needs); err == nil || !strings.Contains(err.Error(), "no rule of jwt_auth is for it") {
		t.Errorf("Authorize() = %v", err)
	}
}

// TestForeignTokensReachNobody: whatever looks like a token is 401 at once. No
// back end sees it, and no log.
func TestForeignTokensReachNobody(t *testing.T) {
	seen := authn.Func(func(_ context.Context, c authn.Credentials) (authn.Identity, error) {
		t.Errorf("a back end was asked about %s with %s", c.Account, c.Password.Reveal())
		return authn.Identity{}, authn.ErrUnknownUser
	})
	r, c := newCI(t, seen)
	_, stranger := newCI(t)
	good := c.token(nil)
	parts := strings.Split(good, ".")
	for name, tt := range map[string]struct{ jwt, want string }{
		"a stranger's":         {stranger.token(map[string]any{"iss": "https://evil.example"}), badLogin},
		"a stranger's as ours": {stranger.token(nil), "the token of the issuer is not good here: none of the issuer's keys has signed it"},
		"expired":              {c.token(map[string]any{"exp": time.Now().Unix() - 120}), "the token of the issuer is not good here: it has expired"},
		"for others":           {c.token(map[string]any{"aud": "https://github.com/acme"}), `the token of the issuer is not good here: its audience is ["https://github.com/acme"], and must be ["gate"]`},
		"of another job":       {c.token(map[string]any{"sub": "other"}), `the token is not good here: no rule of jwt_auth is for it; its sub is "other"`},
		"a slash more":         {c.token(map[string]any{"iss": ciIssuer + "/"}), badLogin},
		"without a signature":  {parts[0] + "." + parts[1] + ".", "the token of the issuer is not good here: none of the issuer's keys has signed it"},
		"cut":                  {parts[0] + "." + parts[1][:20] + ".", badLogin},
		"two parts":            {parts[0] + ".." + parts[2], badLogin},
		"alg none":             {"eyJhbGciOiJub25lIn0." + parts[1] + ".", "the token of the issuer is not good here: it is damaged, or signed by another algorithm than [RS256 ES256]"},
		"encrypted":            {"eyJhbGciOiJkaXIifQ..x.y.z", badLogin},
		"with a space":         {"IHsiYWxnIjoiUlMyNTYifQ.e30.x", badLogin},
		"huge":                 {c.token(map[string]any{"groups": strings.Repeat("x", 13<<10)}), badLogin},
		"a damaged rgt_":       {"rgt_damaged", badToken},
		"pasted after a space": {" " + good, badLogin},
		"in quotes":            {`"` + good + `"`, badLogin},
		"a rgt_ after a line":  {"\r\nrgt_damaged", badLogin},
		"a rgt_ after a BOM":   {"\ufeffrgt_damaged", badLogin},
		"after a NUL":          {"\x00" + good, badLogin},
		"as a header":          {"Bearer " + good, badLogin},
	} {
		for _, user := range []string{"dev", "nobody"} {
			w, body := r.ask(t, shown{method: "GET", query: "scope=repository:web/app:pull", basic: user + ":" + tt.jwt})
			if w.Code != http.StatusUnauthorized || body["details"] != tt.want {
				t.Errorf("%s: %d %v, want %q", name, w.Code, body, tt.want)
			}
		}
		for _, line := range r.logs.TakeAll() {
			text := fmt.Sprint(line.Message, line.ContextMap())
			for _, part := range strings.Split(tt.jwt, ".") {
				if len(part) > 12 && strings.Contains(text, part) {
					t.Errorf("%s: the log has a part of the token: %s", name, text)
				}
			}
		}
	}
	if n := r.asked.Load(); n != 0 {
		t.Errorf("the chain was asked %d times", n)
	}
}

// TestTokenIsNoName: whoever writes the token where the name belongs is not to
// find it in the log.
func TestTokenIsNoName(t *testing.T) {
	r, c := newCI(t)
	jwt := c.token(nil)
	if w, body := r.ask(t, shown{method: "GET", basic: jwt + ":x"}); w.Code != 401 || body["details"] != badLogin {
		t.Errorf("%d %v", w.Code, body)
	}
	for _, line := range r.logs.TakeAll() {
		if text := fmt.Sprint(line.Message, line.ContextMap()); strings.Contains(text, jwt[:30]) {
			t.Errorf("the log has the token: %s", text)
		}
	}
}
