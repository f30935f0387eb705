package proxy

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/regate/regate/proxy/upstream"
)

// echo is a registry that has everything and says so.
func echo(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Docker-Content-Digest", someDigest)
	_, _ = io.WriteString(w, "it")
}

const (
	errUnauthorized = `{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}`
	errScope        = `{"errors":[{"code":"UNAUTHORIZED","message":"no rule allows this"}]}`
	puller          = "repository:team/app:pull"
	pusher          = "repository:team/app:pull,push"
)

var serveTests = []struct {
	name          string
	call          call
	mode          string // of the registry; "" is none
	wantStatus    int
	wantBody      string
	wantRetry     string // Retry-After
	wantChallenge string // after realm and service
	wantSeen      string // what reached the registry: method and target; "" for nothing
	wantAuth      string // what it was shown
	wantLog       map[string]any
}{{
	name:          "ping without a token",
	call:          call{path: "/v2/"},
	wantStatus:    401,
	wantBody:      errUnauthorized,
	wantChallenge: "none",
	wantLog:       map[string]any{"op": "ping", "status": int64(401), "level": "info"},
}, {
	name:       "ping",
	call:       call{path: "/v2/", auth: bearer("ann", "")},
	wantStatus: 200,
	wantBody:   "{}",
	wantLog:    map[string]any{"op": "ping", "subject": "ann", "token": "id-of-ann"},
}, {
	name:       "ping with HEAD",
	call:       call{method: "HEAD", path: "/v2/", auth: bearer("ann", "")},
	wantStatus: 200,
}, {
	name:          "no token",
	call:          call{path: "/v2/team/app/blobs/" + someDigest},
	wantStatus:    401,
	wantBody:      errUnauthorized,
	wantChallenge: `,scope="repository:team/app:pull"`,
	wantLog:       map[string]any{"op": "get_blob", "repo": "team/app", "route": "main"},
}, {
	name:          "bad token",
	call:          call{path: "/v2/team/app/blobs/" + someDigest, auth: "Bearer junk"},
	wantStatus:    401,
	wantBody:      `{"errors":[{"code":"UNAUTHORIZED","message":"invalid token"}]}`,
	wantChallenge: `,scope="repository:team/app:pull",error="invalid_token"`,
	wantLog:       map[string]any{"error": "invalid token: garbled"},
}, {
	name:          "scope too small",
	call:          call{method: "POST", path: uploads, auth: bearer("ann", puller)},
	wantStatus:    401,
	wantBody:      errScope,
	wantChallenge: `,scope="repository:team/app:pull,push",error="insufficient_scope",error_description="no rule allows this"`,
}, {
	name:       "cannot tell",
	call:       call{path: "/v2/team/app/tags/list", auth: bearer("broken", "")},
	wantStatus: 503,
	wantBody:   `{"errors":[{"code":"UNAVAILABLE","message":"cannot check credentials now"}]}`,
}, {
	name:       "get by tag",
	call:       call{path: "/v2/team/app/manifests/latest?service=docker.io&access_token=x", auth: bearer("ann", puller)},
	wantStatus: 200,
	wantBody:   "it",
	wantSeen:   "GET /v2/team/app/manifests/latest",
	wantLog:    map[string]any{"repo": "team/app", "subject": "ann", "op": "get_manifest", "status": int64(200), "out": int64(2)},
}, {
	name:       "digest with an escaped colon",
	call:       call{path: "/v2/team/app/blobs/" + strings.Replace(someDigest, ":", "%3A", 1), auth: bearer("ann", puller)},
	wantStatus: 200,
	wantBody:   "it",
	wantSeen:   "GET /v2/team/app/blobs/" + someDigest,
}, {
	name:       "head",
	call:       call{method: "HEAD", path: "/v2/team/app/manifests/latest", auth: bearer("ann", puller)},
	wantStatus: 200,
	wantSeen:   "HEAD /v2/team/app/manifests/latest",
}, {
	name:       "mount of what may be read",
	call:       call{method: "POST", path: uploads + "?mount=" + someDigest + "&from=team/lib&origin=x", auth: bearer("ann", pusher+" repository:team/lib:pull")},
	wantStatus: 200,
	wantBody:   "it",
	wantSeen:   "POST " + uploads + "?from=team%2Flib&mount=sha256%3A" + someDigest[7:],
}, {
	name:       "mount of what may not be read",
	call:       call{method: "POST", path: uploads + "?mount=" + someDigest + "&from=team/lib", auth: bearer("ann", pusher)},
	wantStatus: 200,
	wantBody:   "it",
	wantSeen:   "POST " + uploads,
}, {
	name:          "mount without a token",
	call:          call{method: "POST", path: uploads + "?mount=" + someDigest + "&from=team/lib"},
	wantStatus:    401,
	wantBody:      errUnauthorized,
	wantChallenge: `,scope="repository:team/app:pull,push repository:team/lib:pull"`,
}, {
	name:          "mount into what may not be written",
	call:          call{method: "POST", path: uploads + "?mount=" + someDigest + "&from=team/lib", auth: bearer("ann", puller+" repository:team/lib:pull")},
	wantStatus:    401,
	wantBody:      errScope,
	wantChallenge: `,scope="repository:team/app:pull,push",error="insufficient_scope",error_description="no rule allows this"`,
}, {
	name:       "form",
	call:       call{method: "POST", path: uploads, auth: bearer("ann", pusher), header: http.Header{"Content-Type": {"Application/X-WWW-form-urlencoded ; q"}}, body: strings.NewReader("from=secret/a")},
	wantStatus: 415,
	wantBody:   `{"errors":[{"code":"UNSUPPORTED","message":"a registry takes no forms; send application/octet-stream"}]}`,
}, {
	name:       "multipart form",
	call:       call{method: "POST", path: uploads, auth: bearer("ann", pusher), header: http.Header{"Content-Type": {"multipart/form-data; boundary=b"}}, body: strings.NewReader("--b--")},
	wantStatus: 415,
	wantBody:   `{"errors":[{"code":"UNSUPPORTED","message":"a registry takes no forms; send application/octet-stream"}]}`,
}, {
	name:       "two types",
	call:       call{method: "POST", path: uploads, auth: bearer("ann", pusher), header: http.Header{"Content-Type": {"application/json", "multipart/form-data; boundary=b"}}, body: strings.NewReader("--b--")},
	wantStatus: 400,
	wantBody:   `{"errors":[{"code":"UNSUPPORTED","message":"more than one Content-Type header"}]}`,
}, {
	name:       "two credentials",
	call:       call{path: "/v2/team/app/tags/list", header: http.Header{"Authorization": {bearer("ann", puller), bearer("eve", "")}}},
	wantStatus: 400,
	wantBody:   `{"errors":[{"code":"UNSUPPORTED","message":"more than one Authorization header"}]}`,
}, {
	name:       "get with a body",
	call:       call{path: "/v2/team/app/tags/list", auth: bearer("ann", puller), body: strings.NewReader("hello")},
	wantStatus: 400,
	wantBody:   `{"errors":[{"code":"UNSUPPORTED","message":"GET takes no body"}]}`,
}, {
	name:       "wrong method",
	call:       call{method: "OPTIONS", path: "/v2/team/app/tags/list", auth: bearer("ann", puller)},
	wantStatus: 405,
	wantBody:   `{"errors":[{"code":"UNSUPPORTED","message":"method is not supported here"}]}`,
}, {
	name:       "manifest that is too large",
	call:       call{method: "PUT", path: "/v2/team/app/manifests/latest", auth: bearer("ann", pusher), body: strings.NewReader(strings.Repeat("x", 4<<20+1))},
	wantStatus: 413,
	wantBody:   `{"errors":[{"code":"SIZE_INVALID","message":"manifest is larger than 4 MiB"}]}`,
}, {
	name:       "basic",
	mode:       upstream.ModeBasic,
	call:       call{path: "/v2/team/app/tags/list", auth: bearer("ann", puller)},
	wantStatus: 200,
	wantBody:   "it",
	wantSeen:   "GET /v2/team/app/tags/list",
	wantAuth:   "Basic Z2F0ZTpzZWNyZXQ=",
}, {
	name:       "token",
	mode:       upstream.ModeToken,
	call:       call{path: "/v2/team/app/tags/list", auth: bearer("ann", pusher)},
	wantStatus: 200,
	wantBody:   "it",
	wantSeen:   "GET /v2/team/app/tags/list",
	wantAuth:   "Bearer gate/registry/ann|repository:team/app:pull",
}, {
	name:       "token for a cancelled upload",
	mode:       upstream.ModeToken,
	call:       call{method: "DELETE", path: uploads + someUpload, auth: bearer("ann", pusher)},
	wantStatus: 200,
	wantBody:   "it",
	wantSeen:   "DELETE " + uploads + someUpload,
	wantAuth:   "Bearer gate/registry/ann|repository:team/app:delete",
}, {
	name:       "token that cannot be made",
	mode:       upstream.ModeToken,
	call:       call{path: "/v2/team/app/tags/list", auth: bearer("keyless", pusher)},
	wantStatus: 503,
	wantBody:   `{"errors":[{"code":"UNAVAILABLE","message":"registry unavailable"}]}`,
	wantRetry:  "10",
	wantLog:    map[string]any{"error": "registry unavailable: mint a token for the registry: there is no key"},
}, {
	name:       "forward",
	mode:       upstream.ModeForward,
	call:       call{path: "/v2/team/app/tags/list", auth: bearer("ann", pusher)},
	wantStatus: 200,
	wantBody:   "it",
	wantSeen:   "GET /v2/team/app/tags/list",
	wantAuth:   bearer("ann", pusher),
}, {
	name:       "forward a cancelled upload",
	mode:       upstream.ModeForward,
	call:       call{method: "DELETE", path: uploads + someUpload, auth: bearer("ann", pusher)},
	wantStatus: 200,
	wantBody:   "it",
	wantSeen:   "DELETE " + uploads + someUpload,
	wantAuth:   "Bearer regate/clients/ann|repository:team/app:delete",
}}

