package dockerauth

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"
)

// monsters are files of about a megabyte that are read in time that grows with
// them, and not with its square.
var monsters = []struct {
	name   string
	source func(n int) string
	n      int
}{
	{"a section again and again", func(n int) string { return strings.Repeat("users: {a: {}}\n", n) }, 60_000},
	{"unknown keys", func(n int) string { return "users: {}\n" + each("certificate%d: 1\n", n) }, 60_000},
	{"unknown keys of a user", func(n int) string { return "users:\n  a:\n" + each("    passwort%d: 1\n", n) }, 60_000},
	{"variables for labels", func(n int) string { return rules(strings.Repeat("${labels:x}", n)) }, maxPattern / 11},
	{"variables that are none", func(n int) string { return rules(strings.Repeat("${x}", n)) }, maxPattern / 4},
	{"groups", func(n int) string {
		return "acl:\n- match: {account: \"/" + strings.Repeat("(a)", n) + "/\", name: \"" + each("${account:%d}", n) + "\"}\n  actions: [pull]\n"
	}, 1000},
	{"a long regex", func(n int) string { return rules("/" + strings.Repeat("(a|b)*", n) + "/") }, maxPattern/6 - 1},
	{"actions", func(n int) string {
		return "acl:\n- match: {}\n  actions: [pull" + each(", p%d", n) + "]\n"
	}, 60_000},
}

func each(format string, n int) string {
	var b bytes.Buffer
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

func rules(name string) string {
	return "acl:\n- match: {name: \"" + name + "\"}\n  actions: [pull]\n"
}

// TestLongPatterns close a rule, and with it what it may be about.
func TestLongPatterns(t *testing.T) {
	long := strings.Repeat("x", maxPattern+1)
	for _, match := range []string{"{account: " + long + "}", "{labels: {team: " + long + "}}"} {
		result, err := Convert("x", []byte("acl:\n- match: "+match+"\n  actions: [pull]\n"), everywhere{})
		if err != nil {
			t.Fatal(err)
		}
		got := load(t, result).Auth.ACL
		if len(got) != 1 || len(got[0].Actions) > 0 || !strings.Contains(result.Report.String(), "is longer than 16 KiB; the rule refuses here") {
			t.Errorf("%.30s…: %+v\n%s", match, got, result.Report)
		}
	}
}

// TestMonsters: they took minutes, or hours. The bound is for a busy machine.
func TestMonsters(t *testing.T) {
	for _, tt := range monsters {
		source := tt.source(tt.n)
		start := time.Now()
		if _, err := Convert("x", []byte(source), everywhere{}); err != nil {
			t.Errorf("%s: Convert() = %v", tt.name, err)
		}
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("%s: %d bytes took %v", tt.name, len(source), took)
		}
	}
}
