package ext

import (
	"strings"
	"testing"

	"github.com/regate/regate/authsvc/authn"
)

// What is kept of stderr may begin in the middle of a password.
func TestExcerptHasNoPartOfTheSecret(t *testing.T) {
	const letters = "abcdefghijklmnopqrstuvwxyz"
	for _, long := range []int{1, 2, 26, 100, 4096} {
		secret := strings.Repeat("0123456789", long/10+1)[:long]
		var e excerpt
		for range maxTail/long + 2 {
			_, _ = e.Write([]byte(secret))
		}
		_, _ = e.Write([]byte(letters))
		text := e.text(authn.Secret(secret))
		if strings.ContainsAny(text, "0123456789") || !strings.HasSuffix(text, letters) {
			t.Errorf("secret of %d bytes: %.200q", long, text)
		}
	}
}
