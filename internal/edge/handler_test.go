package edge

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/regate/regate/internal/oci"
)

var errSecretCause = errors.New("dial 10.0.0.7: refused")

var handlerTests = []struct {
	name       string
	serve      func(http.ResponseWriter, *http.Request) error
	wantStatus int
	wantBody   string
	wantCut    bool // the client sees a broken answer
}{{
	name:       "success",
	serve:      func(w http.ResponseWriter, _ *http.Request) error { _, err := io.WriteString(w, "hi"); return err },
	wantStatus: 200,
	wantBody:   "hi",
}, {
	name: "error of a kind",
	serve: func(http.ResponseWriter, *http.Request) error {
		return oci.Errorf(oci.UnknownName, "no route").Because(errSecretCause)
	},
	wantStatus: 404,
	wantBody:   `{"errors":[{"code":"NAME_UNKNOWN","message":"no route"}]}`,
}, {
	name:       "error that nobody classified",
	serve:      func(http.ResponseWriter, *http.Request) error { return errSecretCause },
	wantStatus: 500,
	wantBody:   `{"errors":[{"code":"UNKNOWN","message":"internal error"}]}`,
}, {
	name:       "panic",
	serve:      func(http.ResponseWriter, *http.Request) error { panic("secret") },
	wantStatus: 500,
	wantBody:   `{"errors":[{"code":"UNKNOWN","message":"internal error"}]}`,
}, {
	name:    "abort",
	serve:   func(http.ResponseWriter, *http.Request) error { panic(http.ErrAbortHandler) },
	wantCut: true,
}, {
	name:    "error in mid-answer",
	serve:   func(w http.ResponseWriter, _ *http.Request) error { return halfAnswer(w, errSecretCause) },
	wantCut: true,
}, {
	name: "panic in mid-answer",
	serve: func(w http.ResponseWriter, _ *http.Request) error {
		_ = halfAnswer(w, nil)
		panic("secret")
	},
	wantCut: true,
}}

// halfAnswer has no Content-Length, so that only a broken connection tells
// the client that something is missing.
func halfAnswer(w http.ResponseWriter, err error) error {
	_, _ = io.WriteString(w, "half")
	if flush := http.NewResponseController(w).Flush(); flush != nil {
		return flush
	}
	return err
}

func TestHandler(t *testing.T) {
	for _, proto := range []string{"HTTP/1.1", "HTTP/2.0"} {
		for _, tt := range handlerTests {
			t.Run(proto+" "+tt.name, func(t *testing.T) {
				srv := httptest.NewUnstartedServer(Stack(Handler(tt.serve), Recover))
				srv.EnableHTTP2 = proto == "HTTP/2.0"
				srv.StartTLS()
				defer srv.Close()

				res, err := srv.Client().Get(srv.URL)
				if err != nil {
					if !tt.wantCut {
						t.Fatal(err)
					}
					return
				}
				defer res.Body.Close()
				body, err := io.ReadAll(res.Body)
				if cut := err != nil; cut != tt.wantCut {
					t.Fatalf("reading the body: %v; want broken: %v", err, tt.wantCut)
				}
				if tt.wantCut {
					return
				}
				if res.Proto != proto || res.StatusCode != tt.wantStatus || string(body) != tt.wantBody {
					t.Errorf("%s %d %s, want %s %d %s", res.Proto, res.StatusCode, body, proto, tt.wantStatus, tt.wantBody)
				}
			})
		}
	}
}
