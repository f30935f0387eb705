package proxy

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/regate/regate/internal/oci"
	"github.com/regate/regate/proxy/upstream"
)

// send writes a request as no client would, and returns the status; 0 if the
// gate just closed the connection.
func (g *rig) send(t testing.TB, text string) (status int, header http.Header) {
	t.Helper()
	c := g.dial(t)
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0, nil
	}
	_ = res.Body.Close()
	return res.StatusCode, res.Header
}

// hostileHeaders are lines that must do nothing, and must not be seen by the
// registry.
const hostileHeaders = `Forwarded: host=evil.example;proto=http
X-Forwarded-Host: evil.example
X-Forwarded-Proto: javascript
X-Forwarded-For: 6.6.6.6
X-Forwarded-Port: 666
X-Forwarded-Prefix: /evil
X-Real-Ip: 6.6.6.6
X-HTTP-Method-Override: DELETE
Idempotency-Key: 1
X-Idempotency-Key: 1
Cookie: a=b
Origin: https://evil.example
Referer: https://evil.example
Proxy-Authorization: Basic eDp5
Upgrade: h2c
HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA
TE: trailers
Trailer: X
Connection: Upgrade, HTTP2-Settings, Authorization, X-Forwarded-Proto, Accept
Keep-Alive: timeout=5
`

func TestHostileHeaders(t *testing.T) {
	g := newRig(t, echo, setup{config: modeConfig("forward")})
	code, _ := g.send(t, "GET /v2/team/app/manifests/x HTTP/1.1\r\nHost: "+g.host()+"\r\nAuthorization: "+bearer("ann", puller)+
		"\r\nAccept: a/b\r\nAccept: c/d\r\nUser-Agent: me\r\n"+strings.ReplaceAll(hostileHeaders, "\n", "\r\n")+"\r\n")
	if code != 200 {
		t.Fatalf("answer %d", code)
	}
	r := g.last(t)
	want := map[string]string{
		"Accept":            "[a/b c/d]",
		"Authorization":     "[" + bearer("ann", puller) + "]",
		"User-Agent":        "[me]",
		"X-Forwarded-For":   "[127.0.0.1]",
		"X-Forwarded-Host":  "[" + g.host() + "]",
		"X-Forwarded-Proto": "[https]",
	}
	for name, values := range r.Header {
		if got := fmt.Sprint(values); got != want[name] {
			t.Errorf("the registry saw %s: %s, want %s", name, got, want[name])
		}
		delete(want, name)
	}
	if len(want) > 0 {
		t.Errorf("the registry did not see %v", want)
	}
	if r.Method != "GET" || r.Host != strings.TrimPrefix(g.registry.URL, "http://") {
		t.Errorf("the registry saw %s for %s", r.Method, r.Host)
	}
}

// corpus are targets that must be refused (protocol.md 3.5).
const corpus = `/v2/pub/a/../../secret/a/manifests/x
/v2/pub/a/%2e%2e/%2e%2e/secret/a/manifests/x
/v2/pub/a/.%2e/.%2e/secret/a/manifests/x
/v2/pub/a/manifests/..%2f..%2f..%2fsecret%2fa%2fmanifests%2fx
/v2/pub/a/manifests/..%5c..%5csecret
/v2/pub%2f..%2fsecret/a/manifests/x
/v2/secret%2Fa/manifests/x
/v2%2Fsecret%2Fa%2Fmanifests%2Fx
/%76%32/secret/a/manifests/x
/v2/%73ecret/a/manifests/x
/v2/secret/a/manif%65sts/x
/v2/secret%252fa/manifests/x
//v2/secret/a/manifests/x
/v2//secret/a/manifests/x
/v2/secret//a/manifests/x
/./v2/secret/a/manifests/x
/x/../v2/secret/a/manifests/x
/v2/./secret/a/manifests/x
/v2/blobs/uploads/
/v2/tags/list
/v2/pub/a/blobs/uploads
/v2/pub/a/blobs/uploads/..
/v2/pub/a/blobs/uploads/%2e%2e/%2e%2e
/v2/pub/a/blobs/uploads/U/
/v2/pub/a/manifests/x/
/v2/_catalog/
/v2/_catalog/manifests/x
/v2/pub/_catalog
/v2/SECRET/a/manifests/x
/v2/Secret.io/a/tags/list
/v2/h:5000/a/tags/list
/v2/[::1]:5000/a/tags/list
/v2/pub/a/manifests/x%00
/v2/pub/a/manifests/x%0a
/v2/pub/a/manifests/x%0d%0aX:y
/v2/pub/a/manifests/x%20
/v2/pub/a/manifests/x;y
/v2/pub/a/manifests/x%3Fy
/v2/pub/a/manifests/x%23f
/v2/pub/a/manifests/x#f
/v2/pub\..\secret/a/manifests/x
/v2/pub/a;/../secret/a/manifests/x
/v2/pub/a/manifests/x%E2%80%8B
/v2/pub/a/manifests/sha256:zz
/v2/pub/a/blobs/md5:00
/v2/pub/a/tags/list?last=../../x
/v2/pub/a/tags/list?n=1&n=2
/v2/pub/a/tags/list?n=1;x
http://evil/v2/secret/a/manifests/x
*
/V2/secret/a/manifests/x`

