package idp

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4/json"
)

// IsJWT reports whether text has the form of a signed or encrypted token (RFC
// 7515 7.1, RFC 7516 7.1), or of one that was damaged on the way here: nobody has
// such a password.
func IsJWT(text string) bool {
	const longest = 32 // of a password that may begin so
	header, _, dots := strings.Cut(text, ".")
	switch {
	case strings.HasPrefix(text, "eyJ"): // {" as every library begins
		return dots || len(text) > longest
	case !dots:
		return false
	}
	_, err := jsonPart(header)
	return err == nil
}

// IssuerOf is who a JWT says has issued it. Nothing is checked, so this is only
// good for looking up who should check it. "" is nobody.
func IssuerOf(jwt string) string {
	parts := strings.Split(jwt, ".")
	if len(parts) != 3 {
		return ""
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return ""
	}
	var payload struct {
		Issuer string `json:"iss"`
	}
	if json.Unmarshal(text, &payload) != nil {
		return ""
	}
	return payload.Issuer
}

var errNoObject = errors.New("is not one JSON object")

// jsonPart reads a part of a JWT. Names are case-sensitive, and one that is there
// twice is an error, since two readers could take it for two things (RFC 7519 4).
func jsonPart(part string) (map[string]any, error) {
	text, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		return nil, errNoObject
	}
	return parseObject(text)
}

func parseObject(text []byte) (map[string]any, error) {
	if !utf8.Valid(text) {
		return nil, errNoObject
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.SetNumberType(json.UnmarshalJSONNumber)
	var all map[string]any
	if err := dec.Decode(&all); err != nil || all == nil {
		return nil, errNoObject
	}
	if _, err := dec.Token(); err != io.EOF { // something follows
		return nil, errNoObject
	}
	return all, nil
}
