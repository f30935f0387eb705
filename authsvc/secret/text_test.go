package secret

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/regate/regate/authsvc/authn"
)

// TestTextRoundTrip: what is written is read again, and no other text of the
// same length is, if one character differs.
func TestTextRoundTrip(t *testing.T) {
	for range 2000 {
		want := newParsed()
		text := want.text().Reveal()
		got, err := parse(text)
		if err != nil || got != want || ID(want.text()) != want.id || len(text) != textLen || !strings.HasPrefix(text, "rgt_") {
			t.Fatalf("parse(%q) = %v, %v; want %v", text, got, err, want)
		}
	}
	text := newParsed().text().Reveal()
	for i := range text {
		for _, c := range "0aZ_-\x00é" {
			other := text[:i] + string(c) + text[i+1:]
			if _, err := parse(other); other != text && (!errors.Is(err, ErrMalformed) || ID(authn.Secret(other)) != "") {
				t.Fatalf("parse takes %q, which is not %q", other, text)
			}
		}
	}
}

func TestTextOfExtremes(t *testing.T) {
	for _, p := range []parsed{{id: strings.Repeat("0", idDigits)}, {id: encode(full(idBytes), idDigits), secret: [secretBytes]byte(full(secretBytes))}} {
		got, err := parse(p.text().Reveal())
		if err != nil || got != p {
			t.Errorf("parse(%q) = %v, %v; want %v", p.text().Reveal(), got, err, p)
		}
	}
}

func full(n int) []byte { return []byte(strings.Repeat("\xff", n)) }

// signed gives text a checksum that is right.
func signed(body string) string { return body + checksum(body) }

func TestMalformed(t *testing.T) {
	good := newParsed()
	id, secret := good.id, strings.Repeat("0", secretDigits)
	for _, tt := range []struct{ name, text string }{
		{"empty", ""},
		{"prefix alone", "rgt_"},
		{"another prefix", signed("rgx_" + id + "_" + secret)},
		{"capital prefix", signed("RGT_" + id + "_" + secret)},
		{"cut off", good.text().Reveal()[:textLen-1]},
		{"a line's end", good.text().Reveal() + "\n"},
		{"blank before", " " + good.text().Reveal()},
		{"twice", good.text().Reveal() + good.text().Reveal()},
		{"sign in the secret", signed("rgt_" + id + "_+" + secret[1:])},
		{"minus in the id", signed("rgt_-" + id[1:] + "_" + secret)},
		{"id with a slash", signed("rgt_../" + id[3:] + "_" + secret)},
		{"secret of more than 256 bits", signed("rgt_" + id + "_" + strings.Repeat("Z", secretDigits))},
		{"id of more than 80 bits", signed("rgt_" + strings.Repeat("Z", idDigits) + "_" + secret)},
		{"parts of other lengths", signed("rgt_" + id[1:] + "_0" + secret)},
		{"no mark between", signed("rgt_" + id + "0" + secret)},
	} {
		if p, err := parse(tt.text); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: parse(%q) = %v, %v", tt.name, tt.text, p, err)
		}
	}
	if _, err := parse(signed("rgt_" + id + "_" + secret)); err != nil {
		t.Errorf("the frame of these tests is wrong: %v", err)
	}
}

// FuzzParse: no text makes parse panic, and each that it takes is the one text
// of its secret.
func FuzzParse(f *testing.F) {
	f.Add(newParsed().text().Reveal())
	f.Add(signed("rgt_" + strings.Repeat("0", idDigits) + "_" + strings.Repeat("Z", secretDigits)))
	f.Add("rgt_")
	f.Fuzz(func(t *testing.T, text string) {
		for _, text := range []string{text, signed(text)} {
			p, err := parse(text)
			if err == nil && p.text().Reveal() != text {
				t.Errorf("parse takes %q, whose secret is written %q", text, p.text().Reveal())
			}
		}
	})
}

func TestTextIsNotPrinted(t *testing.T) {
	text := newParsed().text()
	if got := fmt.Sprintf("%v %+v %q", text, text, text); strings.Contains(got, "rgt_") {
		t.Errorf("Sprintf shows %s", got)
	}
}
