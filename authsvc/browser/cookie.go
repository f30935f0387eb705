package browser

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"time"
)

// The cookies. The prefix has browsers take them from this host alone, over
// https, for all its paths (RFC 6265bis 4.1.3.2).
const (
	sessionCookie = "__Host-regate"       // who is logged in
	loginCookie   = "__Host-regate-login" // a login that has begun
	madeCookie    = "__Host-regate-made"  // a token that is about to be shown, once
	doneCookie    = "__Host-regate-done"  // what was revoked a moment ago
)

const saltSize = 16

var errCookie = errors.New("the cookie is not one of ours")

// A sealer makes cookies that only gates of this state can read or write. Each
// is sealed with a key of its own, so that it does not matter how many there
// are: anybody can have some made.
type sealer struct{ key [32]byte }

// seal makes the value of the cookie with that name. It is good in no other.
func (s sealer) seal(name string, v any) (string, error) {
	plain, err := json.Marshal(v)
	if err != nil {
		return "", err
	}
	salt := make([]byte, saltSize)
	_, _ = rand.Read(salt) // never fails
	aead, err := s.aead(salt)
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(aead.Seal(salt, nil, plain, []byte(name))), nil
}

// open reads what seal has made into v.
func (s sealer) open(name, value string, v any) error {
	raw, err := base64.RawURLEncoding.DecodeString(value)
	if err != nil || len(raw) < saltSize {
		return errCookie
	}
	aead, err := s.aead(raw[:saltSize])
	if err != nil {
		return err
	}
	plain, err := aead.Open(nil, nil, raw[saltSize:], []byte(name))
	if err != nil || json.Unmarshal(plain, v) != nil {
		return errCookie
	}
	return nil
}

func (s sealer) aead(salt []byte) (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, s.key[:], salt, "regate cookie", 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// give has the browser keep v under name for a while.
func (s sealer) give(w http.ResponseWriter, name string, v any, life time.Duration) error {
	value, err := s.seal(name, v)
	if err != nil {
		return err
	}
	http.SetCookie(w, cookie(name, value, int(life.Seconds())))
	return nil
}

// take reads what the browser has under name. A browser that knows the prefix
// has one; with two, one was put there by somebody else, such as a page of
// another name below the same domain, and nobody knows which.
func (s sealer) take(r *http.Request, name string, v any) error {
	found := r.CookiesNamed(name)
	if len(found) != 1 {
		return errCookie
	}
	return s.open(name, found[0].Value, v)
}

// forget has the browser throw the cookie away.
func forget(w http.ResponseWriter, name string) { http.SetCookie(w, cookie(name, "", -1)) }

// cookie goes along when somebody follows a link to a page, which is how people
// come back from a provider, and with nothing else that another site begins.
func cookie(name, value string, seconds int) *http.Cookie {
	return &http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: seconds,
		Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
}
