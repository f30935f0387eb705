package proxy

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/regate/regate/proxy/upstream"
)

// hang never answers. It ends with the test.
func hang(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

func TestRegistryNeverAnswers(t *testing.T) {
	t.Parallel()
	for _, c := range []call{
		{path: blobs + someDigest},
		{method: "POST", path: uploads},
		{method: "PUT", path: "/v2/team/app/manifests/x", body: strings.NewReader("{}")},
		{method: "PATCH", path: uploads + someUpload, body: io.MultiReader(strings.NewReader("chunk"))},
	} {
		t.Run(c.method, func(t *testing.T) {
			g := newRig(t, func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				hang(w, r)
			}, setup{config: upstream.Config{HeaderTimeout: 50 * time.Millisecond, CommitTimeout: 50 * time.Millisecond}})
			c.auth = bearer("ann", everything)
			res, body, _ := g.do(t, c)
			if res == nil || res.StatusCode != 504 || body != unreachable504 {
				t.Errorf("answer %v %s", res, body)
			}
		})
	}
}

// impatient are limits for what is to stall.
var impatient = Limits{Idle: time.Second, Linger: 100 * time.Millisecond}

func TestRegistryStallsInMidBlob(t *testing.T) {
	t.Parallel()
	protocols(t, func(t *testing.T, http2 bool) {
		g := newRig(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "100000")
			_, _ = w.Write(make([]byte, 50000))
			_ = http.NewResponseController(w).Flush()
			hang(w, r)
		}, setup{limits: impatient, http2: http2})
		_, _, cut := g.do(t, call{path: blobs + someDigest, auth: bearer("ann", everything)})
		if !cut {
			t.Error("the answer did not break off")
		}
		checkLine(t, g, "warn", errStalled.Error())
	})
}

func TestRegistryStallsInMidError(t *testing.T) {
	t.Parallel()
	g := newRig(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", "100")
		w.WriteHeader(400)
		_ = http.NewResponseController(w).Flush()
		hang(w, r)
	}, setup{limits: impatient})
	res, body, _ := g.do(t, call{path: blobs + someDigest, auth: bearer("ann", everything)})
	if res.StatusCode != 504 || body != unreachable504 {
		t.Errorf("answer %d %s", res.StatusCode, body)
	}
}

func TestRegistryTakesNothing(t *testing.T) {
	t.Parallel()
	protocols(t, func(t *testing.T, http2 bool) {
		end := make(chan struct{}) // a server does not see that a client left whose body it has not read
		defer close(end)
		g := newRig(t, func(http.ResponseWriter, *http.Request) { <-end }, setup{limits: impatient, http2: http2})
		res, body, _ := g.do(t, call{
			method: "PATCH", path: uploads + someUpload, auth: bearer("ann", everything),
			body: io.LimitReader(zeros{}, 1<<30), // more than any socket holds
		})
		// A client of HTTP/1.1 may be too busy sending to read the answer.
		if res != nil && (res.StatusCode != 504 || body != unreachable504) {
			t.Errorf("answer %d %s", res.StatusCode, body)
		}
		checkLine(t, g, "warn", errRegistryStalled.Error())
	})
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func TestClientStopsSending(t *testing.T) {
	t.Parallel()
	for name, length := range map[string]string{"length": "Content-Length: 100000", "chunked": "Transfer-Encoding: chunked"} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t, func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }, setup{limits: impatient})
			c := g.dial(t)
			fmt.Fprintf(c, "PATCH %s HTTP/1.1\r\nHost: %s\r\nAuthorization: %s\r\n%s\r\n\r\n2\r\nhi\r\n", g.ticketed("ann", uploads+someUpload), g.host(), bearer("ann", everything), length)
			text, _ := io.ReadAll(c) // the gate closes it
			if !bytes.Contains(text, []byte("400 Bad Request")) {
				t.Errorf("answer %q", text)
			}
			checkLine(t, g, "info", errClientStalled.Error())
		})
	}
}

