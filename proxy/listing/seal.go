package listing

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"errors"
	"strings"
)

// mark begins a sealed name. It is in no name.
const mark = "~"

// sealedSize is that of every sealed name before it is encoded: the length of a
// hidden name is not to be seen either.
const sealedSize = 256

// errSeal is all that is said about a text that nobody here has sealed.
var errSeal = errors.New("last is not from a page of this listing")

// A Seal hides names in links: somebody who pages through a listing takes them
// back, and learns nothing.
type Seal struct{ aead cipher.AEAD }

// NewSeal returns the Seal of a key, which all gates share.
func NewSeal(key [32]byte) *Seal {
	block, _ := aes.NewCipher(key[:])              // fits
	aead, _ := cipher.NewGCMWithRandomNonce(block) // fits, too
	return &Seal{aead}
}

// Hide returns name as only Reveal can read it, and only for the same viewer.
func (s *Seal) Hide(name, viewer string) string {
	text := make([]byte, sealedSize)
	copy(text, name)
	return mark + base64.RawURLEncoding.EncodeToString(s.aead.Seal(nil, nil, text, []byte(viewer)))
}

// Reveal returns what a client gives as the last name of a page: sealed or as
// it is. The error is of a text that this Seal has not made for the viewer.
func (s *Seal) Reveal(last, viewer string) (name string, err error) {
	sealed, ok := strings.CutPrefix(last, mark)
	if !ok {
		return last, nil
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(sealed)
	if err != nil {
		return "", errSeal
	}
	text, err := s.aead.Open(nil, nil, raw, []byte(viewer))
	if err != nil {
		return "", errSeal
	}
	return strings.TrimRight(string(text), "\x00"), nil
}
