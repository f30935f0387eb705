package proxy

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"errors"

	"github.com/regate/regate/internal/oci"
)

// Distribution keeps the state of an upload in the query of its URL. That is
// JSON which it has signed, in base64, with its own name of the repository in
// it (registry/handlers/hmac.go), and which it wants back as it is. Where
// clients have another name, they get the state sealed.

// errState is why an upload cannot go on whose state nobody here has sealed, or
// only for somebody else.
var errState = errors.New("the URL has no state that the gate has sealed for this session of this client")

// hideState is a link to an upload as the client shall see it.
func (a *answer) hideState(link oci.Request) oci.Request {
	state := link.Param(oci.StateKey)
	if state == "" || a.sent.Repo == a.req.Repo {
		return link
	}
	s := a.session(link.Upload)
	return link.WithState(base64.RawURLEncoding.EncodeToString(a.uploads.state().Seal(nil, nil, []byte(state), a.uploads.mac(s, nil))))
}

// revealState is the request to the registry with the state that it has written.
func (u Uploads) revealState(x exchange) (oci.Request, error) {
	sealed := x.sent.Param(oci.StateKey)
	if sealed == "" || x.sent.Repo == x.req.Repo {
		return x.sent, nil
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(sealed)
	if err != nil {
		return x.sent, lostUpload(errState)
	}
	state, err := u.state().Open(nil, nil, raw, u.mac(x.session(x.req.Upload), nil))
	if err != nil {
		return x.sent, lostUpload(errState)
	}
	return x.sent.WithState(string(state)), nil
}

// state seals and opens, by a key of its own that all gates can work out.
func (u Uploads) state() cipher.AEAD {
	key, _ := hkdf.Key(sha256.New, u.Key[:], nil, "regate upload state", sha256.Size) // is never too long
	block, _ := aes.NewCipher(key)                                                    // fits
	aead, _ := cipher.NewGCMWithRandomNonce(block)                                    // fits, too
	return aead
}
