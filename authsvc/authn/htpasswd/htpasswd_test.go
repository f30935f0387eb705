package htpasswd

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/password"
)

// emptyHash is the hash of "", which other programs make.
const emptyHash = "$2a$04$/d/EONPSGqKQq3WFl1cMIONslpE2cmF3DoYtLOYPlHzn96cO1q/J."

func hashed(t testing.TB, text string) string {
	t.Helper()
	hash, err := password.Hash(text, 4)
	if err != nil {
		t.Fatal(err)
	}
	return hash
}

func file(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "htpasswd")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func open(t testing.TB, text string) *Users {
	t.Helper()
	users, err := Open(file(t, text), password.NewPool(password.Options{}))
	if err != nil {
		t.Fatal(err)
	}
	return users
}

var authenticateTests = []struct {
	name     string
	account  string
	password authn.Secret
	want     error
}{
	{"right password", "alice", "secret", nil},
	{"of the file's last line", "bob", "other", nil},
	{"wrong password", "alice", "Secret", authn.ErrWrongPassword},
	{"of somebody else", "alice", "other", authn.ErrWrongPassword},
	{"no password", "alice", "", authn.ErrWrongPassword},
	{"hash of no password", "empty", "", authn.ErrWrongPassword},
	{"unknown", "Alice", "secret", authn.ErrUnknownUser},
	{"name with a space", "alice ", "secret", authn.ErrUnknownUser},
	{"commented out", "carol", "secret", authn.ErrUnknownUser},
	{"commented out, with its mark", "#carol", "secret", authn.ErrUnknownUser},
	{"anonymous", "", "", authn.ErrUnknownUser},
	{"password without an account", "", "secret", authn.ErrUnknownUser},
}

func TestAuthenticate(t *testing.T) {
	good := hashed(t, "secret")
	users := open(t, "# made by hand\r\n\n  alice:"+good+" \r\n#carol:"+good+"\nempty:"+emptyHash+"\nbob:"+hashed(t, "other"))
	for _, tt := range authenticateTests {
		t.Run(tt.name, func(t *testing.T) {
			id, err := users.Authenticate(t.Context(), authn.Credentials{Account: tt.account, Password: tt.password})
			if !errors.Is(err, tt.want) {
				t.Fatalf("Authenticate() = %v, want %v", err, tt.want)
			}
			want := authn.Identity{}
			if err == nil {
				want.Account = tt.account
			}
			if !reflect.DeepEqual(id, want) {
				t.Errorf("Authenticate() = %+v, want %+v", id, want)
			}
		})
	}
}

// TestNoPasswordIsCompared: a comparison can be given up while it runs, which
// tells it from an answer that needed none.
func TestNoPasswordIsCompared(t *testing.T) {
	users := open(t, "alice:$2a$12"+emptyHash[6:])
	ctx, giveUp := context.WithCancel(t.Context())
	giveUp()
	if _, err := users.Authenticate(ctx, authn.Credentials{Account: "alice"}); !errors.Is(err, context.Canceled) || !errors.Is(err, authn.ErrUndecided) {
		t.Errorf("without a password = %v, at once", err)
	}
}

func TestFind(t *testing.T) {
	users := open(t, "alice:"+emptyHash)
	if id, err := users.Find(t.Context(), "alice"); id.Account != "alice" || err != nil {
		t.Errorf("Find(alice) = %+v, %v", id, err)
	}
	for _, account := range []string{"", "bob"} {
		if _, err := users.Find(t.Context(), account); !errors.Is(err, authn.ErrUnknownUser) {
			t.Errorf("Find(%q) = %v", account, err)
		}
	}
}

func TestCostIsTheHighest(t *testing.T) {
	for text, want := range map[string]int{
		"": 0,
		"a:$2a$05" + emptyHash[6:] + "\nb:$2y$12" + emptyHash[6:] + "\nc:" + emptyHash: 12,
	} {
		if got := open(t, text).Cost(); got != want {
			t.Errorf("Cost() = %d, want %d", got, want)
		}
	}
}

