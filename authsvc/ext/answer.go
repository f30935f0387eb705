package ext

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"unicode/utf8"
)

// decode reads one JSON object, which has this key or none, and its value into
// into. A key that is misspelt would be a label that is missing, and with it a
// refusal.
func decode(text []byte, key string, into any) error {
	keys, err := decodeKeys(text)
	if err != nil {
		return err
	}
	for name, value := range keys {
		if name != key || json.Unmarshal(value, into) != nil {
			return errMalformed
		}
	}
	return nil
}

// decodeKeys reads one JSON object, and its keys as they are: encoding/json
// would find a field by a key in any case.
//
// What was read is in no error: it may be what was asked, sent back.
func decodeKeys(text []byte) (keys map[string]json.RawMessage, err error) {
	text = bytes.TrimSpace(text)
	if !bytes.HasPrefix(text, []byte("{")) || !utf8.Valid(text) {
		return nil, errMalformed
	}
	d := json.NewDecoder(bytes.NewReader(text))
	if err := d.Decode(&keys); err != nil {
		return nil, errMalformed
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errMalformed
	}
	again := json.NewDecoder(bytes.NewReader(text))
	again.UseNumber() // of any size
	if !distinct(again) {
		return nil, errMalformed
	}
	return keys, nil
}

// distinct reads a value, and reports whether no object in it has a key twice:
// which of the two is meant, readers of JSON do not agree on (RFC 8259 4). How
// deep it goes was bounded by encoding/json when it read the same.
func distinct(d *json.Decoder) bool {
	begin, err := d.Token()
	if err != nil {
		return false
	}
	if _, nested := begin.(json.Delim); !nested {
		return true
	}
	seen := make(map[json.Token]bool)
	for d.More() {
		if begin == json.Delim('{') {
			key, err := d.Token()
			if err != nil || seen[key] {
				return false
			}
			seen[key] = true
		}
		if !distinct(d) {
			return false
		}
	}
	_, err = d.Token()
	return err == nil
}

var errMalformed = errors.New("the answer is not the JSON that was agreed on")
