package token

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/regate/regate/internal/oci"
)

// refused fails the test unless text is refused as invalid_token, for a reason
// with want in it: a token that is refused for something else tests nothing.
func refused(t *testing.T, v *Verifier, text, want string) {
	t.Helper()
	g, err := v.Verify(text)
	if err == nil {
		t.Fatalf("Verify takes it: %v", g)
	}
	var r *oci.Refusal
	if !errors.As(err, &r) || r.Reason != oci.InvalidToken {
		t.Errorf("Verify = %#v, want a refusal with %q", err, oci.InvalidToken)
	}
	if !strings.Contains(err.Error(), want) {
		t.Errorf("Verify = %v, want an error with %q", err, want)
	}
	if g.Subject != "" || g.Scope != nil || g.Bearer.Reveal() != "" {
		t.Errorf("a grant came with the refusal: %v", g)
	}
}

// spoiled are changes of a good token's header or claims, signed with the
// right key: what only a stolen key, or a mistake of ours, could make.
var spoiled = []struct {
	name, old, new string
	want           string // in the error; "" is success
}{
	{"as it should be", "", "", ""},
	{"a claim from a newer gate", `"jti"`, `"rgl":{"team":["a"]},"jti"`, ""},

	{"alg none", `"alg":"ES256"`, `"alg":"none"`, "alg"},
	{"alg in lower case", `"alg":"ES256"`, `"alg":"es256"`, "alg"},
	{"alg RS256", `"alg":"ES256"`, `"alg":"RS256"`, "alg"},
	{"alg ES384", `"alg":"ES256"`, `"alg":"ES384"`, "alg"},
	{"alg missing", `"alg":"ES256",`, ``, "alg"},
	{"alg null", `"alg":"ES256"`, `"alg":null`, "alg"},
	{"alg a list", `"alg":"ES256"`, `"alg":["ES256"]`, "alg"},
	{"alg twice", `"alg":"ES256"`, `"alg":"ES256","alg":"none"`, "comes twice"},
	{"alg twice, escaped", `"alg":"ES256"`, `"\u0061lg":"none","alg":"ES256"`, "comes twice"},
	{"alg in capitals besides", `"alg":"ES256"`, `"alg":"ES256","ALG":"none"`, "none of"},
	{"typ missing", `"typ":"JWT",`, ``, "typ"},
	{"typ of something else", `"typ":"JWT"`, `"typ":"at+jwt"`, "typ"},
	{"crit", `"typ":"JWT"`, `"typ":"JWT","crit":["exp"]`, "none of"},
	{"jwk", `"typ":"JWT"`, `"typ":"JWT","jwk":{"kty":"EC"}`, "none of"},
	{"jku", `"typ":"JWT"`, `"typ":"JWT","jku":"https://evil.example.com"`, "none of"},
	{"x5u", `"typ":"JWT"`, `"typ":"JWT","x5u":"https://evil.example.com"`, "none of"},
	{"b64", `"typ":"JWT"`, `"typ":"JWT","b64":false`, "none of"},
	{"zip", `"typ":"JWT"`, `"typ":"JWT","zip":"DEF"`, "none of"},
	{"kid of another key", `"kid":"`, `"kid":"x`, "kid"},
	{"kid missing", `"kid"`, `"kid2"`, "none of"},
	{"kid a number", `"kid":"`, `"kid":1,"x":"`, "none of"},
	{"x5c missing", `"x5c"`, `"x5t"`, "none of"},
	{"x5c empty", `"x5c":[`, `"x5c":[],"y":[`, "none of"},
	{"x5c an empty text", `"x5c":["`, `"x5c":["","`, "x5c"},
	{"x5c with a number", `"x5c":[`, `"x5c":[1,`, "x5c"},
	{"x5c with another certificate after the leaf", `"]}`, `","MIIB"]}`, "x5c"},
	{"x5c with a line break", `"x5c":["`, `"x5c":["\n`, "base64"},
	{"x5c in URL encoding", `"x5c":["MII`, `"x5c":["_II`, "base64"},
	{"header with an array around it", `{"typ"`, `[{"typ"`, "not a JSON object"},
	{"header with more behind it", `"]}`, `"]}{}`, "more than one"},
	{"header cut off", `"]}`, `"]`, "header"},

	{"another issuer", `"iss":"regate"`, `"iss":"docker_auth"`, "issuer"},
	{"issuer in capitals", `"iss":"regate"`, `"iss":"Regate"`, "issuer"},
	{"issuer with a space", `"iss":"regate"`, `"iss":"regate "`, "issuer"},
	{"issuer that looks alike", `"iss":"regate"`, `"iss":"regаte"`, "issuer"}, // Cyrillic
	{"no issuer", `"iss":"regate",`, ``, "iss"},
	{"another audience", `"aud":"registry"`, `"aud":"other"`, "audience"},
	{"audience a list", `"aud":"registry"`, `"aud":["registry"]`, "aud is not a string"},
	{"audience null", `"aud":"registry"`, `"aud":null`, "aud is not a string"},
	{"audience twice", `"aud":"registry"`, `"aud":"registry","aud":"registry"`, "comes twice"},
	{"no audience", `"aud":"registry",`, ``, "aud"},
	{"subject a number", `"sub":"alice"`, `"sub":1`, "sub"},
	{"subject an object", `"sub":"alice"`, `"sub":{"a":1}`, "sub"},
	{"subject twice", `"sub":"alice"`, `"sub":"alice","sub":"admin"`, "comes twice"},
	{"no subject", `"sub":"alice",`, ``, "sub"},
	{"subject that is not UTF-8", `"sub":"alice"`, "\"sub\":\"\xff\"", "UTF-8"},
	{"no id", `"jti":"J1",`, ``, "jti"},
	{"exp a string", `"exp":`, `"exp":"9999999999","x":`, "exp"},
	{"exp with a fraction", `"exp":`, `"exp":9999999999.0,"x":`, "exp"},
	{"exp with an exponent", `"exp":`, `"exp":1e10,"x":`, "exp"},
	{"exp negative", `"exp":`, `"exp":-1,"x":`, "exp"},
	{"exp beyond all time", `"exp":`, `"exp":99999999999999999999,"x":`, "exp"},
	{"exp null", `"exp":`, `"exp":null,"x":`, "exp"},
	{"no exp", `"exp":`, `"x":`, "exp"},
	{"exp twice", `"exp":`, `"exp":9999999999,"exp":`, "comes twice"},
	{"exp in ten years", `"exp":`, `"exp":2100000000,"x":`, "life"},
	{"exp before iat", `"exp":`, `"exp":1000000000,"x":`, "life"},
	{"no nbf", `"nbf":`, `"x":`, "nbf"},
	{"nbf with a fraction", `"nbf":`, `"nbf":1.5,"x":`, "nbf"},
	{"nbf in the future", `"nbf":`, `"nbf":9999999999,"x":`, "not valid yet"},
	{"no iat", `"iat":`, `"x":`, "iat"},
	{"iat long ago", `"iat":`, `"iat":0,"x":`, "life"},
	{"no access", `"access":`, `"x":`, "access"},
	{"access null", `"access":`, `"access":null,"x":`, "access"},
	{"access an object", `"access":[`, `"access":{},"x":[`, "access"},
	{"access a list of text", `"access":[`, `"access":["repository:team/app:pull"],"x":[`, "access[0]"},
	{"access to a pattern", `"name":"team/app"`, `"name":"team/*"`, "there is no repository"},
	{"access to a path", `"name":"team/app"`, `"name":"team/../app"`, "there is no repository"},
	{"access to no name", `"name":"team/app"`, `"name":""`, "there is no repository"},
	{"access to an unknown type", `"type":"repository"`, `"type":"repository(plugin)"`, "there is no"},
	{"access with a class", `"type":"repository"`, `"type":"repository","class":"plugin"`, "none of"},
	{"access with two names", `"name":"team/app"`, `"name":"team/app","name":"admin/app"`, "comes twice"},
	{"access with a name in capitals", `"name":"team/app"`, `"name":"team/app","Name":"admin/app"`, "none of"},
	{"access with actions as text", `["pull","push"]`, `"pull"`, "access[0]"},
	{"family a number", `"jti"`, `"rgf":1,"jti"`, "rgf"},
	{"family null", `"jti"`, `"rgf":null,"jti"`, "rgf"},
	{"family twice", `"jti"`, `"rgf":"a","rgf":"b","jti"`, "comes twice"},
	{"claims with more behind them", `"push"]}]}`, `"push"]}]}{}`, "more than one"},
	{"claims twice as deep", `"jti"`, `"rgl":` + strings.Repeat("[", 20000) + `,"jti"`, "too long"},
}

