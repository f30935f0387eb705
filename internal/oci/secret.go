package oci

import "fmt"

// A Secret is text that a request shows, and that must not be printed.
//
// It is behind a pointer because fmt calls no method of what is in an
// unexported field, and would print a string there as it is. So two of the
// same text are not ==. The zero Secret is the empty one.
type Secret struct{ text *string }

// NewSecret hides text.
func NewSecret(text string) Secret { return Secret{&text} }

// Reveal returns the text. It is the one way to read it, so every use can be
// found.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// Format writes *** for every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("***")) }