func TestHostileTargets(t *testing.T) {
	g := newRig(t, echo, setup{})
	auth := bearer("eve", "registry:catalog:* repository:pub/a:* repository:secret/a:* repository:pub:*")
	for target := range strings.SplitSeq(corpus, "\n") {
		for _, method := range []string{"GET", "POST", "OPTIONS", "get"} {
			code, _ := g.send(t, method+" "+target+" HTTP/1.1\r\nHost: "+g.host()+"\r\nAuthorization: "+auth+"\r\nContent-Length: 0\r\n\r\n")
			if code != 0 && (code < 400 || code >= 500) {
				t.Errorf("%s %s: answer %d", method, target, code)
			}
		}
	}
	if seen := g.requests(); len(seen) > 0 {
		t.Errorf("the registry saw %s", seen[0].RequestURI)
	}
}

// framing is a request whose body ends where nobody should guess.
func framing(g *rig, rest string) string {
	return "PATCH " + g.ticketed("ann", uploads+someUpload) + " HTTP/1.1\r\nHost: " + g.host() + "\r\nAuthorization: " + bearer("ann", everything) + "\r\n" + rest
}

func TestHostileFraming(t *testing.T) {
	g := newRig(t, func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err == nil {
			t.Errorf("the registry got a whole request: %v", r)
		}
	}, setup{})
	for name, rest := range map[string]string{
		"two lengths":         "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
		"negative length":     "Content-Length: -5\r\n\r\nhello",
		"unknown coding":      "Transfer-Encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
		"two hosts":           "Host: evil.example\r\nContent-Length: 0\r\n\r\n",
		"broken chunk":        "Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n",
		"name with a space":   "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
		"unknown expectation": "Expect: 200-ok\r\nContent-Length: 0\r\n\r\n",
	} {
		if code, _ := g.send(t, framing(g, rest)); code != 0 && (code < 400 || code > 501) {
			t.Errorf("%s: answer %d", name, code)
		}
	}
}

// TestLengthBesideCoding smuggles a second request in the body of the first,
// for whoever goes by the length of it (RFC 9112 6.1).
func TestLengthBesideCoding(t *testing.T) {
	g := newRig(t, func(w http.ResponseWriter, r *http.Request) {
		if text, err := io.ReadAll(r.Body); string(text) != "hello" || err != nil || r.ContentLength != -1 {
			t.Errorf("the registry saw %s %s with %q, %v", r.Method, r.RequestURI, text, err)
		}
	}, setup{})
	g.send(t, framing(g, "Content-Length: 999\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\nGET /v2/secret/a/tags/list HTTP/1.1\r\n\r\n"))
}

// tails are what may follow a repository.
var tails = []string{
	"manifests/x", "manifests/" + someDigest, "blobs/" + someDigest, "tags/list?n=1&last=x", "referrers/" + someDigest,
	"blobs/uploads/", "blobs/uploads/" + someUpload + "?_state=x", "blobs/uploads/?mount=" + someDigest + "&from=secret/a",
	"blobs/uploads/?mount=" + someDigest + "&from=pub/a",
}

