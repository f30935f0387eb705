package ext

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"unicode/utf8"
)

// decode reads one JSON object into a struct that has all of its keys. A key
// that is misspelt would be a label that is missing, and with it a refusal.
//
// What was read is in no error: it may be what was asked, sent back.
func decode(text []byte, into any) error {
	text = bytes.TrimSpace(text)
	if !bytes.HasPrefix(text, []byte("{")) || !utf8.Valid(text) {
		return errMalformed
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return errMalformed
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errMalformed
	}
	return nil
}

var errMalformed = errors.New("the answer is not the JSON that was agreed on")