func modeConfig(mode string) upstream.Config {
	trust := upstream.Trust{Mode: mode}
	switch mode {
	case upstream.ModeBasic:
		trust.Username, trust.Password = "gate", "secret"
	case upstream.ModeToken:
		trust.Issuer, trust.Service = "gate", "registry"
	}
	return upstream.Config{Auth: trust}
}

func TestServe(t *testing.T) {
	protocols(t, func(t *testing.T, http2 bool) {
		for _, tt := range serveTests {
			t.Run(tt.name, func(t *testing.T) {
				if s, ok := tt.call.body.(*strings.Reader); ok {
					_, _ = s.Seek(0, io.SeekStart)
				}
				g := newRig(t, echo, setup{config: modeConfig(tt.mode), http2: http2})
				res, body, cut := g.do(t, tt.call)
				if cut {
					t.Fatalf("broken answer: %s", body)
				}
				if res.StatusCode != tt.wantStatus || body != tt.wantBody {
					t.Errorf("answer %d %s, want %d %s", res.StatusCode, body, tt.wantStatus, tt.wantBody)
				}
				if v := res.Header.Get("Docker-Distribution-Api-Version"); v != "registry/2.0" {
					t.Errorf("version of the API is %q", v)
				}
				if after := res.Header.Get("Retry-After"); after != tt.wantRetry {
					t.Errorf("Retry-After: %q, want %q", after, tt.wantRetry)
				}
				checkChallenge(t, g, res, tt.wantChallenge)
				checkSeen(t, g, tt.wantSeen, tt.wantAuth)
				line := g.line(t)
				for k, want := range tt.wantLog {
					if line[k] != want {
						t.Errorf("logged %s=%v, want %v", k, line[k], want)
					}
				}
			})
		}
	})
}

func checkChallenge(t *testing.T, g *rig, res *http.Response, want string) {
	t.Helper()
	all := res.Header.Values("Www-Authenticate")
	if want == "" {
		if all != nil {
			t.Errorf("challenge %q, want none", all)
		}
		return
	}
	want = strings.TrimPrefix(want, "none")
	want = `Bearer realm="` + g.URL + `/auth",service="clients"` + want
	if len(all) != 1 || all[0] != want {
		t.Errorf("challenge %q, want %q", all, want)
	}
}

func checkSeen(t *testing.T, g *rig, want, wantAuth string) {
	t.Helper()
	seen := g.requests()
	if want == "" {
		if len(seen) > 0 {
			t.Errorf("the registry saw %s %s", seen[0].Method, seen[0].RequestURI)
		}
		return
	}
	if len(seen) != 1 {
		t.Fatalf("the registry saw %d requests, want 1", len(seen))
	}
	if got := seen[0].Method + " " + seen[0].RequestURI; got != want {
		t.Errorf("the registry saw %s, want %s", got, want)
	}
	if got := seen[0].Header.Get("Authorization"); got != wantAuth {
		t.Errorf("the registry was shown %q, want %q", got, wantAuth)
	}
}
