package e2e

import (
	"io"
	"net/http"
	"os"
	"testing"

	"github.com/regate/regate/e2e/client"
	"github.com/regate/regate/e2e/testbed"
)

// TestOwnCA runs a gate that is its own authority: the file that it offers over
// plain HTTP is all that every client needs.
func TestOwnCA(t *testing.T) {
	t.Parallel()
	e := startEngines(t)
	s := prepareBehind(t, testbed.NewGate(t, nil), modes[0], testbed.Registry3, e)
	s.gate.Start(t)
	offered := fetchPlain(t, s.gate.Plain+"/.well-known/regate/ca.crt")
	inState, err := os.ReadFile(s.gate.CA.File)
	if err != nil {
		t.Fatal(err)
	}
	if offered != string(inState) {
		t.Errorf("offered over HTTP:\n%s\nin the state:\n%s", offered, inState)
	}
	for _, name := range client.Names() {
		t.Run(name, func(t *testing.T) {
			c := s.client(t, name)
			if err := c.Login("dev", devPassword); err != nil {
				t.Fatal(err)
			}
			digest, err := c.Push("team/"+name, version)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := c.Pull("team/" + name + ":" + version); err != nil || got != digest {
				t.Errorf("pull = %s, %v, want %s", got, err, digest)
			}
		})
	}
}

// TestPlainHTTPOnlyRedirects looks at what the plain listener answers besides.
func TestPlainHTTPOnlyRedirects(t *testing.T) {
	t.Parallel()
	s := startSite(t, modes[0], testbed.Registry3, engines{})
	res, err := s.gate.CA.HTTP().Get(s.gate.Plain + "/v2/team/app/tags/list")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if got := res.StatusCode; got != 404 && (got < 301 || got > 308) {
		t.Errorf("GET /v2/… over plain HTTP = %s, want a redirect or 404", res.Status)
	}
	if got, want := res.Header.Get("Location"), s.gate.URL+"/v2/team/app/tags/list"; got != "" && got != want {
		t.Errorf("Location = %q, want %q", got, want)
	}
}

func fetchPlain(t testing.TB, url string) string {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != 200 {
		t.Fatalf("GET %s: %s, %v: %s", url, res.Status, err, text)
	}
	return string(text)
}