func TestSpoiledTokens(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	key := b.parts.Keys.Signer().Key
	expired := *b // an hour later
	expired.clock = &clock{now: b.clock.Now().Add(time.Hour)}
	expired.parts.Now = expired.clock.Now
	expired.verifier = NewVerifier(Config{}, expired.parts)
	for _, tt := range spoiled {
		t.Run(tt.name, func(t *testing.T) {
			header, claims := b.header(), b.claims()
			switch {
			case tt.old == "":
			case strings.Contains(header, tt.old):
				header = strings.Replace(header, tt.old, tt.new, 1)
			case strings.Contains(claims, tt.old):
				claims = strings.Replace(claims, tt.old, tt.new, 1)
			default:
				t.Fatalf("there is no %s to spoil", tt.old)
			}
			text := forge(t, key, header, claims)
			_, late := expired.verifier.VerifyLate(text, maxGrace)
			if tt.want != "" {
				refused(t, b.verifier, text, tt.want)
			} else if _, err := b.verifier.Verify(text); err != nil {
				t.Errorf("Verify = %v", err)
			}
			if (late == nil) != (tt.want == "") {
				t.Errorf("after its end, with grace: VerifyLate = %v", late)
			}
		})
	}
}

// TestForgedTokens are what an attacker can make without any key of ours.
func TestForgedTokens(t *testing.T) {
	t.Parallel()
	b, other := newBench(t), newBench(t)
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	good := b.issue(t, Claims{Subject: "alice"}).Text
	header, rest, _ := strings.Cut(good, ".")
	payload, sig, _ := strings.Cut(rest, ".")
	signer := b.parts.Keys.Signer()
	leafPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signer.Chain[0]})
	hs256 := strings.Replace(b.header(), "ES256", "HS256", 1)
	pub, err := x509.MarshalPKIXPublicKey(&signer.Key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	admin := enc(strings.Replace(b.claims(), "alice", "admin", 1))

	tests := []struct{ name, text, want string }{
		{"nothing", "", "three parts"},
		{"a word", "admin", "three parts"},
		{"two parts", header + "." + payload, "three parts"},
		{"four parts", good + ".", "three parts"},
		{"a dot in front", "." + good, "three parts"},
		{"five parts, as an encrypted token has", good + "." + payload + "." + sig, "three parts"},
		{"dots alone", "..", "header"},
		{"no signature", header + "." + payload + ".", "signature"},
		{"alg none without a signature", enc(`{"alg":"none","typ":"JWT"}`) + "." + admin + ".", "header"},
		{"alg none with our leaf", enc(strings.Replace(b.header(), "ES256", "none", 1)) + "." + admin + ".", "alg"},
		{"HS256 with the leaf's certificate as secret", hmacToken(hs256, admin, leafPEM), "alg"},
		{"HS256 with the public key as secret", hmacToken(hs256, admin, pub), "alg"},
		{"HS256 under the name of ES256", hmacToken(b.header(), admin, pub), "signature"},
		{"other claims under a good signature", header + "." + admin + "." + sig, "signature"},
		{"signed with a key of their own under our leaf", forge(t, own, b.header(), b.claims()), "signature"},
		{"a leaf of another root", other.issue(t, Claims{Subject: "admin"}).Text, "unknown authority"},
		{"our leaf, then the key's own certificate", forge(t, own,
			strings.Replace(b.header(), `"]}`, `","`+base64.StdEncoding.EncodeToString(other.parts.Keys.Signer().Chain[0])+`"]}`, 1), b.claims()), "x5c"},
		{"the root itself as leaf", forge(t, own, fmt.Sprintf(`{"typ":"JWT","alg":"ES256","kid":"","x5c":["%s"]}`,
			base64.StdEncoding.EncodeToString(b.parts.Keys.Root().Raw)), b.claims()), "not one for signatures"},
		{"a signature of zeros", header + "." + payload + "." + enc(string(make([]byte, 64))), "signature"},
		{"a signature in DER", header + "." + payload + "." + enc("\x30\x06\x02\x01\x01\x02\x01\x01"), "signature"},
		{"a signature with a byte more", good + "AA", "signature"},
		{"padding", good + "==", "signature"},
		{"a padded header", header + "=." + rest, "base64"},
		{"a line break in the claims", header + "." + payload[:8] + "\n" + payload[8:] + "." + sig, "signature"},
		{"a line break in the signature", good[:len(good)-4] + "\r\n" + good[len(good)-4:], "signature"},
		{"a space in front", " " + good, "base64"},
		{"the other base64 alphabet", strings.NewReplacer("-", "+", "_", "/").Replace(good) + "+", "signature"},
		{"NUL behind it", good + "\x00", "signature"},
		{"dots that look alike", strings.ReplaceAll(good, ".", "\u2024"), "three parts"},
		{"wide letters", "\uff45" + good[1:], "base64"},
		{"16 KiB and one byte", strings.Repeat("a", maxText+1), "too long"},
		{"16 KiB of header", strings.Repeat("a", maxText-2) + "..", "header"},
		{"a megabyte", strings.Repeat(good+".", 1<<10), "too long"},
		{"deep JSON", enc(strings.Repeat(`{"a":`, 2000)) + "." + payload + "." + sig, "header"},
		{"Bearer before it", "Bearer " + good, "base64"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { refused(t, b.verifier, tt.text, tt.want) })
	}
	if _, err := b.verifier.Verify(good); err != nil {
		t.Errorf("the good token: %v", err)
	}
}

