package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/regate/regate/e2e/testbed"
)

// startPages starts a gate with the example of the documentation, where people
// log in at a real OIDC provider. Their groups are folders in which they may push.
func startPages(t *testing.T, e engines) (*site, *testbed.OIDC) {
	t.Helper()
	s := &site{gate: testbed.NewGate(t, testbed.NewCA(t)), engines: e}
	idp := testbed.StartOIDC(t, s.gate)
	addr := testbed.LocalAddr()
	auth := browserExample(t, "oidc_auth", "\n    prompt: consent\n    title: Example\n    scopes: [openid, email, groups, offline_access]")
	auth = regexp.MustCompile(`issuer: .*`).ReplaceAllLiteralString(auth, "issuer: "+idp.Issuer)
	auth = strings.Replace(auth, "users: {", fmt.Sprintf("users: {\"taken@example.com\": {password: %q}, ", testbed.Bcrypt(t, adminPassword)), 1)
	s.gate.Configure(t, fmt.Sprintf("registries: {main: {upstreams: [\"http://%s\"]}}\n%s", addr, auth))
	s.registry = testbed.StartRegistry(t, testbed.RegistryConfig{Version: testbed.Registry3, Addr: addr})
	s.gate.Start(t)
	return s, idp
}

// A window is one of a browser, in which somebody looks at a gate.
type window struct {
	t    *testing.T
	ctx  context.Context
	gate *testbed.Gate
}

// do does the steps one after the other, each as soon as it can be done.
func (w *window) do(what string, steps ...chromedp.Action[chromedp.Void]) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, testbed.Patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		at, _ := chromedp.Run(w.ctx, chromedp.Location())
		w.t.Fatalf("%s: %v\nat %s\n%s", what, err, at, w.html())
	}
}

// html is the page as it is now.
func (w *window) html() string {
	w.t.Helper()
	page, err := chromedp.Run(w.ctx, chromedp.OuterHTML(chromedp.CSS("html")))
	must(w.t, err)
	return page
}

// picture keeps how the page looks in SCREENSHOTS, if somebody wants to see it:
// light, dark, and on a phone.
func (w *window) picture(name string) {
	w.t.Helper()
	dir := os.Getenv("SCREENSHOTS")
	if dir == "" {
		return
	}
	for look, size := range map[string][2]int64{"light": {1000, 800}, "dark": {1000, 800}, "narrow": {360, 740}} {
		scheme := &emulation.MediaFeature{Name: "prefers-color-scheme", Value: strings.Replace(look, "narrow", "light", 1)}
		_, err := chromedp.Call(w.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{scheme}})
		must(w.t, err)
		w.do("turn the phone", chromedp.EmulateViewport(size[0], size[1]))
		png, err := chromedp.Run(w.ctx, chromedp.FullScreenshot(100))
		must(w.t, err)
		must(w.t, os.WriteFile(filepath.Join(dir, name+"-"+look+".png"), png, 0o644))
	}
}

// text is what stands in an element.
func (w *window) text(selector string) string {
	w.t.Helper()
	w.do("look for "+selector, chromedp.WaitVisible(chromedp.CSS(selector)))
	text, err := chromedp.Run(w.ctx, chromedp.Text(chromedp.CSS(selector)))
	must(w.t, err)
	return strings.TrimSpace(text)
}

// click presses a button that leads to another page, where then is an element.
func (w *window) click(selector, then string) {
	w.t.Helper()
	w.do("click on "+selector, chromedp.Click(chromedp.CSS(selector)), chromedp.WaitVisible(chromedp.CSS(then)))
}

// logIn logs in at the provider, from the front page of the gate.
func (w *window) logIn(account string) {
	w.t.Helper()
	w.do("open the gate", chromedp.Navigate(w.gate.URL), chromedp.WaitVisible(chromedp.CSS(`a[href="/oidc_auth"]`)))
	w.picture("login")
	w.click(`a[href="/oidc_auth"]`, `input[name=login]`)
	w.do("log in", chromedp.SendKeys(chromedp.CSS(`input[name=login]`), account), chromedp.SendKeys(chromedp.CSS(`input[name=password]`), "any"))
	w.click(`button[type=submit]`, `input[name=prompt][value=consent] ~ button`)
	w.do("agree", chromedp.Submit(chromedp.CSS(`form`)), chromedp.WaitVisible(chromedp.CSS(`form.make`)))
}

// makeToken makes a token and returns its text, once the page lists it: the text
// of the token that was made before may stand there until then.
func (w *window) makeToken(name string) string {
	w.t.Helper()
	w.do("name the token", chromedp.SendKeys(chromedp.CSS(`input[name=name]`), name))
	w.click(`form.make button`, revoking(name))
	text := w.text("#token")
	testbed.Secret(text)
	return text
}

// revoke ends a token, and waits for the page without it: what is read of one
// that is about to go may never come.
func (w *window) revoke(name string) {
	w.t.Helper()
	w.click(revoking(name), "section:not(:has("+revoking(name)+"))")
}

// revoking selects the button that revokes the token of a name.
func revoking(name string) string {
	return fmt.Sprintf("button[aria-label=%q]", "Revoke "+name)
}

var whole = regexp.MustCompile(`^rgt_[0-9A-Za-z]{14}_[0-9A-Za-z]{49}$`)