// brokenTests are files and what is said of them after "FILE:".
var brokenTests = []struct {
	name string
	text string
	want []string
}{
	{"MD5 of Apache", "alice:$apr1$r31.....$HqJZimcKQFAMYayBlzkrA/\n", []string{"1: the hash of \"alice\" is not of bcrypt: make it with `htpasswd -B` or `regate hash`"}},
	{"SHA-1", "alice:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=", []string{"1: the hash of \"alice\" is not of bcrypt: make it with `htpasswd -B` or `regate hash`"}},
	{"crypt", "alice:rqXexS6ZhobKA", []string{"1: the hash of \"alice\" is not of bcrypt: make it with `htpasswd -B` or `regate hash`"}},
	{"plain text", "alice:hunter2", []string{"1: the hash of \"alice\" is not of bcrypt: make it with `htpasswd -B` or `regate hash`"}},
	{"more after the hash", "alice:" + emptyHash + ":x", []string{"1: the hash of \"alice\" is not of bcrypt: make it with `htpasswd -B` or `regate hash`"}},
	{"space before the hash", "alice: " + emptyHash, []string{"1: the hash of \"alice\" is not of bcrypt: make it with `htpasswd -B` or `regate hash`"}},
	{"no colon", "# x\n\nhunter2", []string{"3: expected USER:HASH"}},
	{"no user", ":" + emptyHash, []string{"1: expected a user's name before the colon"}},
	{"twice", "a:" + emptyHash + "\n\na:" + emptyHash, []string{`3: the user "a" is in line 1 already`}},
	{"endless", "a:$2y$18" + emptyHash[6:], []string{`1: the hash of "a" has cost 18, which keeps a core busy for minutes at each login: make one of 10 to 12`}},
	{"byte order mark", "\ufeffa:" + emptyHash, []string{"1: the file begins with a byte order mark, which would be part of the first name: save it without"}},
	{"Latin-1", "m\xfcller:" + emptyHash, []string{"1: the name is not UTF-8, or holds control characters"}},
	{"control character", "a\x00b:" + emptyHash, []string{"1: the name is not UTF-8, or holds control characters"}},
	{"all at once", "a:x\nb:" + emptyHash + "\nc", []string{"1: the hash of \"a\" is not of bcrypt: make it with `htpasswd -B` or `regate hash`", "3: expected USER:HASH"}},
}

func TestBrokenFiles(t *testing.T) {
	for _, tt := range brokenTests {
		t.Run(tt.name, func(t *testing.T) {
			path := file(t, tt.text)
			err := Check(path)
			if err == nil {
				t.Fatal("nothing is wrong")
			}
			if want := path + ":" + strings.Join(tt.want, "\n"+path+":"); err.Error() != want {
				t.Errorf("Check() =\n%v\nwant\n%s", err, want)
			}
		})
	}
}

func TestManyMistakesAreCounted(t *testing.T) {
	err := Check(file(t, strings.Repeat("hunter2\n", 1000)))
	if got := strings.Split(err.Error(), "\n"); len(got) != 21 || got[20] != "and 980 lines more" {
		t.Errorf("%d lines are said, the last is %q", len(got), got[len(got)-1])
	}
}

func TestUnreadableFiles(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	large := file(t, strings.Repeat("#", maxFile+1))
	for path, want := range map[string]string{
		filepath.Join(dir, "none"): "no such file",
		dir:                        "is not a regular file",
		pipe:                       "is not a regular file",
		large:                      "is larger than 8 MiB",
	} {
		if err := Check(path); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("Check(%s) = %v, want %q", path, err, want)
		}
	}
	if err := Check(file(t, strings.Repeat("#", maxFile))); err != nil {
		t.Errorf("a file of 8 MiB: %v", err)
	}
}

// FuzzParse: whoever is let in by a file stands in a line of it, as it is.
func FuzzParse(f *testing.F) {
	f.Add("# x\nalice:" + emptyHash + "\r\n\n  bob:" + emptyHash + "  \n")
	for _, tt := range brokenTests {
		f.Add(tt.text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		hashes, err := parse("f", text)
		if err != nil {
			return
		}
		for account, hash := range hashes {
			if account == "" || !password.Valid(hash) || !strings.Contains(text, account+":"+hash) {
				t.Errorf("%q has %q out of %q", account, hash, text)
			}
		}
	})
}

// BenchmarkOpen is a file of 50,000 users.
func BenchmarkOpen(b *testing.B) {
	var text strings.Builder
	for i := range 50_000 {
		text.WriteString("user" + strings.Repeat("x", i%7) + string(rune('a'+i%26)) + ":")
		text.WriteString(emptyHash + "\n")
	}
	for b.Loop() {
		_, _ = parse("f", text.String())
	}
}
