package e2e

import (
	"context"
	"fmt"
	"html"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/regate/regate/e2e/testbed"
	"github.com/regate/regate/e2e/tool"
)

// A visitor has a browser: it keeps cookies, follows what it is sent to, and
// presses buttons.
type visitor struct {
	t      *testing.T
	site   *site
	client *http.Client
}

// visitor returns somebody with a browser of their own. By dial they get to
// the provider; nil is the usual way.
func (s *site) visitor(t *testing.T, dial func(context.Context, string, string) (net.Conn, error)) *visitor {
	t.Helper()
	jar, err := cookiejar.New(nil)
	must(t, err)
	c := s.gate.CA.HTTP()
	c.Jar, c.CheckRedirect = jar, nil
	if dial != nil {
		c.Transport = &http.Transport{TLSClientConfig: s.gate.CA.TLS(), DialContext: dial}
	}
	return &visitor{t, s, c}
}

// A view is what a browser shows in the end.
type view struct {
	status int
	path   string
	text   string
}

func (v *visitor) read(res *http.Response, err error) view {
	v.t.Helper()
	must(v.t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	must(v.t, err)
	return view{res.StatusCode, res.Request.URL.Path, string(text)}
}

func (v *visitor) open(path string) view {
	v.t.Helper()
	return v.read(v.client.Get(v.site.gate.URL + path))
}

var (
	csrfField = regexp.MustCompile(`name="csrf" value="([^"]+)"`)
	tokenText = regexp.MustCompile(`<pre id="token">(rgt_[0-9A-Za-z_]+)</pre>`)
)

// token logs in at the provider, makes a token and returns it.
func (v *visitor) token(callback, account string) string {
	v.t.Helper()
	tokens := v.open(callback)
	if tokens.status != 200 || tokens.path != "/tokens" || !strings.Contains(tokens.text, "<strong>"+html.EscapeString(account)+"</strong>") {
		v.t.Fatalf("login ends at %s with %d:\n%s", tokens.path, tokens.status, tokens.text)
	}
	csrf := csrfField.FindStringSubmatch(tokens.text)
	if csrf == nil {
		v.t.Fatalf("no form:\n%s", tokens.text)
	}
	form := url.Values{"csrf": {html.UnescapeString(csrf[1])}, "do": {"make"}, "name": {"laptop"}, "life": {"30d"}}
	req, err := http.NewRequestWithContext(v.t.Context(), "POST", v.site.gate.URL+"/tokens", strings.NewReader(form.Encode()))
	must(v.t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", v.site.gate.URL)
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	made := v.read(v.client.Do(req))
	token := tokenText.FindStringSubmatch(made.text)
	if token == nil {
		v.t.Fatalf("no token, but %d:\n%s", made.status, made.text)
	}
	testbed.Secret(token[1])
	return token[1]
}

// browserExample returns the configuration in docs/browser-logins.md for this
// section, with more keys in it. The provider is asked at each use.
func browserExample(t *testing.T, section, more string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(tool.Root(), "docs", "browser-logins.md"))
	must(t, err)
	secret := filepath.Join(testbed.Dir(t), "secret")
	save(t, secret, testbed.ProviderSecret+"\n")
	for _, block := range strings.Split(string(text), "```yaml\n")[1:] {
		yaml, _, _ := strings.Cut(block, "```")
		if !strings.HasPrefix(yaml, "auth:\n  "+section+":\n") {
			continue
		}
		for _, line := range [][2]string{
			{"    gitlab_web_uri: .*\n", ""}, {"client_id: .*", "client_id: " + testbed.ProviderClient},
			{"client_secret_file: .*", "client_secret_file: " + secret + "\n    revalidate_after: 1s" + more},
		} {
			yaml = regexp.MustCompile(line[0]).ReplaceAllLiteralString(yaml, line[1])
		}
		return strings.Replace(yaml, "auth:\n", fmt.Sprintf("auth:\n  users: {\"dev\": {password: %q}}\n", testbed.Bcrypt(t, devPassword)), 1)
	}
	t.Fatalf("docs/browser-logins.md has no example of %s", section)
	return ""
}

// startProvided starts a gate with this auth section in front of a registry.
func startProvided(t *testing.T, ca *testbed.CA, auth string, env ...string) *site {
	t.Helper()
	s := &site{gate: testbed.NewGate(t, ca)}
	s.gate.Env = env
	addr := testbed.LocalAddr()
	s.gate.Configure(t, fmt.Sprintf("registries: {main: {upstreams: [\"http://%s\"]}}\n%s", addr, auth))
	s.registry = testbed.StartRegistry(t, testbed.RegistryConfig{Version: testbed.Registry3, Addr: addr})
	s.gate.Start(t)
	return s
}

// A community is a provider with the people of a test, and where they come back.
type community struct {
	*testbed.Provider
	callback         string
	member, stranger testbed.Human
	account          string // of member
	mine, others     string // repositories of the member's group, and of another
	moved            testbed.Human
	refusal          string // what the stranger reads
	dial             func(context.Context, string, string) (net.Conn, error)
}

func TestGitHubLogin(t *testing.T) {
	t.Parallel()
	ca := testbed.NewCA(t)
	p := testbed.StartGitHub(t, ca)
	s := startProvided(t, ca, browserExample(t, "github_auth", "\n    github_web_uri: "+p.URL+"\n    ca_certificate: "+ca.File))
	community{
		Provider: p, callback: "/github_auth", account: "alice", mine: "web/app", others: "shop/app",
		member:   testbed.Human{Name: "Alice", ID: 1, Groups: []string{"acme/web", "other/shop"}},
		moved:    testbed.Human{Name: "Alice", ID: 1, Groups: []string{"acme/shop"}},
		stranger: testbed.Human{Name: "Mallory", ID: 2, Outsider: true, Groups: []string{"other/registry-admins"}},
		refusal:  "not in the organization acme",
	}.works(t, s)
}

func TestGitLabLogin(t *testing.T) {
	t.Parallel()
	ca := testbed.NewCA(t)
	p := testbed.StartGitLab(t, ca)
	s := startProvided(t, ca, browserExample(t, "gitlab_auth", "\n    gitlab_web_uri: "+p.URL+"\n    ca_certificate: "+ca.File))
	community{
		Provider: p, callback: "/gitlab_auth", account: "alice", mine: "acme/web/app", others: "acme/shop/app",
		member:   testbed.Human{Name: "Alice", ID: 1, Groups: []string{"acme", "acme/web"}},
		moved:    testbed.Human{Name: "Alice", ID: 1, Groups: []string{"acme", "acme/shop"}},
		stranger: testbed.Human{Name: "mallory", ID: 2, Groups: []string{"acme/web", "evil/acme"}},
		refusal:  "not in the group acme",
	}.works(t, s)
}

// TestGoogleLogin has Google under its own names, behind the proxy of a
// company network.
func TestGoogleLogin(t *testing.T) {
	t.Parallel()
	ca := testbed.NewCA(t)
	g := testbed.StartGoogle(t, ca)
	s := startProvided(t, ca, browserExample(t, "google_auth", ""), "HTTPS_PROXY="+g.Proxy, "SSL_CERT_FILE="+ca.File)
	community{
		Provider: g.Provider, callback: "/google_auth", account: "carol@example.com", mine: "",
		member:   testbed.Human{Name: "carol", Email: "Carol@example.com"},
		stranger: testbed.Human{Name: "mallory", Email: "alice@example.com", Private: true},
		refusal:  "The account alice@example.com is not one of example.com.",
		dial:     g.Dial,
	}.works(t, s)
	if n := g.Asked("/o/oauth2/v2/auth"); n != 3 {
		t.Errorf("Google was visited %d times by a stranger, and a member whose consent was needed", n)
	}
}

// works: a member logs in, and gets what the groups of the moment say, until
// the provider says no.
func (c community) works(t *testing.T, s *site) {
	c.Visit(c.stranger)
	if p := s.visitor(t, c.dial).open(c.callback); p.status != 403 || !strings.Contains(p.text, c.refusal) || p.path != c.callback {
		t.Errorf("a stranger reads %d at %s:\n%s", p.status, p.path, p.text)
	}
	c.Visit(c.member)
	token := s.visitor(t, c.dial).token(c.callback, c.account)
	c.pushes(t, s, token)
	if c.mine != "" {
		c.Visit(c.moved)
		eventually(t, "the groups of now", func() bool {
			return s.scope(t, c.account, token, c.asked()) == "repository:"+c.others+":pull,push"
		})
	}
	c.isDown(t, s, token)
	c.leaves(t, s, token)
}

// pushes: as the label says, or with Google, which has none, pulls only.
func (c community) pushes(t *testing.T, s *site, token string) {
	t.Helper()
	crane := s.client(t, "crane")
	must(t, crane.Login(c.account, token))
	if c.mine == "" {
		if got := s.scope(t, c.account, token, "repository:any/app:pull,push"); got != "repository:any/app:pull" {
			t.Errorf("granted %q", got)
		}
		return
	}
	_, err := crane.Push(c.mine, version)
	must(t, err)
	if _, err := crane.Push(c.others, version); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("push to another group's repository: %v", err)
	}
	if got, want := s.scope(t, c.account, token, c.asked()), "repository:"+c.mine+":pull,push"; got != want {
		t.Errorf("granted %q, want %q", got, want)
	}
}

