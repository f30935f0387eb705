package gate

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// wrong are credentials of dev's that are not good.
const wrong = "Basic ZGV2Om5v" // dev:no

func TestBasicWithoutToken(t *testing.T) {
	t.Parallel()
	var seen atomic.Value
	registry := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen.Store(r.Header.Get("Authorization"))
		_, _ = io.WriteString(w, `{"repositories":[]}`)
	}))
	t.Cleanup(registry.Close)
	g := start(t, config(t, registry.URL, ""))
	const catalog = "/v2/_catalog"
	_, _, asked := g.get("https", catalog)
	challenge := asked.Get("Www-Authenticate")
	if !strings.HasPrefix(challenge, `Bearer realm="https://`) {
		t.Fatalf("the challenge of the anonymous is %q", challenge)
	}
	for _, tt := range []struct {
		path, header  string
		want          int
		wantBody      string
		wantChallenge bool
	}{
		{catalog, basic, 200, "repositories", false},
		{"/v2/", basic, 200, "{}", false},
		{catalog, wrong, 401, "wrong user name or password", true},
		{catalog, "Basic !", 401, "log in with Basic credentials", true},
	} {
		status, body, header := g.get("https", tt.path, "Authorization", tt.header)
		if status != tt.want || !strings.Contains(body, tt.wantBody) {
			t.Errorf("GET %s with %s: %d %s, want %d with %s", tt.path, tt.header, status, body, tt.want, tt.wantBody)
		}
		if got := header.Values("Www-Authenticate"); tt.wantChallenge && (len(got) != 1 || got[0] != challenge) || !tt.wantChallenge && got != nil {
			t.Errorf("GET %s with %s: challenge %q, want %q: %v", tt.path, tt.header, got, challenge, tt.wantChallenge)
		}
	}
	if got := seen.Load(); got != "" {
		t.Errorf("a registry that trusts its network was shown %q", got)
	}
	g.until("the account in the log", func() bool { return g.logged(`"status":401`) && g.logged(`"subject":"dev"`) })
}

// TestBodyIsNotReadBeforeTheLogin: whoever waits for a go-ahead gets the
// refusal instead.
func TestBodyIsNotReadBeforeTheLogin(t *testing.T) {
	t.Parallel()
	g := start(t, config(t, "http://127.0.0.1:1", ""))
	trust := g.https.Transport.(*http.Transport).TLSClientConfig.RootCAs
	c, err := tls.Dial("tcp", g.Addrs["https"], &tls.Config{RootCAs: trust})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	_, err = fmt.Fprintf(c, "PUT /v2/a/manifests/1 HTTP/1.1\r\nHost: %s\r\nAuthorization: %s\r\nExpect: 100-continue\r\nContent-Length: 1000000\r\n\r\n",
		g.Addrs["https"], wrong)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != 401 {
		t.Errorf("got %s, want 401 and no 100 before it", res.Status)
	}
}