func TestClientStopsReading(t *testing.T) {
	t.Parallel()
	protocols(t, func(t *testing.T, http2 bool) {
		g := newRig(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(1<<30))
			_, _ = io.CopyN(w, zeros{}, 1<<30)
		}, setup{limits: impatient, http2: http2})
		req, _ := http.NewRequestWithContext(t.Context(), "GET", g.URL+blobs+someDigest, nil)
		req.Header.Set("Authorization", bearer("ann", everything))
		res, err := g.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if line := g.line(t); line["broken"] != true || line["level"] != "info" {
			t.Errorf("logged %v", line)
		}
	})
}

// patient are limits that only a stranger can break: 50 bytes in 50 ms.
var patient = Limits{Linger: 100 * time.Millisecond, MinRate: 1000, Span: 50 * time.Millisecond}

// dripping is a body of one byte every ten milliseconds, for half a second.
func dripping() io.Reader { return &slow{10 * time.Millisecond, 50} }

// TestSlowStrangerIsCutOff: of those who are logged in, it takes whoever comes.
func TestSlowStrangerIsCutOff(t *testing.T) {
	t.Parallel()
	protocols(t, func(t *testing.T, http2 bool) {
		g := newRig(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPatch {
				_, _ = io.Copy(io.Discard, r.Body)
				w.WriteHeader(http.StatusAccepted)
				return
			}
			w.Header().Set("Content-Length", "50")
			_ = http.NewResponseController(w).Flush()
			_, _ = io.CopyBuffer(flushing{w}, dripping(), make([]byte, 1))
		}, setup{limits: patient, http2: http2})
		for _, tt := range []struct {
			name, account, method string
			wantCut               bool
		}{
			{"pull by a stranger", "", "GET", true},
			{"pull", "ann", "GET", false},
			{"push by a stranger", "", "PATCH", true},
			{"push", "ann", "PATCH", false},
		} {
			t.Run(tt.name, func(t *testing.T) {
				g.forget()
				c := call{path: blobs + someDigest, auth: bearer(tt.account, everything)}
				if tt.method == "PATCH" {
					c = call{method: "PATCH", path: uploads + someUpload, auth: c.auth, body: dripping()}
				}
				res, body, cut := g.do(t, c)
				if got := cut || res.StatusCode >= 400; got != tt.wantCut {
					t.Errorf("answer %v, %d bytes, cut %v; want %v", res, len(body), cut, tt.wantCut)
				}
				if tt.wantCut {
					checkLine(t, g, map[string]string{"GET": "warn", "PATCH": "info"}[tt.method], "too little")
				}
			})
		}
	})
}

// flushing sends each byte by itself.
type flushing struct{ w http.ResponseWriter }

func (f flushing) Write(p []byte) (int, error) {
	n, err := f.w.Write(p)
	_ = http.NewResponseController(f.w).Flush()
	return n, err
}

func TestClientLeaves(t *testing.T) {
	protocols(t, func(t *testing.T, http2 bool) {
		arrived := make(chan struct{})
		g := newRig(t, func(w http.ResponseWriter, r *http.Request) {
			close(arrived)
			hang(w, r)
		}, setup{http2: http2})
		req, _ := http.NewRequestWithContext(t.Context(), "GET", g.URL+blobs+someDigest, nil)
		req.Header.Set("Authorization", bearer("ann", everything))
		go func() {
			<-arrived
			g.CloseClientConnections()
		}()
		if _, err := g.Client().Do(req); err == nil {
			t.Error("an answer came")
		}
		if line := g.line(t); line["status"] != int64(499) || line["level"] != "info" {
			t.Errorf("logged %v", line)
		}
	})
}

// TestUnwantedBodyEnds is about a client that announces a body and sends next
// to none, to a registry that does not want it: the gate's server tries to
// read it before it answers.
func TestUnwantedBodyEnds(t *testing.T) {
	g := newRig(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		_ = http.NewResponseController(w).Flush()
	}, setup{limits: Limits{Linger: 50 * time.Millisecond}})
	code, _ := g.send(t, "PATCH "+g.ticketed("ann", uploads+someUpload)+" HTTP/1.1\r\nHost: "+g.host()+"\r\nAuthorization: "+bearer("ann", everything)+"\r\nContent-Length: 1000\r\n\r\nhi")
	if code != 413 {
		t.Errorf("answer %d", code)
	}
}
