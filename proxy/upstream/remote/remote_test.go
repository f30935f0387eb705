package remote

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/regate/regate/internal/oci"
)

// TestDance: a token is got once, for the repository alone, and shown again.
func TestDance(t *testing.T) {
	g := newRig(t, "gate")
	for range 3 {
		res, err := g.get(t, "library/alpine")
		if err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("Send() = %v, %v", res, err)
		}
	}
	if got, want := g.counts(), [2]int{4, 1}; got != want {
		t.Errorf("%v requests to the registry and for tokens, want %v", got, want)
	}
	ask := g.asked[0]
	want := "account=gate&scope=repository%3Alibrary%2Falpine%3Apull&service=far"
	if ask.URL.RawQuery != want || ask.Method != http.MethodGet {
		t.Errorf("asked for a token with %s ?%s, want %s", ask.Method, ask.URL.RawQuery, want)
	}
	if got, want := ask.Header.Get("Authorization"), "Basic "+base64.StdEncoding.EncodeToString([]byte("gate:"+password)); got != want {
		t.Errorf("the token server saw %q", got)
	}
	for i, r := range g.seen {
		for _, name := range fields[1:] {
			if v := r.Header.Get(name); v != "" {
				t.Errorf("request %d shows %s: %q", i, name, v)
			}
		}
		if v := r.Header.Get("Authorization"); v != "" && v != "Bearer token-1" {
			t.Errorf("request %d shows %q", i, v)
		}
	}
}

func TestTokensAreOfOneRepository(t *testing.T) {
	g := newRig(t, "")
	for _, repo := range []string{"a/b", "c/d"} {
		if _, err := g.get(t, repo); err != nil {
			t.Fatal(err)
		}
	}
	for i, repo := range []string{"a/b", "c/d"} {
		if got := g.asked[i].URL.Query()["scope"]; !slices.Equal(got, []string{"repository:" + repo + ":pull"}) {
			t.Errorf("token %d is for %q", i, got)
		}
		if g.asked[i].Header.Get("Authorization") != "" || g.asked[i].URL.Query().Has("account") {
			t.Errorf("token %d was asked for in somebody's name", i)
		}
	}
}

// TestTokenEnds: one that expires is replaced before the registry refuses it,
// and one that the registry refuses, at once.
func TestTokenEnds(t *testing.T) {
	g := newRig(t, "")
	steps := []struct {
		name string
		do   func()
		want [2]int
	}{
		{"first", func() {}, [2]int{2, 1}},
		{"soon after", func() { g.pass(50 * time.Second) }, [2]int{3, 1}},
		{"before it ends", func() { g.pass(5 * time.Second) }, [2]int{4, 2}},
		{"revoked", func() { g.note(&g.asked, nil) }, [2]int{6, 4}}, // the one more makes another token the newest
	}
	for _, s := range steps {
		s.do()
		if res, err := g.get(t, "a/b"); err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("%s: %v, %v", s.name, res, err)
		}
		if got := g.counts(); got != s.want {
			t.Errorf("%s: %v requests, want %v", s.name, got, s.want)
		}
	}
}

func TestOneTokenForManyAtOnce(t *testing.T) {
	g := newRig(t, "")
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if res, err := g.get(t, "a/b"); err != nil || res.StatusCode != http.StatusOK {
				t.Errorf("%v, %v", res, err)
			}
		})
	}
	all.Wait()
	if n := g.counts()[1]; n != 1 {
		t.Errorf("%d tokens were asked for", n)
	}
}

func TestBasic(t *testing.T) {
	g := newRig(t, "gate")
	g.answer = func(w http.ResponseWriter, r *http.Request) {
		if user, pass, _ := r.BasicAuth(); user != "gate" || pass != password {
			w.Header().Set("Www-Authenticate", `Basic realm="far"`)
			w.WriteHeader(http.StatusUnauthorized)
		}
	}
	for range 2 {
		if res, err := g.get(t, "a/b"); err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("%v, %v", res, err)
		}
	}
	if got, want := g.counts(), [2]int{3, 0}; got != want {
		t.Errorf("%v requests, want %v", got, want)
	}
}

