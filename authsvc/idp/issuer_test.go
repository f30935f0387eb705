package idp

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

const (
	damaged   = "it is damaged"
	unsignedT = "none of the issuer's keys has signed it"
)

// What becomes of the claims of a token that the issuer has signed.
var claimTests = []struct {
	name   string
	change func(c object, now int64)
	want   string
}{
	{"good", func(c object, _ int64) {}, ""},
	{"for several", func(c object, _ int64) { c["aud"] = []any{"x", 7, gateName} }, ""},
	{"for our other name", func(c object, _ int64) { c["aud"] = "other.example.com" }, ""},
	{"for somebody else", func(c object, _ int64) { c["aud"] = "https://github.com/acme" }, `its audience is ["https://github.com/acme"]`},
	{"for a longer name", func(c object, _ int64) { c["aud"] = gateName + "/" }, "its audience is"},
	{"for another spelling", func(c object, _ int64) { c["aud"] = strings.ToUpper(gateName) }, "its audience is"},
	{"for nobody", func(c object, _ int64) { delete(c, "aud") }, "its audience is []"},
	{"for an object", func(c object, _ int64) { c["aud"] = object{gateName: true} }, "its audience is []"},
	{"for a list of lists", func(c object, _ int64) { c["aud"] = []any{[]any{gateName}} }, "its audience is []"},

	{"slash at the end of iss", func(c object, _ int64) { c["iss"] = c["iss"].(string) + "/" }, "it is another issuer's"},
	{"iss is a list", func(c object, _ int64) { c["iss"] = []any{c["iss"]} }, "it is another issuer's"},
	{"no iss", func(c object, _ int64) { delete(c, "iss") }, "it is another issuer's"},

	{"ends just now", func(c object, now int64) { c["exp"] = now - 59 }, ""},
	{"has ended", func(c object, now int64) { c["exp"] = now - 60 }, "it has expired"},
	{"ends with a fraction", func(c object, now int64) { c["exp"] = float64(now) + 0.5 }, ""},
	{"exp with an exponent", func(c object, _ int64) { c["exp"] = json.Number("1.8e9") }, ""},
	{"exp beyond all times", func(c object, _ int64) { c["exp"] = json.Number("1e300") }, "it has no exp"},
	{"exp beyond floats", func(c object, _ int64) { c["exp"] = json.Number("1e999") }, "it has no exp"},
	{"exp is text", func(c object, now int64) { c["exp"] = fmt.Sprint(now + 60) }, "it has no exp"},
	{"exp is negative", func(c object, _ int64) { c["exp"] = -1 }, "it has no exp"},
	{"no exp", func(c object, _ int64) { delete(c, "exp") }, "it has no exp"},
	{"exp is null", func(c object, _ int64) { c["exp"] = nil }, "it has no exp"},

	{"from just now", func(c object, now int64) { c["iat"], c["nbf"] = now+60, now+60 }, ""},
	{"from the future", func(c object, now int64) { c["iat"] = now + 61 }, "it is from the future"},
	{"not yet", func(c object, now int64) { c["nbf"] = now + 61 }, "it is not good yet"},
	{"no nbf", func(c object, _ int64) { delete(c, "nbf") }, ""},
	{"nbf is text", func(c object, _ int64) { c["nbf"] = "0" }, "its nbf is no time"},
	{"no iat", func(c object, _ int64) { delete(c, "iat") }, "it has no iat"},
	{"old", func(c object, now int64) { c["iat"], c["nbf"] = now-86400-60, 0 }, ""},
	{"too old", func(c object, now int64) { c["iat"], c["nbf"], c["exp"] = now-86400-61, 0, now+86400 }, "it is older than 24h0m0s"},
}

