package token

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/regate/regate/internal/oci"
)

// FuzzVerify: no text makes Verify panic, and none is taken whose header and
// claims we have not signed. (The same claims can have a second signature:
// ECDSA has two for each, and the other one says nothing else.)
func FuzzVerify(f *testing.F) {
	b := newBench(f)
	signed := make(map[string]bool)
	for _, c := range []Claims{{}, {Subject: "alice", Scope: oci.NewScope(oci.CatalogAccess())}} {
		text := b.issue(f, c).Text
		signed[text[:strings.LastIndexByte(text, '.')]] = true
		f.Add(text)
		f.Add(text + ".")
		f.Add(strings.Replace(text, ".", "..", 1))
	}
	f.Add(enc(`{"alg":"none"}`) + "." + enc(b.claims()) + ".")
	f.Add(enc(b.header()) + "." + enc(b.claims()) + "." + enc(strings.Repeat("a", 64)))
	f.Fuzz(func(t *testing.T, text string) {
		g, err := b.verifier.Verify(text)
		if (err == nil) == (g.Bearer.Reveal() == "") {
			t.Fatalf("Verify(%q) = %v, %v", text, g, err)
		}
		if err == nil && !signed[text[:strings.LastIndexByte(text, '.')]] {
			t.Fatalf("Verify takes %q, which we have not signed", text)
		}
	})
}

// FuzzSigned signs any header and claims with the right key. What is taken
// must be for us, end, and grant only what can exist.
func FuzzSigned(f *testing.F) {
	b := newBench(f)
	key := b.parts.Keys.Signer().Key
	f.Add(b.header(), b.claims())
	for _, tt := range spoiled {
		if tt.old != "" {
			f.Add(strings.Replace(b.header(), tt.old, tt.new, 1), strings.Replace(b.claims(), tt.old, tt.new, 1))
		}
	}
	f.Fuzz(func(t *testing.T, header, claims string) {
		g, err := b.verifier.Verify(forge(t, key, header, claims))
		if err != nil {
			return
		}
		if !strings.Contains(header, base64.StdEncoding.EncodeToString(b.parts.Keys.Signer().Chain[0])[:100]) {
			t.Errorf("Verify takes the header %q", header)
		}
		if g.Expires.IsZero() || g.Expires.Before(b.clock.Now().Add(-leeway)) {
			t.Errorf("Verify takes %q, which ends %v", claims, g.Expires)
		}
		for _, a := range g.Scope {
			if a.Type == oci.Repository && !oci.ValidName(a.Name) || a.Actions == 0 {
				t.Errorf("Verify takes %q, which grants %v", claims, a)
			}
		}
	})
}
