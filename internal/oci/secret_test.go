package oci

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// TestSecretIsNotPrinted has secrets wherever one may end up, and each verb
// that fmt has, and some that it has not.
func TestSecretIsNotPrinted(t *testing.T) {
	const text = "eyJhbGciOi"
	s := NewSecret(text)
	type inner struct{ grant Grant }
	all := map[string]any{
		"alone":             s,
		"pointer":           &s,
		"slice":             []Secret{s},
		"grant":             Grant{Subject: "alice", Bearer: s, Unchecked: s},
		"grant, unexported": inner{Grant{Bearer: s, Unchecked: s}},
		"pointer to that":   &inner{Grant{Bearer: s, Unchecked: s}},
		"map of that":       map[string]inner{"a": {Grant{Bearer: s, Unchecked: s}}},
		"shown":             Shown{Authorization: s},
		"shown, unexported": struct{ shown Shown }{Shown{Authorization: s}},
		"unexported any":    struct{ any any }{s},
	}
	for name, v := range all {
		for _, flags := range []string{"", "+", "#", "20.10"} {
			for verb := 'A'; verb <= 'z'; verb++ {
				got := strings.ToLower(fmt.Sprintf("%"+flags+string(verb), v))
				if strings.Contains(got, strings.ToLower(text)) || strings.Contains(got, hex.EncodeToString([]byte(text))) {
					t.Errorf("%s with %%%s%c: %s", name, flags, verb, got)
				}
			}
		}
		if got, err := json.Marshal(v); strings.Contains(string(got), text) {
			t.Errorf("%s as JSON: %s, %v", name, got, err)
		}
	}
	if got := s.Reveal() + (Secret{}).Reveal(); got != text {
		t.Errorf("Reveal() of it and of none: %q", got)
	}
}