// TestRegistrySeesWhatWasAuthorised sends random targets with a token for one
// repository, and looks at the registry.
func TestRegistrySeesWhatWasAuthorised(t *testing.T) {
	g := newRig(t, echo, setup{})
	random := rand.New(rand.NewPCG(1, 2))
	noise := strings.Fields("/ // v2 pub a secret manifests blobs uploads tags list _catalog x . .. %2e %2f %3a : ; ? & = # @ A from= mount= _state=s last=")
	methods := []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"}
	handler := g.Config.Handler
	let := 0
	for range 10_000 {
		target := "/v2/pub/a/" + tails[random.IntN(len(tails))]
		for range random.IntN(4) {
			at := random.IntN(len(target) + 1)
			target = target[:at] + noise[random.IntN(len(noise))] + target[at:]
		}
		r, err := http.NewRequestWithContext(t.Context(), methods[random.IntN(len(methods))], "https://gate.example/", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.RequestURI, r.RemoteAddr = g.ticketed("eve", target), "127.0.0.1:1"
		r.Header.Set("Authorization", bearer("eve", "repository:pub/a:*"))
		g.forget()
		handler.ServeHTTP(discard{http.Header{}}, r)
		for _, seen := range g.requests() {
			let++
			checkAuthorised(t, target, seen)
		}
	}
	if let < 1000 {
		t.Errorf("%d targets got to the registry: too few to say anything", let)
	}
}

func checkAuthorised(t *testing.T, target string, seen *http.Request) {
	t.Helper()
	req, err := oci.Parse(seen.Method, seen.RequestURI)
	if err != nil || req.Repo != "pub/a" || req.From != "" && req.From != "pub/a" || seen.FormValue("from") != req.From {
		t.Errorf("%s: the registry saw %s %s (%v)", target, seen.Method, seen.RequestURI, err)
	}
}

// discard is a client that does not look.
type discard struct{ header http.Header }

func (d discard) Header() http.Header            { return d.header }
func (discard) Write(p []byte) (int, error)      { return len(p), nil }
func (discard) WriteHeader(int)                  {}
func (discard) Flush()                           {}
func (discard) SetReadDeadline(time.Time) error  { return nil }
func (discard) SetWriteDeadline(time.Time) error { return nil }

func TestExpectContinue(t *testing.T) {
	body := strings.Repeat("x", 1000)
	wanted := true
	g := newRig(t, func(w http.ResponseWriter, r *http.Request) {
		if !wanted {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			return
		}
		text, _ := io.ReadAll(r.Body)
		_, _ = fmt.Fprintf(w, "%d bytes", len(text))
	}, setup{})
	head := "PATCH " + g.ticketed("ann", uploads+someUpload) + " HTTP/1.1\r\nHost: " + g.host() + "\r\nAuthorization: " + bearer("ann", everything) +
		"\r\nExpect: 100-continue\r\nContent-Length: 1000\r\nConnection: close\r\n\r\n"
	for _, wanted = range []bool{true, false} {
		c := g.dial(t)
		_, _ = io.WriteString(c, head)
		in := bufio.NewReader(c)
		first, err := in.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.HasPrefix(first, "HTTP/1.1 100"); got != wanted {
			t.Errorf("wanted %v, first line %q", wanted, first)
		}
		if wanted {
			_, _ = io.WriteString(c, body)
			rest, _ := io.ReadAll(in)
			if !bytes.Contains(rest, []byte("1000 bytes")) {
				t.Errorf("answer %q", rest)
			}
		}
	}
}

// keep is a Credential that somebody has yet to write.
type keep struct{}

func (keep) Set(*http.Request, oci.Grant, []oci.Access) error { return nil }

// TestCredentialIsNotForwardedByDefault wants the client's credential to
// reach a registry only if something sends it there.
func TestCredentialIsNotForwardedByDefault(t *testing.T) {
	for name, config := range map[string]upstream.Config{"checked": {}, "unchecked": unchecked} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t, judge, setup{config: config})
			ep, done, err := g.gateway.routes.routes[0].Pool.Pick(upstream.Want{})
			if err != nil {
				t.Fatal(err)
			}
			done()
			ep.Credential = keep{}
			g.forget()
			g.do(t, call{path: blobs + someDigest, auth: bearer("ann", everything)})
			if got := g.last(t).Header["Authorization"]; got != nil {
				t.Errorf("the registry was shown %q", got)
			}
		})
	}
}