func hmacToken(header, payload string, secret []byte) string {
	text := enc(header) + "." + payload
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(text))
	return text + "." + enc(string(mac.Sum(nil)))
}

// No token differs from a good one in a single character, not even in the
// last of a part, whose low bits say nothing.
func TestEveryCharacterCounts(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	good := b.issue(t, Claims{Subject: "alice"}).Text
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	for i := range len(good) {
		at := strings.IndexByte(alphabet, good[i])
		next := alphabet[(at+1)%len(alphabet)] // also for a dot
		text := good[:i] + string(next) + good[i+1:]
		if _, err := b.verifier.Verify(text); err == nil {
			t.Fatalf("Verify takes a token with %q for %q at %d", next, good[i], i)
		}
	}
}

func TestTokenThatOutlivesItsCertificate(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	s := b.parts.Keys.Signer()
	b.clock.move(s.NotAfter.Sub(b.clock.Now()) - 10*time.Minute)
	refused(t, b.verifier, forge(t, s.Key, b.header(), b.claims()), "outlives its certificate")
}

func TestDates(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	s := b.issue(t, Claims{Subject: "alice"})
	start := b.clock.Now().Truncate(time.Second)
	tests := []struct {
		at   time.Duration // after the issue
		want string        // in the error; "" is success
	}{
		{0, ""},
		{-backdate - leeway + time.Second, ""},
		{-backdate - leeway - time.Second, "not valid yet"},
		{s.Lifetime, ""},
		{s.Lifetime + leeway, ""},
		{s.Lifetime + leeway + time.Second, "expired"},
		{100 * time.Hour, "expired"},
	}
	for _, v := range []*Verifier{b.verifier, nil} { // the first remembers the token, the others do not
		for _, tt := range tests {
			b.clock.move(start.Add(tt.at).Sub(b.clock.Now()))
			verifier := v
			if verifier == nil {
				verifier = NewVerifier(Config{}, b.parts)
			}
			if tt.want != "" {
				refused(t, verifier, s.Text, tt.want)
			} else if _, err := verifier.Verify(s.Text); err != nil {
				t.Errorf("%v after its issue: %v", tt.at, err)
			}
		}
	}
}

func TestRefusedTokensAreNotRemembered(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	s := b.issue(t, Claims{Subject: "alice"})
	b.clock.move(-time.Hour)
	refused(t, b.verifier, s.Text, "not valid yet")
	b.clock.move(time.Hour)
	if _, err := b.verifier.Verify(s.Text); err != nil {
		t.Errorf("Verify after the clock was set right: %v", err)
	}
}
