package secret

import (
	"crypto/rand"
	"errors"
	"hash/crc32"
	"math/big"
	"strings"

	"github.com/regate/regate/authsvc/authn"
)

// Prefix begins the text of each secret, so that scanners of source code find
// the ones that people have left there.
const Prefix = "rgt_"

// ErrMalformed says that a text is no secret of ours, or a damaged one. It can
// be told without looking anything up.
var ErrMalformed = errors.New("malformed token")

// A text is rgt_<id>_<secret><crc>, each part with the digits of base 62 and
// of a fixed length. The CRC-32 is that of all that stands before it. It
// protects from slips of the hand, and from nobody's guesses.
const (
	digits = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" // in the order of math/big

	idBytes, idDigits         = 10, 14
	secretBytes, secretDigits = 32, 43
	crcDigits                 = 6

	textLen = len(Prefix) + idDigits + 1 + secretDigits + crcDigits
)

// A parsed text.
type parsed struct {
	id     string
	secret [secretBytes]byte
}

// newParsed makes a text that nobody can guess.
func newParsed() parsed {
	var id [idBytes]byte
	var p parsed
	_, _ = rand.Read(id[:]) // never fails
	_, _ = rand.Read(p.secret[:])
	p.id = encode(id[:], idDigits)
	return p
}

// text writes p as parse reads it.
func (p parsed) text() authn.Secret {
	body := Prefix + p.id + "_" + encode(p.secret[:], secretDigits)
	return authn.Secret(body + checksum(body))
}

// parse reads a text. There is one text only for each secret.
func parse(text string) (p parsed, err error) {
	if len(text) != textLen || !strings.HasPrefix(text, Prefix) {
		return p, ErrMalformed
	}
	body, sum := text[:textLen-crcDigits], text[textLen-crcDigits:]
	id, secret, found := strings.Cut(body[len(Prefix):], "_")
	if !found || len(id) != idDigits || sum != checksum(body) {
		return p, ErrMalformed
	}
	p.id = id
	if !decode(p.secret[:], secret) || !decode(make([]byte, idBytes), id) {
		return parsed{}, ErrMalformed
	}
	return p, nil
}

// ID is the id in a text, which is no secret; "" if the text is none of ours.
func ID(text authn.Secret) string {
	p, err := parse(text.Reveal())
	if err != nil {
		return ""
	}
	return p.id
}

func checksum(body string) string {
	sum := crc32.ChecksumIEEE([]byte(body))
	return encode([]byte{byte(sum >> 24), byte(sum >> 16), byte(sum >> 8), byte(sum)}, crcDigits)
}

// encode writes b as a number of so many digits.
func encode(b []byte, width int) string {
	text := new(big.Int).SetBytes(b).Text(len(digits))
	return strings.Repeat("0", width-len(text)) + text
}

// decode reads text into b, and reports whether it is a number that fits.
func decode(b []byte, text string) bool {
	if strings.Trim(text, digits) != "" {
		return false
	}
	n, ok := new(big.Int).SetString(text, len(digits))
	if !ok || n.BitLen() > len(b)*8 {
		return false
	}
	n.FillBytes(b)
	return true
}
