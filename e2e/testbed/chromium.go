package testbed

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/regate/regate/e2e/tool"
)

// Chromium starts a browser with a window of its own and nobody logged in. It
// takes the certificate that the gate shows now, and no other that is unknown.
// The context is of the window, for chromedp.
func Chromium(t testing.TB, g *Gate) context.Context {
	t.Helper()
	path, err := tool.Path("chromium")
	if err != nil {
		t.Fatal(err)
	}
	dir := Dir(t)
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.Env(tool.Environ(dir)...), chromedp.UserDataDir(dir),
		chromedp.NoSandbox, // which is not for root, and that is who runs the tests
		chromedp.Flag("ignore-certificate-errors-spki-list", pin(t, g)),
	)
	all, end := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(end)
	window, shut := chromedp.NewContext(all)
	t.Cleanup(shut)
	if err := chromedp.Do(window); err != nil {
		t.Fatal(err)
	}
	return window
}

// pin is the hash of the key that the gate shows, once its CA has vouched for it.
func pin(t testing.TB, g *Gate) string {
	t.Helper()
	conn, err := tls.Dial("tcp", g.Host, &tls.Config{RootCAs: g.CA.Pool()})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	sum := sha256.Sum256(conn.ConnectionState().PeerCertificates[0].RawSubjectPublicKeyInfo)
	return base64.StdEncoding.EncodeToString(sum[:])
}
