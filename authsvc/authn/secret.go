package authn

import "fmt"

// A Secret is text that must not be printed: it shows as *** in every verb
// and encoding. Reveal is the one way to read it, so every use can be found.
type Secret string

const hidden = "***"

// Reveal returns the secret itself.
func (s Secret) Reveal() string { return string(s) }

// String returns ***.
func (s Secret) String() string { return hidden }

// GoString returns ***.
func (s Secret) GoString() string { return hidden }

// Format writes *** for every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(hidden)) }

// MarshalText returns ***, and so do JSON and YAML.
func (s Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }
