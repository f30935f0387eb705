package authsvc

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/internal/edge"
	"github.com/regate/regate/internal/oci"
)

var errDown = errors.New("directory is down")

// broken is a directory that cannot be asked about anybody.
func broken(err error) authn.Authenticator {
	return authn.Func(func(context.Context, authn.Credentials) (authn.Identity, error) {
		return authn.Identity{}, err
	})
}

var serveTests = []struct {
	name        string
	shown       shown
	chain       []authn.Authenticator // after the static users
	wantStatus  int
	wantScope   string // granted
	wantBody    string // in the answer
	wantRefused string
}{
	{name: "login without a scope", shown: shown{method: "GET", basic: "dev:dev secret"}, wantStatus: 200},
	{name: "all that was asked for", shown: shown{method: "GET", query: "scope=repository:web/shop:pull,push", basic: "dev:dev secret"}, wantStatus: 200, wantScope: "repository:web/shop:pull,push"},
	{name: "a part of it", shown: shown{method: "GET", query: "scope=repository:web/shop:*&scope=repository:pub/x:pull,push&scope=repository:ops/x:pull", basic: "dev:dev secret"}, wantStatus: 200, wantScope: "repository:pub/x:pull repository:web/shop:pull,push"},
	{name: "nothing of it is no error", shown: shown{method: "GET", query: "scope=repository:ops/x:push", basic: "dev:dev secret"}, wantStatus: 200},
	{name: "catalog", shown: shown{method: "POST", body: "scope=registry:catalog:*&service=registry.test&account=admin", basic: "admin:admin secret"}, wantStatus: 200, wantScope: "registry:catalog:*"},
	{name: "anonymous", shown: shown{method: "GET", query: "scope=repository:pub/x:pull"}, wantStatus: 200, wantScope: "repository:pub/x:pull"},
	{name: "password grant", shown: shown{method: "POST", body: "grant_type=password&username=dev&password=dev+secret&scope=repository:web/shop:pull"}, wantStatus: 200, wantScope: "repository:web/shop:pull"},
	{name: "wrong password", shown: shown{method: "GET", query: "scope=repository:pub/x:pull", basic: "dev:no"}, wantStatus: 401, wantBody: `"details":"wrong user name or password"`, wantRefused: "unauthenticated"},
	{name: "unknown user reads the same", shown: shown{method: "GET", basic: "eve:no"}, wantStatus: 401, wantBody: `"details":"wrong user name or password"`, wantRefused: "unauthenticated"},
	{name: "token as a password", shown: shown{method: "GET", basic: "dev:eyJhbGciOiJIUzI1NiJ9.e30.x"}, chain: []authn.Authenticator{broken(errDown)}, wantStatus: 401, wantRefused: "unauthenticated"},
	{name: "personal token as a password", shown: shown{method: "GET", basic: "dev:rgt_x"}, chain: []authn.Authenticator{broken(errDown)}, wantStatus: 401, wantRefused: "unauthenticated"},
	{name: "unknown service", shown: shown{method: "GET", query: "service=other", basic: "dev:dev secret"}, wantStatus: 400, wantBody: `"code":"UNSUPPORTED"`, wantRefused: "bad_request"},
	{name: "directory is down", shown: shown{method: "GET", basic: "eve:x"}, chain: []authn.Authenticator{broken(errDown)}, wantStatus: 503, wantBody: "cannot check credentials now", wantRefused: "unavailable"},
	{name: "directory is down for others", shown: shown{method: "GET", basic: "dev:dev secret"}, chain: []authn.Authenticator{broken(errDown)}, wantStatus: 200},
	{name: "too many at once", shown: shown{method: "GET", basic: "eve:x"}, chain: []authn.Authenticator{broken(authn.ErrBusy)}, wantStatus: 429, wantBody: "TOOMANYREQUESTS", wantRefused: "too_many"},
	{name: "PUT", shown: shown{method: "PUT"}, wantStatus: 405, wantRefused: "unsupported"},
}

func TestServeToken(t *testing.T) {
	for _, tt := range serveTests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, tt.chain...)
			w, body := r.ask(t, tt.shown)
			if w.Code != tt.wantStatus || !strings.Contains(w.Body.String(), tt.wantBody) {
				t.Fatalf("got %d %s, want %d with %s", w.Code, w.Body, tt.wantStatus, tt.wantBody)
			}
			if got := r.refused.Load(); got != tt.wantRefused {
				t.Errorf("observed %q, want %q", got, tt.wantRefused)
			}
			if w.Code == 200 && body["scope"] != tt.wantScope {
				t.Errorf("scope = %q, want %q", body["scope"], tt.wantScope)
			}
			if w.Header().Get("Www-Authenticate") != "" {
				t.Error("the token service sends a challenge")
			}
			if w.Header().Get("Cache-Control") != "no-store" {
				t.Error("the answer may be cached")
			}
		})
	}
}

// TestAnswerSuitsEveryClient pins what clients read (protocol.md 1.4).
func TestAnswerSuitsEveryClient(t *testing.T) {
	w, body := newRig(t).ask(t, shown{method: "GET", basic: "dev:dev secret"})
	if body["token"] == "" || body["token"] != body["access_token"] {
		t.Error("token and access_token must be there and equal")
	}
	if body["expires_in"] != float64(900) {
		t.Errorf("expires_in = %v, want 900", body["expires_in"])
	}
	for _, never := range []string{"issued_at", "refresh_token"} {
		if _, there := body[never]; there {
			t.Errorf("the answer has %s", never)
		}
	}
	if w.Header().Get("Content-Length") != fmt.Sprint(w.Body.Len()) {
		t.Error("no Content-Length")
	}
}

func TestTokenOpensTheDoor(t *testing.T) {
	r := newRig(t)
	_, body := r.ask(t, shown{method: "GET", query: "scope=repository:web/shop:pull", basic: "dev:dev secret"})
	tok := body["token"].(string)
	pull := oci.Access{Type: oci.Repository, Name: "web/shop", Actions: oci.Pull}
	push := oci.Access{Type: oci.Repository, Name: "web/shop", Actions: oci.Pull | oci.Push}
	for _, tt := range []struct {
		name, header string
		needs        []oci.Access
		want         oci.Reason
		wantMsg      string
		ok           bool
	}{
		{"what it grants", "Bearer " + tok, []oci.Access{pull}, "", "", true},
		{"scheme in any case", "bearer " + tok, []oci.Access{pull}, "", "", true},
		{"nothing, for /v2/", "Bearer " + tok, nil, "", "", true},
		{"more", "Bearer " + tok, []oci.Access{push}, oci.InsufficientScope, "dev may not push to web/shop", false},
		{"two spaces", "Bearer  " + tok, nil, oci.InvalidToken, "", false},
		{"trailing space", "Bearer " + tok + " ", nil, oci.InvalidToken, "", false},
		{"nothing shown", "", nil, oci.NoToken, "authentication required", false},
		{"no scheme", tok, nil, oci.NoToken, "", false},
		{"no token", "Bearer", nil, oci.InvalidToken, "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			grant, err := r.door.Authorize(t.Context(), oci.Shown{Authorization: oci.NewSecret(tt.header)}, tt.needs)
			if tt.ok {
				if err != nil || grant.Subject != "dev" || grant.ID == "" {
					t.Errorf("Authorize() = %v, %v", grant, err)
				}
				return
			}
			var refusal *oci.Refusal
			if !errors.As(err, &refusal) || refusal.Reason != tt.want || !strings.Contains(refusal.Msg, tt.wantMsg) {
				t.Errorf("Authorize() = %v (%#v), want a refusal for %q: %s", grant, err, tt.want, tt.wantMsg)
			}
		})
	}
}

func TestAnonymousIsOffUnlessConfigured(t *testing.T) {
	r := newRig(t)
	r.login.chain = broken(authn.ErrUnknownUser)
	if w, body := r.ask(t, shown{method: "GET"}); w.Code != 401 || body["details"] != "log in first" {
		t.Errorf("GET without credentials: %d %v, want 401", w.Code, body)
	}
}

func TestRepeatedLoginIsNotAskedAgain(t *testing.T) {
	r := newRig(t)
	for range 5 {
		if w, _ := r.ask(t, shown{method: "GET", basic: "dev:dev secret"}); w.Code != 200 {
			t.Fatal(w.Code)
		}
	}
	if got := r.asked.Load(); got != 1 {
		t.Errorf("the chain was asked %d times for one password, want once", got)
	}
	for range 2 {
		if w, _ := r.ask(t, shown{method: "GET", basic: "dev:wrong"}); w.Code != 401 {
			t.Fatal(w.Code)
		}
	}
	if got := r.asked.Load(); got != 3 {
		t.Errorf("the chain was asked %d times, want 3: a wrong password is not remembered", got)
	}
}

