package edge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/regate/regate/internal/oci"
)

// A lines is a log that a test can read when its server is closed.
type lines struct {
	buf bytes.Buffer
	log *zap.Logger
}

func newLines() *lines {
	l := &lines{}
	cfg := zapcore.EncoderConfig{MessageKey: "msg", LevelKey: "level", EncodeLevel: zapcore.LowercaseLevelEncoder, EncodeDuration: zapcore.SecondsDurationEncoder}
	l.log = zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(cfg), zapcore.Lock(zapcore.AddSync(&l.buf)), zap.DebugLevel))
	return l
}

// only is the only line of the log, without the fields that are not the same
// each time; it checks that those are there.
func (l *lines) only(t *testing.T, volatile ...string) map[string]any {
	t.Helper()
	text := strings.TrimSpace(l.buf.String())
	if strings.Count(text, "\n") > 0 || text == "" {
		t.Fatalf("not one line:\n%s", text)
	}
	var fields map[string]any
	if err := json.Unmarshal([]byte(text), &fields); err != nil {
		t.Fatal(err)
	}
	for _, v := range volatile {
		if _, ok := fields[v]; !ok {
			t.Errorf("no %s in %s", v, text)
		}
		delete(fields, v)
	}
	return fields
}

// line serves one request with the whole stack and returns its line.
func line(t *testing.T, serve func(http.ResponseWriter, *http.Request) error, ask func(*httptest.Server)) map[string]any {
	t.Helper()
	log := newLines()
	srv := httptest.NewServer(Stack(Handler(serve), Log(log.log, nil), Recover, Clients(nil)))
	ask(srv)
	srv.Close() // waits for the request
	return log.only(t, "took", "host")
}

func TestLogSaysWhatSerialStepsLearnt(t *testing.T) {
	serve := func(w http.ResponseWriter, r *http.Request) error {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return err
		}
		rec := RecordFrom(r.Context())
		rec.Op, rec.Repo, rec.Subject, rec.TokenID = "put_manifest", "team/app", "alice", "jti"
		rec.Route, rec.Upstream = "main", "10.0.0.1:5000"
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusCreated)
		_, err := io.WriteString(w, "done")
		return err
	}
	got := line(t, serve, func(srv *httptest.Server) {
		req, _ := http.NewRequest(http.MethodPut, srv.URL+"/v2/team/app?token=s3cret", strings.NewReader("manifest"))
		req.Header.Set("Authorization", "Bearer s3cret")
		req.Header.Set("X-Forwarded-For", "192.0.2.1")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
	})
	want := map[string]any{
		"level": "info", "msg": "request", "method": "PUT", "path": "/v2/team/app", "status": 201.0, "in": 8.0, "out": 4.0,
		"client": "127.0.0.1", "proto": "HTTP/1.1", "op": "put_manifest", "repo": "team/app", "subject": "alice",
		"token": "jti", "route": "main", "upstream": "10.0.0.1:5000",
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("line\n%v\nwant\n%v", got, want)
	}
}

var errCause = errors.New("dial 10.0.0.7: refused")

var levelTests = []struct {
	name  string
	serve func(http.ResponseWriter, *http.Request) error
	want  string // level, status, kind, error, broken
	stack bool
}{
	{"success", ignore, "info 200 <nil> <nil> <nil>", false},
	{"nothing written", func(http.ResponseWriter, *http.Request) error { return nil }, "info 200 <nil> <nil> <nil>", false},
	{"client's mistake", func(http.ResponseWriter, *http.Request) error {
		return oci.Errorf(oci.Unauthenticated, "no token").Because(errCause)
	}, "info 401 unauthenticated no token: dial 10.0.0.7: refused <nil>", false},
	{"registry down", func(http.ResponseWriter, *http.Request) error {
		return oci.Errorf(oci.Unreachable, "registry unreachable").Because(errCause)
	}, "warn 504 unreachable registry unreachable: dial 10.0.0.7: refused <nil>", false},
	{"a balancer that asks while it drains", drained().ServeHealth, "info 503 unavailable draining: the gate was told to end <nil>", false},
	{"our fault", func(http.ResponseWriter, *http.Request) error {
		return oci.Errorf(oci.BadGateway, "registry refused us")
	},
		"error 502 bad_gateway registry refused us <nil>", false},
	{"unclassified", func(http.ResponseWriter, *http.Request) error { return errCause },
		"error 500 internal dial 10.0.0.7: refused <nil>", false},
	{"panic", func(http.ResponseWriter, *http.Request) error { panic("ouch") }, "error 500 internal panic: ouch <nil>", true},
	{"broken answer", func(w http.ResponseWriter, _ *http.Request) error {
		return halfAnswer(w, oci.Errorf(oci.Unreachable, "broke off"))
	}, "warn 200 unreachable broke off true", false},
	{"abort", func(http.ResponseWriter, *http.Request) error { panic(http.ErrAbortHandler) }, "info 0 <nil> <nil> <nil>", false},
}

func drained() *Draining {
	d := new(Draining)
	d.Start()
	return d
}

