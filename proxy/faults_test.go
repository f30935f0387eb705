package proxy

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/regate/regate/proxy/upstream"
)

// raw answers with text as it is, then closes the connection.
func raw(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		_, _ = io.WriteString(c, strings.ReplaceAll(text, "\n", "\r\n"))
		_ = c.Close()
	}
}

// status answers with a status, a type and a body.
func status(code int, media, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		if media != "" {
			w.Header().Set("Content-Type", media)
		}
		w.WriteHeader(code)
		_, _ = io.WriteString(w, body)
	}
}

const (
	blobs      = "/v2/team/app/blobs/"
	everything = "repository:team/app:*"

	badAnswer      = `{"errors":[{"code":"UNAVAILABLE","message":"bad answer of the registry"}]}`
	tooLarge413    = `{"errors":[{"code":"SIZE_INVALID","message":"manifest is larger than 4 MiB"}]}`
	unreachable504 = `{"errors":[{"code":"UNAVAILABLE","message":"registry unreachable"}]}`
)

var faultTests = []struct {
	name       string
	registry   http.HandlerFunc
	call       call // default: GET of a blob
	wantStatus int
	wantBody   string
	wantCut    bool
	wantLevel  string
	wantError  string // part of what is logged
	wantHeader map[string]string
}{{
	name:      "dies in mid-blob",
	registry:  raw("HTTP/1.1 200 OK\nContent-Length: 100000\n\n" + strings.Repeat("x", 50000)),
	wantCut:   true,
	wantLevel: "warn",
	wantError: "registry broke off",
}, {
	name:      "dies in mid-chunk",
	registry:  raw("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n5\nhello\n5\nhe"),
	wantCut:   true,
	wantLevel: "warn",
}, {
	name:      "dies between chunks",
	registry:  raw("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n5\nhello\n"),
	wantCut:   true,
	wantLevel: "warn",
}, {
	name:       "sends a body without an end",
	registry:   raw("HTTP/1.1 200 OK\nConnection: close\n\nhello"),
	wantStatus: 502,
	wantBody:   badAnswer,
	wantLevel:  "error",
}, {
	name:       "dies before the header",
	registry:   raw(""),
	wantStatus: 504,
	wantBody:   unreachable504,
	wantLevel:  "warn",
}, {
	name:       "dies in the header",
	registry:   raw("HTTP/1.1 200 OK\nContent-Le"),
	wantStatus: 504,
	wantBody:   unreachable504,
}, {
	name:       "speaks something else",
	registry:   raw("SSH-2.0-OpenSSH_9.2\n"),
	wantStatus: 504,
	wantBody:   unreachable504,
}, {
	name:       "sends a header without end",
	registry:   raw("HTTP/1.1 200 OK\nX: " + strings.Repeat("x", 100_000) + "\n\n"),
	wantStatus: 504,
	wantBody:   unreachable504,
}, {
	name:       "switches protocols",
	registry:   raw("HTTP/1.1 101 Switching Protocols\nUpgrade: h2c\nConnection: Upgrade\n\n"),
	wantStatus: 502,
	wantBody:   badAnswer,
	wantLevel:  "error",
}, {
	name:       "refuses the gate",
	registry:   status(401, "application/json", errUnauthorized, "Www-Authenticate", `Bearer realm="https://evil.example/"`),
	wantStatus: 502,
	wantBody:   `{"errors":[{"code":"UNAVAILABLE","message":"the registry refuses the gate"}]}`,
	wantLevel:  "error",
	wantError:  "evil.example",
	wantHeader: map[string]string{"Www-Authenticate": ""},
}, {
	name:       "forbids",
	registry:   status(403, "application/json", `{"errors":[]}`),
	wantStatus: 502,
	wantBody:   `{"errors":[{"code":"UNAVAILABLE","message":"the registry refuses the gate"}]}`,
	wantLevel:  "error",
}, {
	name:       "moved",
	registry:   status(301, "text/html", "<a href=x>", "Location", "/v2/team/app/x"),
	wantStatus: 502,
	wantBody:   badAnswer,
	wantLevel:  "error",
	wantError:  "/v2/team/app/x",
	wantHeader: map[string]string{"Location": ""},
}, {
	name:       "has its blobs elsewhere",
	registry:   status(307, "text/html", "<a href=x>", "Location", "http://s3.example/b?X-Amz-Signature=y&a=%2f"),
	wantStatus: 307,
	wantHeader: map[string]string{"Location": "http://s3.example/b?X-Amz-Signature=y&a=%2f", "Cache-Control": "no-store", "Content-Type": ""},
}, {
	name:       "has its manifests elsewhere",
	registry:   status(307, "", "", "Location", "http://s3.example/b"),
	call:       call{path: "/v2/team/app/manifests/x"},
	wantStatus: 502,
	wantBody:   badAnswer,
}, {
	name:       "text in the place of an error",
	registry:   status(404, "text/plain; charset=utf-8", "404 page not found\n"),
	wantStatus: 404,
	wantBody:   `{"errors":[{"code":"UNSUPPORTED","message":"the registry says: Not Found"}]}`,
	wantHeader: map[string]string{"Content-Type": "application/json"},
}, {
	name:       "a page in the place of an error",
	registry:   status(503, "text/html", "<h1>nginx</h1>", "Retry-After", "7", "Content-Encoding", "br", "Server", "nginx"),
	wantStatus: 503,
	wantBody:   `{"errors":[{"code":"UNAVAILABLE","message":"the registry says: Service Unavailable"}]}`,
	wantHeader: map[string]string{"Content-Type": "application/json", "Retry-After": "7", "Content-Encoding": "", "Server": ""},
}, {
	name:       "no referrers",
	registry:   status(404, "text/plain", "404 page not found\n"),
	call:       call{path: "/v2/team/app/referrers/" + someDigest},
	wantStatus: 404,
	wantBody:   `{"errors":[{"code":"UNSUPPORTED","message":"the registry says: Not Found"}]}`,
}, {
	name:       "no referrers, asked with HEAD",
	registry:   status(404, "text/plain", "404 page not found\n"),
	call:       call{method: "HEAD", path: "/v2/team/app/manifests/x"},
	wantStatus: 404,
	wantHeader: map[string]string{"Content-Type": "application/json"},
}, {
	name:       "an error of its own",
	registry:   status(404, "application/json; charset=utf-8", `{"errors":[{"code":"BLOB_UNKNOWN","message":"x","detail":"y"}]}`, "Set-Cookie", "a=b"),
	wantStatus: 404,
	wantBody:   `{"errors":[{"code":"BLOB_UNKNOWN","message":"x","detail":"y"}]}`,
	wantLevel:  "info",
	wantHeader: map[string]string{"Content-Type": "application/json; charset=utf-8", "Set-Cookie": ""},
}, {
	name:       "dies in an error",
	registry:   raw("HTTP/1.1 404 Not Found\nContent-Type: application/json\nContent-Length: 1000\n\n{"),
	wantStatus: 504,
	wantBody:   unreachable504,
	wantLevel:  "warn",
}, {
	name:       "an error without end",
	registry:   status(404, "application/json", strings.Repeat("x", maxWhole+1)),
	wantStatus: 502,
	wantBody:   badAnswer,
}, {
	name:       "dies in the answer to a push",
	registry:   raw("HTTP/1.1 201 Created\nContent-Length: 1000\n\n{"),
	call:       call{method: "PUT", path: "/v2/team/app/manifests/x", body: strings.NewReader("{}")},
	wantStatus: 504,
	wantBody:   unreachable504,
}, {
	name:       "what a blob is like",
	registry:   status(200, "application/octet-stream", "it", "Cache-Control", "max-age=31536000", "Etag", `"x"`, "Oci-Subject", "s", "Warning", `299 - "old"`, "X-Powered-By", "php"),
	wantStatus: 200,
	wantBody:   "it",
	wantHeader: map[string]string{"Cache-Control": "private, max-age=31536000", "Etag": `"x"`, "Oci-Subject": "s", "Warning": `299 - "old"`, "X-Powered-By": "", "Content-Length": "2"},
}, {
	name:       "what a manifest is like",
	registry:   status(200, ociManifest, "{}", "Cache-Control", "max-age=31536000"),
	call:       call{path: "/v2/team/app/manifests/x"},
	wantStatus: 200,
	wantBody:   "{}",
	wantHeader: map[string]string{"Cache-Control": "no-store", "Content-Type": ociManifest},
}, {
	name:       "not modified",
	registry:   raw("HTTP/1.1 304 Not Modified\nEtag: \"x\"\n\n"),
	wantStatus: 304,
	wantHeader: map[string]string{"Etag": `"x"`, "Cache-Control": "private, max-age=31536000"},
}}

