package remote

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/regate/regate/internal/oci"
)

// TestRealms: whoever answers at a realm sees the gate's password.
func TestRealms(t *testing.T) {
	trap := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("the trap was sent %s %s, Authorization %q", r.Method, r.URL, r.Header.Get("Authorization"))
	}))
	defer trap.Close()
	for _, tt := range []struct{ name, realm, want string }{
		{"foreign", trap.URL + "/token", "add it to token_hosts"},
		{"foreign port", "https://127.0.0.1/token", "add it to token_hosts"},
		{"no TLS", "http://TOKENS/token", "is not https"},
		{"own host without TLS", "http://REGISTRY/token", "is not https"},
		{"user", "https://u:p@TOKENS/token", "has a user"},
		{"user that looks like a host", "https://TOKENS@" + strings.TrimPrefix(trap.URL, "https://"), "has a user"},
		{"other scheme", "file:///etc/passwd", "no URL of a host"},
		{"scheme without slashes", "https:TOKENS", "no URL of a host"},
		{"no scheme", "//TOKENS/token", "is not https"},
		{"path alone", "/token", "no URL of a host"},
		{"nothing", "", "no URL of a host"},
		{"no URL", "https://[::1/", "no URL of a host"},
		{"endless", "https://TOKENS/" + strings.Repeat("a", 4<<10), "no URL of a host"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := newRig(t, "gate")
			names := strings.NewReplacer("TOKENS", g.tokens.Listener.Addr().String(), "REGISTRY", g.registry.Listener.Addr().String())
			g.answer = func(w http.ResponseWriter, _ *http.Request) { g.challenge(w, names.Replace(tt.realm)) }
			_, err := g.get(t, "a/b")
			check(t, err, oci.BadGateway, "cannot be asked for tokens")
			if !strings.Contains(fmt.Sprint(err), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
			if len(g.asked) > 0 || !slices.Equal(g.reasons, []string{BadChallenge}) {
				t.Errorf("%d tokens asked for, counted %q", len(g.asked), g.reasons)
			}
		})
	}
}

func TestRealmAtOwnHost(t *testing.T) {
	g := newRig(t, "gate")
	wants := g.answer
	g.answer = func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/token" {
			fmt.Fprint(w, `{"access_token":"token-0"}`)
			return
		}
		if r.Header.Get("Authorization") == "" {
			g.challenge(w, g.registry.URL+"/token?kept=1")
			return
		}
		wants(w, r)
	}
	if res, err := g.get(t, "a/b"); err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%v, %v", res, err)
	}
	if ask := g.seen[1]; ask.URL.Query().Get("kept") != "1" || ask.URL.Query().Get("scope") != "repository:a/b:pull" {
		t.Errorf("asked for %s", ask.URL)
	}
}

// TestChallengeSaysNothingOfScope: a registry that asks for another repository
// gets no token for that.
func TestChallengeSaysNothingOfScope(t *testing.T) {
	g := newRig(t, "gate") // whose challenge is for team/secret, and for push
	if _, err := g.get(t, "a/b"); err != nil {
		t.Fatal(err)
	}
	if got := g.asked[0].URL.Query()["scope"]; !slices.Equal(got, []string{"repository:a/b:pull"}) {
		t.Errorf("asked for %q", got)
	}
}

var badTokenTests = []struct {
	name string
	give http.HandlerFunc
	kind oci.Kind
	want string
}{
	{"redirect", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://other.example/", http.StatusTemporaryRedirect)
	}, oci.BadGateway, "answered 307"},
	{"HTML", text("<html>Sign in"), oci.BadGateway, "no JSON of a token"},
	{"nothing", text(""), oci.BadGateway, "no JSON of a token"},
	{"no token", text(`{"expires_in":60}`), oci.BadGateway, "has no token"},
	{"number", text(`{"token":1}`), oci.BadGateway, "no JSON of a token"},
	{"giant token", text(`{"token":"` + strings.Repeat("a", mostToken+1) + `"}`), oci.BadGateway, "larger than 16 KiB"},
	{"giant answer", text(`{"token":"t","pad":"` + strings.Repeat("a", mostReply) + `"}`), oci.BadGateway, "larger than 64 KiB"},
	{"line break", text(`{"token":"a\r\nX-Evil: b"}`), oci.BadGateway, "holds what no header may"},
	{"400", status(400), oci.BadGateway, "answered 400"},
	{"500", status(500), oci.Unreachable, "answered 500"},
	{"503", status(503), oci.Unreachable, "answered 503"},
	{"broken off", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, oci.Unreachable, "EOF"},
}

func text(s string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, s) }
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func TestBadTokens(t *testing.T) {
	for _, tt := range badTokenTests {
		t.Run(tt.name, func(t *testing.T) {
			g := newRig(t, "gate")
			g.give = tt.give
			_, err := g.get(t, "a/b")
			check(t, err, tt.kind, "the token server of far.example")
			if !strings.Contains(fmt.Sprint(err), tt.want) || strings.Contains(fmt.Sprint(err), "aaaa") {
				t.Errorf("error %v, want %q", err, tt.want)
			}
			if n := len(g.seen); n != 1 {
				t.Errorf("the registry was asked %d times", n)
			}
		})
	}
}

// TestLifeOfTokens: no server can have the gate keep one for ever, or show one
// that is over.
func TestLifeOfTokens(t *testing.T) {
	for _, tt := range []struct {
		expiresIn string
		want      time.Duration
	}{
		{"", 54 * time.Second},
		{"null", 54 * time.Second},
		{"300", 270 * time.Second},
		{"1e400", 54 * time.Second},
		{"999999999999", 54 * time.Minute},
		{"0", 0},
		{"-1", 0},
		{"-1e300", 0},
		{`"300"`, 54 * time.Second},
		{`{"a":1}`, 54 * time.Second},
	} {
		if got := life(json.RawMessage(tt.expiresIn)); got != tt.want {
			t.Errorf("life(%s) = %v, want %v", tt.expiresIn, got, tt.want)
		}
	}
}

func TestTokenThatIsOverIsShownOnce(t *testing.T) {
	g := newRig(t, "")
	g.give = func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"token":%q,"expires_in":-5}`, g.newest())
	}
	for i := range 3 {
		if res, err := g.get(t, "a/b"); err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("%v, %v", res, err)
		}
		if n := g.counts()[1]; n != i+1 {
			t.Errorf("%d tokens after request %d", n, i)
		}
	}
}

// TestLogsAreClean: whatever happens, no password or token is logged.
func TestLogsAreClean(t *testing.T) {
	g := newRig(t, "gate")
	for _, answer := range []http.HandlerFunc{g.answer, status(429), status(403)} {
		g.answer = answer
		_, _ = g.get(t, "a/b")
	}
	for _, line := range g.logs.All() {
		if text := fmt.Sprint(line.Message, line.ContextMap()); strings.Contains(text, password) || strings.Contains(text, "token-") {
			t.Errorf("logged: %s", text)
		}
	}
	if g.logs.Len() == 0 {
		t.Error("nothing was logged, so this shows nothing")
	}
}
