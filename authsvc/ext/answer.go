package ext

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// decode reads one JSON object, each key of which is one of fields, and its
// values into these. A key that is misspelt would be a label that is missing,
// and with it a refusal.
func decode(text []byte, fields map[string]any) error {
	keys, err := decodeKeys(text)
	if err != nil {
		return err
	}
	for name, value := range keys {
		into, ok := fields[name]
		if !ok {
			return malformed("has another key than %s", strings.Join(slices.Sorted(maps.Keys(fields)), " and "))
		}
		if json.Unmarshal(value, into) != nil {
			return malformed("has a value of another form for %s", name)
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
	switch {
	case len(text) == 0:
		return nil, malformed("is empty")
	case !utf8.Valid(text):
		return nil, malformed("is not UTF-8")
	case text[0] != '{':
		return nil, malformed("does not begin with {")
	}
	d := json.NewDecoder(bytes.NewReader(text))
	if err := d.Decode(&keys); err != nil {
		return nil, malformed("ends early, or is no JSON")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, malformed("goes on after its }")
	}
	again := json.NewDecoder(bytes.NewReader(text))
	again.UseNumber() // of any size
	if !distinct(again) {
		return nil, malformed("has a key twice")
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

func malformed(how string, args ...any) error {
	return fmt.Errorf("%w: it %s", errMalformed, fmt.Sprintf(how, args...))
}