func TestClaimsOfAToken(t *testing.T) {
	t.Parallel()
	w := newWorks(t)
	i := w.issuer(t, nil)
	for _, tt := range claimTests {
		_, err := i.Verify(t.Context(), w.token(t, func(c object) { tt.change(c, w.now().Unix()) }))
		if got := verdict(err); tt.want == "" && got != "" || !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestSignatureOfAToken(t *testing.T) {
	t.Parallel()
	w := newWorks(t)
	i := w.issuer(t, nil)
	public := x509.MarshalPKCS1PublicKey(&rsaKey().PublicKey)
	asPEM := pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: public})
	good := w.token(t, nil)
	payload := strings.Split(good, ".")[1]
	plain, _ := base64.RawURLEncoding.DecodeString(payload)
	for name, tt := range map[string]struct{ jwt, want string }{
		"RSA":                         {good, ""},
		"ECDSA":                       {signing{"ES256", "ec", ecKey()}.jwt(t, w.claims()), ""},
		"Ed25519":                     {signing{"EdDSA", "ed", edKey()}.jwt(t, w.claims()), ""},
		"no kid":                      {signing{"RS256", "", rsaKey()}.jwt(t, w.claims()), ""},
		"another key":                 {signing{"RS256", "one", otherKey()}.jwt(t, w.claims()), unsignedT},
		"another key without a kid":   {signing{"RS256", "", otherKey()}.jwt(t, w.claims()), unsignedT},
		"another key of the issuer's": {signing{"RS256", "ec", rsaKey()}.jwt(t, w.claims()), unsignedT},
		"unknown kid":                 {signing{"RS256", "two", rsaKey()}.jwt(t, w.claims()), unsignedT},
		"algorithm not in the list":   {signing{"PS256", "one", rsaKey()}.jwt(t, w.claims()), damaged},
		"none":                        {signing{"none", "one", nil}.jwt(t, w.claims()), damaged},
		"none, in capitals":           {signing{"NONE", "", nil}.jwt(t, w.claims()), damaged},
		"HS256 with the public key":   {signing{"HS256", "one", public}.jwt(t, w.claims()), damaged},
		"HS256 with its PEM":          {signing{"HS256", "one", asPEM}.jwt(t, w.claims()), damaged},
		"other claims":                {strings.Replace(good, "."+payload+".", "."+payload[:len(payload)-4]+"AAAA.", 1), unsignedT},
		"no signature":                {good[:strings.LastIndexByte(good, '.')+1], unsignedT},
		"a letter more":               {good + "A", unsignedT},
		"four parts":                  {good + ".x", damaged},
		"padded":                      {good + "==", damaged},
		"crit":                        {spelled(t, byOne, `{"alg":"RS256","kid":"one","crit":["exp"],"exp":1}`, string(plain)), "its header has crit"},
		"b64":                         {spelled(t, byOne, `{"alg":"RS256","kid":"one","b64":true}`, string(plain)), "its header has b64"},
		"own key":                     {spelled(t, signing{"RS256", "", otherKey()}, ownKey(t), string(plain)), unsignedT},
		"two algorithms":              {spelled(t, byOne, `{"alg":"none","alg":"RS256","kid":"one"}`, string(plain)), damaged},
		"two issuers":                 {spelled(t, byOne, `{"alg":"RS256"}`, `{"iss":"https://evil.example",`+string(plain)[1:]), "its claims cannot be read"},
		"two subs within":             {spelled(t, byOne, `{"alg":"RS256"}`, `{"a":{"b":1,"b":2},`+string(plain)[1:]), "its claims cannot be read"},
		"ISS is not iss":              {spelled(t, byOne, `{"alg":"RS256"}`, strings.Replace(string(plain), `"iss"`, `"ISS"`, 1)), "it is another issuer's"},
		"a list":                      {spelled(t, byOne, `{"alg":"RS256"}`, `[`+string(plain)+`]`), "its claims cannot be read"},
		"something more":              {spelled(t, byOne, `{"alg":"RS256"}`, string(plain)+`{}`), "its claims cannot be read"},
		"null":                        {spelled(t, byOne, `{"alg":"RS256"}`, `null`), "its claims cannot be read"},
		"no UTF-8":                    {spelled(t, byOne, `{"alg":"RS256"}`, `{"x":"`+"\xff"+`",`+string(plain)[1:]), "its claims cannot be read"},
		"deep":                        {spelled(t, byOne, `{"alg":"RS256"}`, `{"x":`+strings.Repeat("[", 6000)+strings.Repeat("]", 6000)+`,`+string(plain)[1:]), ""},
		"deep and open":               {spelled(t, byOne, `{"alg":"RS256"}`, strings.Repeat(`{"x":`, 3000)), "its claims cannot be read"},
	} {
		_, err := i.Verify(t.Context(), tt.jwt)
		if got := verdict(err); tt.want == "" && got != "" || !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
	if n := w.asked.Load(); n != 1 {
		t.Errorf("the issuer was asked %d times within a minute", n)
	}
}

// ownKey is a header with the key that has signed.
func ownKey(t *testing.T) string {
	key, err := jose.JSONWebKey{Key: &otherKey().PublicKey}.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return `{"alg":"RS256","jwk":` + string(key) + `,"jku":"https://evil.example/keys"}`
}

func TestClaimsAreFlat(t *testing.T) {
	t.Parallel()
	w := newWorks(t)
	got, err := w.issuer(t, nil).Verify(t.Context(), w.token(t, func(c object) {
		c["id"], c["big"], c["yes"], c["no"], c["null"] = 7, json.Number("12345678901234567890"), true, false, nil
		c["list"], c["in"] = []any{"a", nil, 1}, object{"a": object{"b": "c", "d": nil}}
	}))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"iss", "aud", "sub", "iat", "nbf", "exp"} {
		delete(got, name)
	}
	want := Claims{"id": "7", "big": "12345678901234567890", "yes": "true", "no": "false", "list": []any{"a", "1"}, "in": Claims{"a": Claims{"b": "c"}}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the claims are %#v", got)
	}
}