// TestWrongPasswordIsNotTriedAgain, or the account would be locked.
func TestWrongPasswordIsNotTriedAgain(t *testing.T) {
	deny := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }
	basic := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Www-Authenticate", `Basic realm="far"`)
		w.WriteHeader(http.StatusUnauthorized)
	}
	for _, tt := range []struct {
		name                string
		answer              http.HandlerFunc
		first, then, at30th [2]int
	}{
		{"token server", nil, [2]int{1, 2}, [2]int{1, 2}, [2]int{1, 4}},
		{"registry", basic, [2]int{3, 0}, [2]int{3, 0}, [2]int{5, 0}},
	} {
		g := newRig(t, "gate")
		g.give = deny
		if tt.answer != nil {
			g.answer = tt.answer
		}
		for i, want := range [][2]int{tt.first, tt.then, tt.at30th} {
			if i == 2 {
				g.pass(lockTime)
			}
			_, err := g.get(t, "a/b")
			check(t, err, oci.BadGateway, "far.example does not know this gate's account")
			if got := g.counts(); got != want {
				t.Errorf("%s: after request %d %v were sent, want %v", tt.name, i, got, want)
			}
		}
	}
}

// TestOneRepositoryLocksNoOther: some registries answer 401 for what an account
// may not see, as if they did not know it. Whoever may ask for a name could have
// everybody else turned away.
func TestOneRepositoryLocksNoOther(t *testing.T) {
	for _, basic := range []bool{false, true} {
		g := newRig(t, "gate")
		g.give = func(w http.ResponseWriter, r *http.Request) {
			if user, _, _ := r.BasicAuth(); user != "gate" || strings.Contains(r.URL.Query().Get("scope"), "a/secret") {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			fmt.Fprintf(w, `{"token":%q}`, g.newest())
		}
		if basic {
			g.answer = func(w http.ResponseWriter, r *http.Request) {
				if user, _, _ := r.BasicAuth(); user != "gate" || strings.Contains(r.URL.Path, "a/secret") {
					w.Header().Set("Www-Authenticate", `Basic realm="far"`)
					w.WriteHeader(http.StatusUnauthorized)
				}
			}
		}
		for range 2 {
			_, err := g.get(t, "a/secret")
			check(t, err, oci.UnknownName, "far.example has no such repository")
		}
		if res, err := g.get(t, "a/b"); err != nil || res.StatusCode != http.StatusOK {
			t.Errorf("Basic: %v: another repository: %v, %v", basic, res, err)
		}
	}
}

// check wants an error of a kind, with a text for clients.
func check(t *testing.T, err error, kind oci.Kind, msg string) {
	t.Helper()
	var e *oci.Error
	if !errors.As(err, &e) || e.Kind != kind || !strings.Contains(e.Msg, msg) {
		t.Errorf("error %v, want %v with %q", err, kind, msg)
	}
	if e != nil && e.Header.Get("Www-Authenticate") != "" {
		t.Errorf("a challenge gets out: %v", e.Header)
	}
	if text := fmt.Sprint(err); strings.Contains(text, password) || strings.Contains(text, base64.StdEncoding.EncodeToString([]byte("gate:"+password))) {
		t.Errorf("the password is in %q", text)
	}
}

var noAccessTests = []struct {
	name, user, path string
	answer, give     int // statuses
	challenge        string
	want             oci.Kind
}{
	{"token is not enough", "gate", "/manifests/1", 401, 200, "", oci.UnknownName},
	{"forbidden", "gate", "/blobs/x", 403, 200, "", oci.UnknownName},
	{"forbidden referrers", "gate", "/referrers/x", 403, 200, "", oci.NoSuchPath},
	{"no token for that", "gate", "/manifests/1", 401, 403, "", oci.UnknownName},
	{"no token for nobody", "", "/manifests/1", 401, 401, "", oci.UnknownName},
	{"password wanted", "", "/manifests/1", 401, 200, `Basic realm="x"`, oci.UnknownName},
}

func TestNoAccess(t *testing.T) {
	for _, tt := range noAccessTests {
		t.Run(tt.name, func(t *testing.T) {
			g := newRig(t, tt.user)
			g.answer = func(w http.ResponseWriter, _ *http.Request) {
				if tt.answer == http.StatusUnauthorized && tt.challenge == "" {
					g.challenge(w, g.tokens.URL)
					return
				}
				w.Header().Set("Www-Authenticate", tt.challenge)
				w.WriteHeader(tt.answer)
			}
			g.give = func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(tt.give)
				fmt.Fprint(w, `{"token":"t"}`)
			}
			_, err := g.get(t, "a/b", tt.path)
			check(t, err, tt.want, "far.example has no such repository")
			if !slices.Equal(g.reasons, []string{NoAccess}) {
				t.Errorf("counted %q", g.reasons)
			}
		})
	}
}
