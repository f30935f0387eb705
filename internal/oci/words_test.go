package oci

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The expressions of the distribution-spec, which our scanners must equal.
var (
	nameRE   = regexp.MustCompile(`^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$`)
	tagRE    = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$`)
	digestRE = regexp.MustCompile(`^(?:sha256:[a-f0-9]{64}|sha384:[a-f0-9]{96}|sha512:[a-f0-9]{128})$`)
	uploadRE = regexp.MustCompile(`^[A-Za-z0-9-]{1,64}$`)
)

func checkNames(t *testing.T, s string) {
	t.Helper()
	if got, want := ValidName(s), nameRE.MatchString(s) && len(s) <= 255; got != want {
		t.Fatalf("ValidName(%q) = %v, want %v", s, got, want)
	}
	if got, want := ValidTag(s), tagRE.MatchString(s); got != want {
		t.Fatalf("ValidTag(%q) = %v, want %v", s, got, want)
	}
	if got, want := ValidDigest(s), digestRE.MatchString(s); got != want {
		t.Fatalf("ValidDigest(%q) = %v, want %v", s, got, want)
	}
	if got, want := validUpload(s), uploadRE.MatchString(s); got != want {
		t.Fatalf("validUpload(%q) = %v, want %v", s, got, want)
	}
}

func TestNamesAreTheSpecs(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	const alphabet = "ab0Z._-/:é\n "
	letters := []rune(alphabet)
	for range 200_000 {
		s := make([]rune, rnd.IntN(9))
		for i := range s {
			s[i] = letters[rnd.IntN(len(letters))]
		}
		checkNames(t, string(s))
	}
	for _, n := range []int{64, 65, 128, 129, 255, 256} {
		checkNames(t, strings.Repeat("a", n))
	}
	for _, d := range []string{"sha256:" + strings.Repeat("a", 64), "sha384:" + strings.Repeat("0", 96), "sha512:" + strings.Repeat("f", 128), "sha512:" + strings.Repeat("f", 64)} {
		checkNames(t, d)
	}
}

func FuzzNames(f *testing.F) {
	f.Add("team/app")
	f.Fuzz(func(t *testing.T, s string) { checkNames(t, s) })
}

var scopeTests = []struct {
	in   []string
	want string
}{
	{nil, ""},
	{[]string{""}, ""},
	{[]string{"repository:a/b:pull"}, "repository:a/b:pull"},
	{[]string{"repository:a/b:push,pull"}, "repository:a/b:pull,push"},
	{[]string{"repository:a:pull repository:b:pull"}, "repository:a:pull repository:b:pull"},
	{[]string{"repository:b:pull", "repository:a:pull", "repository:b:push"}, "repository:a:pull repository:b:pull,push"},
	{[]string{"repository:a:*"}, "repository:a:delete,pull,push"},
	{[]string{"repository(plugin):a:pull"}, "repository:a:pull"},
	{[]string{"registry:catalog:*"}, "registry:catalog:*"},
	{[]string{"registry:catalog:pull"}, ""},
	{[]string{"registry:other:*"}, ""},
	{[]string{"aws:a:pull", "repository:a:fly", "repository:a:"}, ""},
	{[]string{"repository:h:5000/a:pull", "repository:A:pull", "repository:../x:pull", "repository::pull"}, ""},
	{[]string{"XXrepository:a:pull"}, ""},
}

func TestParseScope(t *testing.T) {
	for _, tt := range scopeTests {
		s, err := ParseScope(tt.in)
		if err != nil || s.String() != tt.want {
			t.Errorf("ParseScope(%q) = %q, %v; want %q", tt.in, s, err, tt.want)
		}
	}
	for _, bad := range [][]string{{"repository"}, {"repository:a"}, {strings.Repeat("repository:a:pull ", MaxScopes+1)}} {
		var e *Error
		if _, err := ParseScope(bad); !errors.As(err, &e) || e.Kind != BadRequest {
			t.Errorf("ParseScope(%.40q) = %v, want a BadRequest", bad, err)
		}
	}
}

func FuzzParseScope(f *testing.F) {
	for _, tt := range scopeTests {
		f.Add(strings.Join(tt.in, " "))
	}
	f.Fuzz(func(t *testing.T, in string) {
		s, err := ParseScope([]string{in})
		if err != nil {
			return
		}
		again, err := ParseScope([]string{s.String()})
		if err != nil || !slices.Equal(again, s) {
			t.Fatalf("ParseScope(%q) = %q, read again %q, %v", in, s, again, err)
		}
	})
}

func TestScopeIsASet(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 8))
	random := func() Scope {
		var s []Access
		for range rnd.IntN(6) {
			s = append(s, Access{Repository, string(rune('a' + rnd.IntN(4))), Actions(rnd.IntN(8))})
		}
		return NewScope(s...)
	}
	for range 20_000 {
		s, t2 := random(), random()
		u := s.Union(t2)
		if !u.Contains(s...) || !u.Contains(t2...) {
			t.Fatalf("%v ∪ %v = %v lacks a part", s, t2, u)
		}
		for _, a := range u {
			for _, act := range []Actions{Pull, Push, Delete} {
				one := Access{a.Type, a.Name, act}
				if u.Contains(one) != (s.Contains(one) || t2.Contains(one)) {
					t.Fatalf("%v ∪ %v = %v: wrong about %v", s, t2, u, one)
				}
			}
		}
		if got := t2.Union(s); !slices.Equal(got, u) {
			t.Fatalf("%v ∪ %v = %v, the other way %v", s, t2, u, got)
		}
	}
}

func TestContainsKnowsNoPatterns(t *testing.T) {
	s := NewScope(Access{Repository, "a", Pull}, CatalogAccess())
	for a, want := range map[Access]bool{
		{Repository, "a", Pull}:        true,
		{Repository, "a", Pull | Push}: false,
		{Repository, "a/b", Pull}:      false,
		{Repository, "catalog", Any}:   false,
		{Registry, "a", Pull}:          false,
		CatalogAccess():                true,
	} {
		if got := s.Contains(a); got != want {
			t.Errorf("%v contains %v: %v, want %v", s, a, got, want)
		}
	}
	if !s.Contains() {
		t.Error("nothing is not contained")
	}
}

func TestAccessClaim(t *testing.T) {
	in := NewScope(Access{Repository, "a/b", Pull | Push})
	text, err := json.Marshal(in)
	if err != nil || string(text) != `[{"type":"repository","name":"a/b","actions":["pull","push"]}]` {
		t.Fatalf("Marshal = %s, %v", text, err)
	}
	var out []Access
	if err := json.Unmarshal([]byte(`[{"type":"repository","name":"a/b","actions":["push","fly","pull"]}]`), &out); err != nil || !slices.Equal(out, in) {
		t.Errorf("Unmarshal = %v, %v", out, err)
	}
}

var challengeTests = []struct {
	c    Challenge
	want string
}{
	{Challenge{Realm: "https://h/auth", Service: "s"}, `Bearer realm="https://h/auth",service="s"`},
	{Challenge{Realm: "https://h/auth", Service: "s", Scope: NewScope(Access{Repository, "a", Pull | Push}), Reason: InsufficientScope, Description: "no \"push\" for \\ué"},
		`Bearer realm="https://h/auth",service="s",scope="repository:a:pull,push",error="insufficient_scope",error_description="no ?push? for ?u??"`},
}

func TestChallenge(t *testing.T) {
	for _, tt := range challengeTests {
		if got := tt.c.String(); got != tt.want {
			t.Errorf("String() = %s\nwant       %s", got, tt.want)
		}
	}
}

var writeTests = []struct {
	name       string
	err        error
	wantStatus int
	wantBody   string
}{
	{"unclassified", errors.New("dial 10.0.0.1: refused"), 500, `{"errors":[{"code":"UNKNOWN","message":"internal error"}]}`},
	{"cause stays inside", Errorf(Unreachable, "registry unreachable").Because(errors.New("10.0.0.1")), 504, `{"errors":[{"code":"UNAVAILABLE","message":"registry unreachable"}]}`},
	{"wrapped", fmt.Errorf("while: %w", Errorf(NoSuchPath, "no such path")), 404, `{"errors":[{"code":"UNSUPPORTED","message":"no such path"}]}`},
	{"challenged", Errorf(Unauthenticated, "authentication required").With("Www-Authenticate", "Bearer x"), 401, `{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}`},
	{"of the token service", Errorf(Unauthenticated, "wrong password"), 401, `{"details":"wrong password","errors":[{"code":"UNAUTHORIZED","message":"wrong password"}]}`},
}

func TestWriteError(t *testing.T) {
	for _, tt := range writeTests {
		t.Run(tt.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			WriteError(w, httptest.NewRequest(http.MethodGet, "/", nil), tt.err)
			if w.Code != tt.wantStatus || w.Body.String() != tt.wantBody || w.Header().Get("Content-Type") != "application/json" {
				t.Errorf("got %d %s %v, want %d %s", w.Code, w.Body, w.Header(), tt.wantStatus, tt.wantBody)
			}
			head := httptest.NewRecorder()
			WriteError(head, httptest.NewRequest(http.MethodHead, "/", nil), tt.err)
			if head.Code != tt.wantStatus || head.Body.Len() > 0 {
				t.Errorf("HEAD: %d with %d bytes", head.Code, head.Body.Len())
			}
		})
	}
}

func TestAnonymous(t *testing.T) {
	for _, tt := range []struct {
		name  string
		grant Grant
		want  bool
	}{
		{"no token on the way to a registry that checks", Grant{}, true},
		{"the anonymous's token", Grant{Bearer: NewSecret("x"), Scope: NewScope(Access{Type: "repository", Name: "a", Actions: Pull})}, true},
		{"somebody", Grant{Subject: "alice"}, false},
		{"whom only the registry knows", Grant{Unchecked: NewSecret("Basic x")}, false},
	} {
		if got := tt.grant.Anonymous(); got != tt.want {
			t.Errorf("Anonymous() of %s = %v", tt.name, got)
		}
	}
}