func TestFaultsOfRegistries(t *testing.T) {
	protocols(t, func(t *testing.T, http2 bool) {
		for _, tt := range faultTests {
			t.Run(tt.name, func(t *testing.T) {
				g := newRig(t, tt.registry, setup{http2: http2})
				c := tt.call
				if c.path == "" {
					c.path = blobs + someDigest
				}
				if s, ok := c.body.(*strings.Reader); ok {
					_, _ = s.Seek(0, io.SeekStart)
				}
				c.auth = bearer("ann", everything)
				res, body, cut := g.do(t, c)
				if cut != tt.wantCut {
					t.Fatalf("broken off: %v, want %v (%s)", cut, tt.wantCut, body)
				}
				if !cut && (res.StatusCode != tt.wantStatus || body != tt.wantBody) {
					t.Errorf("answer %d %q, want %d %q", res.StatusCode, body, tt.wantStatus, tt.wantBody)
				}
				for name, want := range tt.wantHeader {
					if got := res.Header.Get(name); got != want {
						t.Errorf("%s: %q, want %q", name, got, want)
					}
				}
				checkLine(t, g, tt.wantLevel, tt.wantError)
			})
		}
	})
}

func checkLine(t *testing.T, g *rig, wantLevel, wantError string) {
	t.Helper()
	line := g.line(t)
	if wantLevel != "" && line["level"] != wantLevel {
		t.Errorf("logged at %s, want %s: %v", line["level"], wantLevel, line)
	}
	if text := fmt.Sprint(line["error"]); !strings.Contains(text, wantError) {
		t.Errorf("logged error %q, want %q in it", text, wantError)
	}
}