func TestNoSecretInTheLog(t *testing.T) {
	r := newRig(t)
	_, body := r.ask(t, shown{method: "POST", query: "password=in-query", body: "grant_type=password&username=dev&password=dev+secret"})
	r.ask(t, shown{method: "GET", basic: "dev:a-wrong-one"})
	secrets := []string{"dev secret", "dev+secret", "in-query", "a-wrong-one", body["token"].(string)}
	issued := r.logs.FilterMessage("token issued")
	if issued.Len() != 1 || issued.All()[0].ContextMap()["subject"] != "dev" {
		t.Errorf("issued tokens have these lines: %v", issued.All())
	}
	for _, e := range r.logs.All() {
		line := fmt.Sprint(e.Message, e.ContextMap())
		for _, s := range secrets {
			if strings.Contains(line, s) {
				t.Errorf("the log has a secret: %s", line)
			}
		}
	}
}

// TestOneByteAMinute is a client that never ends its login; its limits here
// are shorter than the real ones.
func TestOneByteAMinute(t *testing.T) {
	r := newLimitedRig(t, edge.BodyLimits{MaxBytes: 64 << 10, Idle: 10 * time.Second, Grace: 100 * time.Millisecond, MinRate: 1 << 10})
	srv := httptest.NewServer(r.handler)
	defer srv.Close()
	c, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(c, "POST /auth HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000\r\n\r\ng"); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != 400 || !res.Close {
		t.Errorf("got %d, close %v; want 400 and the end of the connection", res.StatusCode, res.Close)
	}
}

// TestTokenTooLong: asking again would not help, so it is no 503.
func TestTokenTooLong(t *testing.T) {
	r := newRig(t)
	var scopes []string
	for i := range 100 {
		scopes = append(scopes, fmt.Sprintf("scope=repository:%s%d:pull", strings.Repeat("long-name/", 20), i))
	}
	if w, _ := r.ask(t, shown{method: "GET", query: strings.Join(scopes, "&"), basic: "admin:admin secret"}); w.Code != 400 {
		t.Errorf("got %d %s, want 400", w.Code, w.Body)
	}
}

func TestLogOfATokenIsBounded(t *testing.T) {
	r := newRig(t)
	r.ask(t, shown{method: "POST", body: "client_id=" + strings.Repeat("x", 60_000), basic: "dev:dev secret"})
	for _, e := range r.logs.All() {
		if line := fmt.Sprint(e.ContextMap()); len(line) > 8<<10 {
			t.Errorf("a line of %d bytes: %.100s", len(line), line)
		}
	}
	if r.logs.FilterMessage("token issued").Len() != 1 {
		t.Error("no token was issued")
	}
}

func TestWhoHasLeftWasNotRefused(t *testing.T) {
	r := newRig(t, authn.Func(func(ctx context.Context, _ authn.Credentials) (authn.Identity, error) {
		return authn.Identity{}, ctx.Err()
	}))
	r.refused.Store("nobody")
	gone, leave := context.WithCancel(t.Context())
	leave()
	defer func() {
		if v := recover(); v != nil && v != http.ErrAbortHandler {
			panic(v)
		}
		if got := r.refused.Load(); got != "nobody" {
			t.Errorf("observed %q", got)
		}
	}()
	r.handler.ServeHTTP(httptest.NewRecorder(), shown{method: "GET", basic: "eve:x"}.request().WithContext(gone))
}

func TestBodyTooLarge(t *testing.T) {
	w, _ := newRig(t).ask(t, shown{method: "POST", body: strings.Repeat("a", 64<<10+1)})
	if w.Code != 413 {
		t.Errorf("got %d, want 413", w.Code)
	}
}

func BenchmarkRepeatedLogin(b *testing.B) {
	r := newRig(b)
	s := shown{method: "GET", query: "service=registry.test&scope=repository:web/shop:pull,push", basic: "dev:dev secret"}
	b.ReportAllocs()
	for b.Loop() {
		w := httptest.NewRecorder()
		r.handler.ServeHTTP(w, s.request())
		if w.Code != 200 {
			b.Fatal(w.Code)
		}
	}
	if r.asked.Load() != 1 {
		b.Fatalf("the chain was asked %d times", r.asked.Load())
	}
}
