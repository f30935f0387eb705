package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/regate/regate/e2e/testbed"
)

// firstByRFC2136 has no port 80, and hosts that lead nowhere, so that nothing
// but the DNS can prove them. A host that the wildcard covers gets no
// certificate of its own.
func firstByRFC2136(t *testing.T) {
	c := newCertified(t)
	c.gate.Plain = ""
	b := testbed.StartBind(t)
	p := c.withPebble(t, testbed.PebbleConfig{DNS: b.Addr})
	c.configure(t, `gate.test, "*.team.test", app.team.test`, issuer(p.Directory, p.TLS), fmt.Sprintf(
		"dns: {rfc2136: {server: %q, key_name: %s, key_file: %s}, resolvers: [%[1]q]}", b.Addr, b.KeyName, b.KeyFile))
	c.start(t)
	for host, want := range map[string]string{
		"gate.test": "gate.test", "x.team.test": "*.team.test", "app.team.test": "*.team.test",
	} {
		if got := c.certificate(t, host).DNSNames; len(got) != 1 || got[0] != want {
			t.Errorf("the certificate served for %s is for %v, want %s", host, got, want)
		}
	}
	if got := p.Orders(); got != 2 {
		t.Errorf("%d orders, want one for gate.test and one for the wildcard", got)
	}
	for _, name := range []string{"_acme-challenge.gate.test", "_acme-challenge.team.test"} {
		for _, line := range []string{"adding an RR at '" + name + "' TXT", "deleting an RR at " + name + " TXT"} {
			eventually(t, line, func() bool { return strings.Contains(b.Log(), line) })
		}
	}
}

// firstByDelegate has the record of each host lead to one name, which alone the
// gate changes.
func firstByDelegate(t *testing.T) {
	c := newCertified(t)
	b := testbed.StartBind(t,
		"_acme-challenge.gate.test. CNAME gate.acme.test.",
		"_acme-challenge.team.test. CNAME gate.acme.test.")
	p := c.withPebble(t, testbed.PebbleConfig{DNS: b.Addr})
	c.configure(t, `gate.test, "*.team.test"`, issuer(p.Directory, p.TLS), fmt.Sprintf(
		"dns: {rfc2136: {server: %q, key_name: %s, key_file: %s}, resolvers: [%[1]q], delegate: gate.acme.test}", b.Addr, b.KeyName, b.KeyFile))
	c.start(t)
	c.certificate(t, "app.team.test")
	if strings.Contains(b.Log(), "at '_acme-challenge") || !strings.Contains(b.Log(), "adding an RR at 'gate.acme.test' TXT") {
		t.Error("the gate changed another name than gate.acme.test")
	}
}

// firstByExec has the program do what an administrator would.
func firstByExec(t *testing.T) {
	c := newCertified(t)
	b := testbed.StartBind(t)
	secret, err := os.ReadFile(b.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	dir := testbed.Dir(t)
	program := filepath.Join(dir, "update")
	script := fmt.Sprintf(`#!/bin/sh
set -eu
echo "$@" >>%[1]s/calls
case $1 in
present) change="add $2 1 TXT $3" ;;
cleanup) change="delete $2 TXT $3" ;;
esac
printf 'server 127.0.0.1 %[2]s\nkey hmac-sha256:%[3]s %[4]s\nupdate %%s\nsend\n' "$change" | nsupdate
`, dir, strings.TrimPrefix(b.Addr, "127.0.0.1:"), b.KeyName, strings.TrimSpace(string(secret)))
	if err := os.WriteFile(program, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	p := c.withPebble(t, testbed.PebbleConfig{DNS: b.Addr})
	c.configure(t, testbed.Host, issuer(p.Directory, p.TLS),
		fmt.Sprintf("dns: {exec: {command: [%s]}, resolvers: [%q]}", program, b.Addr))
	c.start(t)
	eventually(t, "the record is there no more", func() bool {
		return strings.Contains(b.Log(), "deleting an RR at _acme-challenge.gate.test TXT")
	})
	calls, err := os.ReadFile(filepath.Join(dir, "calls"))
	lines := strings.Fields(string(calls))
	if err != nil || len(lines) != 6 || lines[0] != "present" || lines[3] != "cleanup" || lines[2] != lines[5] {
		t.Errorf("the program was called so: %q, %v", calls, err)
	}
}