// Which keys are never used, although the issuer publishes them.
func TestUnfitKeys(t *testing.T) {
	t.Parallel()
	w := newWorks(t)
	as := func(use, alg string) any {
		return jose.JSONWebKey{Key: &rsaKey().PublicKey, KeyID: "one", Use: use, Algorithm: alg}
	}
	for name, tt := range map[string]struct {
		key  any
		by   signing
		want string
	}{
		"for signatures":        {as("sig", "RS256"), byOne, ""},
		"says little":           {as("", ""), byOne, ""},
		"for encryption":        {as("enc", ""), byOne, unsignedT},
		"for another algorithm": {as("sig", "RS512"), byOne, unsignedT},
		"RSA with 1024 bits":    {jose.JSONWebKey{Key: &weakKey().PublicKey, KeyID: "one"}, signing{"RS256", "one", weakKey()}, unsignedT},
		"ECDSA for RSA":         {jose.JSONWebKey{Key: &ecKey().PublicKey, KeyID: "one"}, byOne, unsignedT},
	} {
		file := keyFile(t, tt.key, published("ed", edKey()))
		_, err := w.issuer(t, func(c *IssuerConfig) { c.JWKSFile = file }).Verify(t.Context(), tt.by.jwt(t, w.claims()))
		if got := verdict(err); got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

func TestIsJWT(t *testing.T) {
	for text, want := range map[string]bool{
		"eyJhbGciOiJub25lIn0.e30.":             true,
		"eyJhbGciOiJub25lIn0.e30.x":            true,
		"eyJ.%%%.x":                            true, // damaged
		"eyJ..":                                true,
		"eyJhbGciOiJkaXIifQ..a.b.c":            true, // encrypted
		"IHsiYWxnIjoiUlMyNTYifQ.e30.x":         true, // a space before the {
		"ewoiYWxnIjoiUlMyNTYifQ.e30.x":         true,
		"hunter2":                              false,
		"my.pass.word":                         false,
		"e30":                                  false,
		"e30.e30":                              true,
		"eyJ":                                  false,
		"eyJmyPassword":                        false,
		"eyJhbGciOiJub25lIn0.e30":              true, // cut
		"eyJhbGciOiJSUzI1NiIsImtpZCI6IjEiLCJ0": true,
		"eyJhbGciOiJub25lIn0.e30.x.y":          true,
		"bnVsbA.e30.x":                         false, // null
		"1.2.3":                                false,
		"":                                     false,
		"..":                                   false,
		"e30.e30.e30":                          true,
		"eyJhbGciOiJub25lIn0.e30.x.and-so-on.": true,
	} {
		if got := IsJWT(text); got != want {
			t.Errorf("IsJWT(%q) = %v", text, got)
		}
	}
}

func TestIssuerOf(t *testing.T) {
	w := newWorks(t)
	part := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	for jwt, want := range map[string]string{
		w.token(t, nil):                            w.URL,
		"x." + part(`{"iss":"a"}`) + ".":           "a",
		"x." + part(`{"iss":"a","iss":"b"}`) + ".": "",
		"x." + part(`{"Iss":"a"}`) + ".":           "",
		"x." + part(`{"iss":["a"]}`) + ".":         "",
		"x." + part(`{"iss":"a"}`) + ".x.y.z":      "",
		"x.y.z":                                    "",
		"":                                         "",
	} {
		if got := IssuerOf(jwt); got != want {
			t.Errorf("IssuerOf(%q) = %q, want %q", jwt, got, want)
		}
	}
}

// FuzzVerify: nothing that the issuer did not sign is good, whatever it is.
func FuzzVerify(f *testing.F) {
	part := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Add(part(`{"alg":"RS256","kid":"one","jwk":{"kty":"RSA"}}`) + "." + part(`{"iss":"https://issuer.example","aud":["registry.example.com"],"exp":1e99}`) + ".AA")
	f.Add(part(`{"alg":"ES256","crit":["b64"],"b64":false}`) + ".e30.AA")
	path := keyFile(f, published("one", rsaKey()), published("ec", ecKey()))
	i, err := NewIssuer(IssuerConfig{Issuer: "https://issuer.example", Audience: []string{gateName}, JWKSFile: path}, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, jwt string) {
		IsJWT(jwt)
		IssuerOf(jwt)
		_, err := i.Verify(t.Context(), jwt)
		if got := verdict(err); got == "" || got[0] == '?' {
			t.Errorf("Verify(%q) = %q", jwt, got)
		}
	})
}

// BenchmarkIssuerKnownLogin is what a token costs whose issuer's keys are known.
func BenchmarkIssuerKnownLogin(b *testing.B) {
	for _, s := range []signing{byOne, {"ES256", "ec", ecKey()}} {
		b.Run(s.alg, func(b *testing.B) {
			w := newWorks(b)
			i := w.issuer(b, nil)
			jwt := s.jwt(b, w.claims())
			b.ReportAllocs()
			for b.Loop() {
				if _, err := i.Verify(b.Context(), jwt); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
