package main

import (
	"os"
	"strings"
	"testing"
)

// TestShellHasOtherVariables: whoever revokes a token does so in a shell, and not
// with the variables of the service.
func TestShellHasOtherVariables(t *testing.T) {
	path := configFile(t, rules)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	secret := strings.Replace(string(text), "auth: forward", "auth: {mode: basic, username: gate, password: '${env:REGATE_TEST_NOWHERE}'}", 1)
	if err := os.WriteFile(path, []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args string
		want string
	}{
		{"root", ""},
		{"revoke --subject admin", "no gate is running"},
		{"token list", "no gate is running"},
		{"reload", "no gate is running"},
		{"check", "REGATE_TEST_NOWHERE is not set"},
		{"serve", "REGATE_TEST_NOWHERE is not set"},
	} {
		code, _, errText := called(t, "", append(strings.Fields(tt.args), "-c", path)...)
		if (code == 0) != (tt.want == "") || !strings.Contains(errText, tt.want) {
			t.Errorf("regate %s: %d %s; want %q", tt.args, code, errText, tt.want)
		}
	}
}
