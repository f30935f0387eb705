package problem

import (
	"errors"
	"testing"
)

func TestUnderMovesPathsAndKeepsWarnings(t *testing.T) {
	var rule, auth, file List
	rule.Addf("match.account", "glob is malformed")
	rule.Warnf("", "never matches")
	auth.Under("acl[3]", rule.Err())
	auth.Under("users", errors.New("no such file"))
	auth.Under("token", nil)
	file.Under("auth", auth.Err())

	want := "auth.acl[3].match.account: glob is malformed\nauth.acl[3]: never matches\nauth.users: no such file"
	if got := file.Error(); got != want {
		t.Errorf("file.Error() =\n%s\nwant\n%s", got, want)
	}
	if !file[1].Warning || file[0].Warning {
		t.Errorf("warnings got lost: %+v", file)
	}
}

func TestFatal(t *testing.T) {
	var l List
	if l.Err() != nil || l.Fatal() {
		t.Errorf("an empty list is an error: %v", l.Err())
	}
	l.Warnf("a", "odd")
	if l.Fatal() {
		t.Error("a warning alone is fatal")
	}
	l.Addf("b", "wrong")
	if !l.Fatal() {
		t.Error("a mistake is not fatal")
	}
}

func TestKey(t *testing.T) {
	for key, want := range map[string]string{"alice": "users.alice", "a.b": `users["a.b"]`, "": `users[""]`, `"`: `users["\""]`} {
		if got := Key("users", key); got != want {
			t.Errorf("Key(users, %q) = %s, want %s", key, got, want)
		}
	}
	if got := Key("", "alice"); got != "alice" {
		t.Errorf("Key of nothing = %s", got)
	}
}

func TestPrintable(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "docker.io is \"hub\"; it’s … 日本": "docker.io is \"hub\"; it’s … 日本",
		"a\x1b[31m\r\nb\t\u202ec\u009b\x00": `a\x1b[31m\r\nb\t\u202ec\u009b\x00`, "\xff": "\ufffd",
	} {
		if got := Printable(text); got != want {
			t.Errorf("Printable(%q) = %q, want %q", text, got, want)
		}
	}
}