// TestBrowser: somebody logs in with a real browser at a real provider, makes a
// token, uses it with docker, and revokes it.
func TestBrowser(t *testing.T) {
	t.Parallel()
	s, idp := startPages(t, engines{docker: testbed.StartDocker(t)})
	idp.Know(t, map[string]testbed.Account{
		"alice": {Email: "Alice@Example.com", Groups: []string{"web", "infra"}},
		"taken": {Email: "taken@example.com", Groups: []string{"web"}},
	})
	w := &window{t, testbed.Chromium(t, s.gate), s.gate}
	w.logIn("alice")
	w.picture("tokens-none")
	text := w.makeToken("work laptop")
	w.picture("token-shown")
	if !whole.MatchString(text) {
		t.Errorf("the token is %q", text)
	}
	if got, want := w.text("#line"), fmt.Sprintf("docker login %s -u alice@example.com -p %s", s.gate.Host, text); got != want {
		t.Errorf("the line is\n%s, want\n%s", got, want)
	}
	if got, want := w.text("#better"), fmt.Sprintf("docker login %s -u alice@example.com --password-stdin", s.gate.Host); got != want {
		t.Errorf("the better line is\n%s, want\n%s", got, want)
	}
	w.do("load the page again", chromedp.Reload(), chromedp.WaitVisible(chromedp.CSS(`table`)))
	page := w.html()
	if strings.Contains(page, text) || strings.Count(page, `class="name"`) != 1 {
		t.Errorf("after loading it again, the page is\n%s", page)
	}

	docker := s.client(t, "docker")
	must(t, docker.Login("alice@example.com", text))
	digest, err := docker.Push("web/app", version)
	must(t, err)
	if got, err := docker.Pull("web/app:" + version); err != nil || got != digest {
		t.Errorf("pull: %s, %v; want %s", got, err, digest)
	}
	if _, err := docker.Push("ops/app", version); err == nil || !strings.Contains(err.Error(), "denied") {
		t.Errorf("a push to a folder of another group: %v", err)
	}

	for _, name := range []string{"build server", "old laptop with a rather long name in the cellar"} {
		w.makeToken(name)
	}
	w.picture("tokens")
	w.revoke("work laptop")
	if page := w.html(); strings.Count(page, `class="name"`) != 2 {
		t.Errorf("after one of three was revoked, the page is\n%s", page)
	}
	if _, err := docker.Push("web/app", version); err == nil {
		t.Error("a push with a revoked token went through")
	}
	if err := docker.Login("alice@example.com", text); err == nil {
		t.Error("a login with a revoked token went through")
	}
	s.worksForLess(t, w)
	w.click(`form.who button`, `a[href="/oidc_auth"]`)

	// Somebody has that name already, and it is not this provider's.
	other := &window{t, testbed.Chromium(t, s.gate), s.gate}
	other.do("open the gate", chromedp.Navigate(s.gate.URL+"/oidc_auth"), chromedp.WaitVisible(chromedp.CSS(`input[name=login]`)),
		chromedp.SendKeys(chromedp.CSS(`input[name=login]`), "taken"), chromedp.SendKeys(chromedp.CSS(`input[name=password]`), "any"))
	other.click(`button[type=submit]`, `input[name=prompt][value=consent] ~ button`)
	other.do("agree", chromedp.Submit(chromedp.CSS(`form`)), chromedp.WaitVisible(chromedp.CSS(`a[href="/login"]`)))
	if got := other.text("h1"); got != "The name taken@example.com is taken" {
		t.Errorf("the page says %q", got)
	}
	other.picture("taken")
}

// worksForLess: a token that is to pull only pulls only, and is in the list beside
// a robot that was made elsewhere, which ends there.
func (s *site) worksForLess(t *testing.T, w *window) {
	t.Helper()
	w.do("say what it is for", chromedp.Click(chromedp.CSS(`details.less summary`)), chromedp.WaitVisible(chromedp.CSS(`select[name=good]`)),
		chromedp.SetValue(chromedp.CSS(`select[name=good]`), "pull"), chromedp.SendKeys(chromedp.CSS(`input[name=repositories]`), "web/**"))
	w.picture("token-for-less")
	text := w.makeToken("puller")
	robot := s.secretOf(t, "create", "--owner", "alice@example.com", "--robot", "deploy", "--expires", "3d")
	c := s.client(t, "crane")
	must(t, c.Login("alice@example.com", text))
	_, err := c.Pull("web/app:" + version)
	must(t, err)
	if _, err := c.Push("web/app", version); err == nil {
		t.Error("a token that is to pull only pushes")
	}
	must(t, c.Login("alice@example.com", robot))
	_, err = c.Push("web/app", version)
	must(t, err)
	w.do("load the page again", chromedp.Reload(), chromedp.WaitVisible(chromedp.CSS(`h2.kind`)))
	w.picture("tokens-and-robots")
	if page := w.html(); !strings.Contains(page, "pull in web/**") || !strings.Contains(page, "Robots that act for you") {
		t.Errorf("the page is\n%s", page)
	}
	w.revoke("deploy")
	if page := w.html(); strings.Contains(page, "Robots that act for you") || !strings.Contains(page, "“deploy” is revoked.") {
		t.Errorf("after the robot has ended, the page is\n%s", page)
	}
	if _, err := c.Pull("web/app:" + version); err == nil {
		t.Error("a robot that was revoked on the page pulls")
	}
}
