package remote

import (
	"fmt"
	"strings"
	"testing"
)

var parseTests = []struct{ line, want string }{
	{``, `[]`},
	{`Bearer realm="https://a/t",service="s",scope="x y"`, `[{Bearer map[realm:https://a/t scope:x y service:s]}]`},
	{`bearer REALM = "a" , Service=s`, `[{bearer map[realm:a service:s]}]`},
	{`Basic realm="a, b", Bearer realm="c"`, `[{Basic map[realm:a, b]} {Bearer map[realm:c]}]`},
	{`Negotiate, Bearer realm="c"`, `[{Negotiate map[]} {Bearer map[realm:c]}]`},
	{`Bearer realm="a\"b\\c"`, `[{Bearer map[realm:a"b\c]}]`},
	{`Bearer realm="a`, `[{Bearer map[realm:]}]`},
	{`Bearer realm="a",realm="b"`, `[]`},
	{`Basic realm="a", Bearer realm="a",Realm="b"`, `[{Basic map[realm:a]}]`},
	{`realm="a"`, `[]`},
	{`Bearer`, `[{Bearer map[]}]`},
	{`Bearer =`, `[]`},
	{`Bearer realm="a" @@ service="s"`, `[{Bearer map[realm:a]}]`},
	{`,,, Bearer realm=a`, `[{Bearer map[realm:a]}]`},
}

func TestParseChallenges(t *testing.T) {
	for _, tt := range parseTests {
		if got := fmt.Sprint(parseChallenges(tt.line)); got != tt.want {
			t.Errorf("parseChallenges(%s) = %s, want %s", tt.line, got, tt.want)
		}
	}
}

func FuzzParseChallenges(f *testing.F) {
	for _, tt := range parseTests {
		f.Add(tt.line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		for _, a := range parseChallenges(line) {
			if a.scheme == "" || !strings.Contains(line, a.scheme) {
				t.Errorf("%q has no scheme %q", line, a.scheme)
			}
			for k, v := range a.params {
				if k == "" || len(v) > len(line) {
					t.Errorf("%q has no parameter %q: %q", line, k, v)
				}
			}
		}
	})
}