// asked is the repository of each group.
func (c community) asked() string {
	return "repository:" + c.mine + ":pull,push repository:" + c.others + ":pull,push"
}

// isDown: tokens go on working, and people read why they cannot log in.
func (c community) isDown(t *testing.T, s *site, token string) {
	t.Helper()
	c.Fail(http.StatusBadGateway)
	warning := `"provider cannot be asked, its last word counts for a day"`
	eventually(t, "a renewal in vain", func() bool {
		if status, body := s.login(t, c.account, token, ""); status != 200 {
			t.Fatalf("while the provider is down: %d %s", status, body)
		}
		return strings.Contains(s.gate.Log(), warning)
	})
	if status, body := s.login(t, "dev", devPassword, ""); status != 200 {
		t.Errorf("a user of the file while the provider is down: %d %s", status, body)
	}
	c.Fail(0)
}

// leaves: whoever is no member any more is out, and their token with them.
func (c community) leaves(t *testing.T, s *site, token string) {
	t.Helper()
	c.Visit(c.stranger)
	c.Withdraw()
	s.gate.Stop(t) // who was asked in vain is left alone for a while, by this gate
	s.gate.Start(t)
	eventually(t, "the end of the login", func() bool {
		status, _ := s.login(t, c.account, token, "")
		return status == 401
	})
	if log := s.gate.Log(); !strings.Contains(log, `"login ended"`) || !strings.Contains(log, `"tokens revoked"`) {
		t.Error("the log does not say that the login has ended, and its tokens")
	}
	c.Visit(c.member)
	if status, _ := s.login(t, c.account, token, ""); status != 401 {
		t.Errorf("a token that was revoked is good again: %d", status)
	}
}