func TestRegistryIsDown(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	down := "http://" + l.Addr().String()
	_ = l.Close()
	g := newRig(t, echo, setup{
		more:   map[string]upstream.Config{"down": {Upstreams: []string{down}}},
		routes: []RouteConfig{{Repository: "down/*", Registry: "down"}, {Registry: "main"}},
	})
	res, body, _ := g.do(t, call{path: "/v2/down/app/tags/list", auth: bearer("ann", "repository:down/app:pull")})
	if res.StatusCode != 504 || body != unreachable504 || res.Header.Get("Content-Type") != "application/json" {
		t.Errorf("answer %d %s", res.StatusCode, body)
	}
	if line := g.line(t); line["upstream"] != strings.TrimPrefix(down, "http://") || line["route"] != "down" {
		t.Errorf("logged %v", line)
	}
	if res, _, _ := g.do(t, call{path: "/v2/team/app/tags/list", auth: bearer("ann", puller)}); res.StatusCode != 200 {
		t.Errorf("the other registry answers %d", res.StatusCode)
	}
}

func TestChunkedManifestIsBounded(t *testing.T) {
	protocols(t, func(t *testing.T, http2 bool) {
		g := newRig(t, func(_ http.ResponseWriter, r *http.Request) {
			if n, err := io.Copy(io.Discard, r.Body); err == nil {
				t.Errorf("the registry got %d bytes and took them for all", n)
			}
		}, setup{http2: http2})
		for _, size := range []int64{maxManifest + 1, maxManifest << 3} {
			g.forget()
			res, body, cut := g.do(t, call{
				method: "PUT", path: "/v2/team/app/manifests/x", auth: bearer("ann", everything),
				body: io.LimitReader(zeros{}, size),
			})
			busy := !http2 && size > 2*maxManifest // who is still sending over HTTP/1.1 may not see it
			if res == nil && !busy || res != nil && (cut || res.StatusCode != 413 || body != tooLarge413) {
				t.Errorf("%d bytes: answer %v %s", size, res, body)
			}
			if line := g.line(t); line["status"] != int64(413) {
				t.Errorf("%d bytes: logged %v", size, line)
			}
		}
	})
}

// TestEarlyAnswer has a registry that answers before it has read much, while
// the client still sends.
func TestEarlyAnswer(t *testing.T) {
	protocols(t, func(t *testing.T, http2 bool) {
		g := newRig(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
			_, _ = io.WriteString(w, `{"errors":[]}`)
		}, setup{http2: http2})
		for range 5 {
			res, body, cut := g.do(t, call{
				method: "PATCH", path: uploads + someUpload, auth: bearer("ann", everything),
				body: io.LimitReader(zeros{}, 1<<30),
			})
			if res == nil && http2 || res != nil && (cut || res.StatusCode != 416 || body != `{"errors":[]}`) {
				t.Errorf("answer %v %s", res, body) // over HTTP/1.1, who is busy sending may not see it
			}
		}
	})
}

// TestPanicEndsOneRequest has an Authorizer that panics.
func TestPanicEndsOneRequest(t *testing.T) {
	g := newRig(t, echo, setup{})
	for _, tt := range []struct {
		auth string
		want int
	}{{bearer("panic", puller), 500}, {bearer("ann", puller), 200}} {
		if res, body, _ := g.do(t, call{path: "/v2/team/app/tags/list", auth: tt.auth}); res == nil || res.StatusCode != tt.want {
			t.Errorf("%s: answer %v %s, want %d", tt.auth, res, body, tt.want)
		}
	}
}

// TestRefusalSaysWhatToCompare: what the log says of a registry that does not
// take the tokens it is shown.
func TestRefusalSaysWhatToCompare(t *testing.T) {
	for _, tt := range []struct{ name, mode, challenge, want string }{
		{"another service", upstream.ModeToken, `Bearer realm="https://r/auth",service="other"`, `its auth.token.service is "other", ours is "registry"`},
		{"of clients' tokens", upstream.ModeForward, `Bearer service="other", realm="https://r/auth"`, `its auth.token.service is "other", ours is "clients"`},
		{"the same", upstream.ModeToken, `Bearer realm="https://r/auth",service="registry",error="invalid_token"`, "compare its auth.token with what regate root prints"},
		{"no tokens", upstream.ModeBasic, `Basic realm="r"`, `challenge "Basic realm=\"r\""`},
	} {
		g := newRig(t, status(401, "application/json", errUnauthorized, "Www-Authenticate", tt.challenge), setup{config: modeConfig(tt.mode)})
		res, _, _ := g.do(t, call{path: "/v2/team/app/manifests/latest", auth: bearer("ann", puller)})
		got, _ := g.line(t)["error"].(string)
		if res.StatusCode != 502 || !strings.HasSuffix(got, tt.want) {
			t.Errorf("%s: %d, logged %q, want %q", tt.name, res.StatusCode, got, tt.want)
		}
	}
}
