package main

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestRootOfABroughtCA: the fingerprint to compare is that of what trust installs.
func TestRootOfABroughtCA(t *testing.T) {
	t.Parallel()
	top := newTestCA(t, "Corp Root", nil)
	below := newTestCA(t, "Corp CA", top)
	key, err := x509.MarshalPKCS8PrivateKey(below.key)
	if err != nil {
		t.Fatal(err)
	}
	keyFile := file(t, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})))
	path := configFile(t, rules)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	own := fmt.Sprintf("mode: internal, internal: {ca_cert: %q, ca_key: %q}", file(t, below.pem()+top.pem()), keyFile)
	if err := os.WriteFile(path, []byte(strings.Replace(string(text), "mode: internal", own, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, errText := called(t, "", "root", "-c", path)
	if code != 0 || !strings.Contains(out, "\n# CA: "+top.print()+"\n") || strings.Contains(out, below.print()) {
		t.Errorf("regate root: %d %s\n%s\nwant %s", code, errText, out, top.print())
	}
}