func TestLogLevels(t *testing.T) {
	for _, tt := range levelTests {
		t.Run(tt.name, func(t *testing.T) {
			got := line(t, tt.serve, func(srv *httptest.Server) {
				if res, err := srv.Client().Get(srv.URL); err == nil {
					_ = res.Body.Close()
				}
			})
			text := fmt.Sprintf("%v %v %v %v %v", got["level"], got["status"], got["kind"], got["error"], got["broken"])
			if text != tt.want {
				t.Errorf("line %s, want %s", text, tt.want)
			}
			if stack, _ := got["stack"].(string); strings.Contains(stack, "log_test.go") != tt.stack {
				t.Errorf("stack %q, want one: %v", stack, tt.stack)
			}
		})
	}
}

func TestClientGone(t *testing.T) {
	for _, tt := range []struct {
		name, sent string
		half       bool // only the way from the client is closed
	}{
		{"while it waits", "GET / HTTP/1.1\r\nHost: h\r\n\r\n", false},
		{"in the middle of its body", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhalf", false},
		{"in the middle of a chunk", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nhalf", false},
		{"half closed", "GET / HTTP/1.1\r\nHost: h\r\n\r\n", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			began := make(chan struct{})
			var answer []byte
			got := line(t, untilGone(began), func(srv *httptest.Server) {
				conn, err := net.Dial("tcp", srv.Listener.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				if _, err := io.WriteString(conn, tt.sent); err != nil {
					t.Fatal(err)
				}
				<-began
				if tt.half {
					if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
						t.Fatal(err)
					}
					answer, _ = io.ReadAll(conn)
				}
			})
			if got["status"] != 499.0 || got["level"] != "info" || got["broken"] != nil {
				t.Errorf("line %v", got)
			}
			if len(answer) > 0 {
				t.Errorf("client was told %s", answer)
			}
		})
	}
}

// untilGone is a handler whose client does not wait for it.
func untilGone(began chan<- struct{}) func(http.ResponseWriter, *http.Request) error {
	return func(_ http.ResponseWriter, r *http.Request) error {
		close(began)
		if _, err := io.ReadAll(r.Body); err != nil {
			return err
		}
		<-r.Context().Done()
		return oci.Errorf(oci.Unreachable, "registry unreachable").Because(r.Context().Err())
	}
}

func TestLogIsBoundedAndPrintable(t *testing.T) {
	got := line(t, refuse, func(srv *httptest.Server) {
		conn, err := net.Dial("tcp", srv.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		path := "/\xff%0a%1b[31m\u202e" + strings.Repeat("a", 30_000)
		if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", path); err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, conn)
	})
	path, _ := got["path"].(string)
	if len(path) > maxPath+len("…") || !strings.HasPrefix(path, "/%FF%0A%1B%5B31m%E2%80%AEaaa") {
		t.Errorf("path %q", path)
	}
}

func TestClip(t *testing.T) {
	for _, tt := range []struct{ in, want string }{{"", ""}, {"abcd", "abcd"}, {"abcde", "abcd…"}} {
		if got := clip(tt.in, 4); got != tt.want {
			t.Errorf("clip(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

func TestOutcome(t *testing.T) {
	var got Outcome
	h := Stack(Handler(func(w http.ResponseWriter, r *http.Request) error {
		RecordFrom(r.Context()).Op = "ping"
		return readAll(w, r)
	}), Log(nil, func(o Outcome) { got = o }), Recover)
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/", strings.NewReader("12345")))
	if got.Took <= 0 {
		t.Errorf("took %v", got.Took)
	}
	got.Took = 0
	if want := (Outcome{Op: "ping", Status: 200, In: 5, Out: 7}); got != want {
		t.Errorf("outcome %+v, want %+v", got, want)
	}
}

func TestRecordOutsideOfARequest(t *testing.T) {
	rec := RecordFrom(context.Background())
	rec.Repo = "nobody reads this"
	if again := RecordFrom(context.Background()); again.Repo != "" {
		t.Errorf("records outside of requests are one: %+v", again)
	}
}

func TestStackIsOutermostFirst(t *testing.T) {
	var order []string
	named := func(name string) Middleware {
		return func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				order = append(order, name)
				next.ServeHTTP(w, r)
			})
		}
	}
	h := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { order = append(order, "handler") })
	Stack(h, named("outer"), named("inner")).ServeHTTP(nil, nil)
	if got := strings.Join(order, " "); got != "outer inner handler" {
		t.Errorf("order %s", got)
	}
}

func TestDraining(t *testing.T) {
	var d Draining
	for _, want := range []int{http.StatusOK, http.StatusServiceUnavailable} {
		w := httptest.NewRecorder()
		Handler(d.ServeHealth).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/healthz", nil))
		if w.Code != want || d.On() != (want != http.StatusOK) {
			t.Errorf("health %d, draining %v; want %d", w.Code, d.On(), want)
		}
		d.Start()
	}
}

// BenchmarkStack is what a request costs before anybody looks at it.
func BenchmarkStack(b *testing.B) {
	hosts, err := NewHosts(testHosts)
	if err != nil {
		b.Fatal(err)
	}
	cfg := zap.NewProductionEncoderConfig()
	log := zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(cfg), zapcore.AddSync(io.Discard), zap.InfoLevel))
	h := Stack(Handler(func(http.ResponseWriter, *http.Request) error { return nil }),
		Log(log, func(Outcome) {}), Recover, Clients(trusted), hosts.Check)
	r := httptest.NewRequest(http.MethodGet, "/v2/team/app/manifests/latest", nil)
	r.Host = "registry.example.com:8443"
	w := httptest.NewRecorder()
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(w, r)
	}
}
