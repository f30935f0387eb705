package proxy

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/regate/regate/proxy/upstream"
)

// upload is the end of one, of the blob of someDigest.
const upload = uploads + someUpload + "?digest=" + someDigest

var commitTests = []struct {
	name   string
	call   call
	faults []fault // of the commit, and of what follows
	want   int
	heads  int64 // requests after the first
}{
	{"was done", call{path: upload}, []fault{late}, 201, 1},
	{"was done, with a body", call{path: upload, body: io.MultiReader(strings.NewReader("layer"))}, []fault{late}, 201, 1},
	{"was not done", call{path: upload}, []fault{refuse}, 404, 2},
	{"was not done, with a body", call{path: upload, body: io.MultiReader(strings.NewReader("layer"))}, []fault{refuse}, 504, 2},
	{"was done, and the first to be asked knows nothing", call{path: upload}, []fault{late, refuse}, 201, 2},
	{"was done, and nobody says so", call{path: upload}, []fault{late, refuse, refuse}, 404, 2},
	{"was done, and the blob is in a storage", call{path: upload}, []fault{late, elsewhere}, 201, 1},
	{"was not done, and everything is elsewhere", call{path: upload}, []fault{refuse, toTLS, toTLS}, 404, 2},
	{"has another digest", call{path: uploads + someUpload + "?digest=sha256:" + strings.Repeat("0", 64)}, []fault{refuse}, 404, 2},
	{"has no digest", call{path: uploads + someUpload}, []fault{late}, 404, 0},
	{"was refused", call{path: upload}, []fault{unavailable503}, 503, 0},
	{"was refused to the gate", call{path: upload}, []fault{forbidden}, 502, 0},
}

// TestEndOfUploadIsNotRepeated has registries that die when an upload ends.
func TestEndOfUploadIsNotRepeated(t *testing.T) {
	for _, tt := range commitTests {
		t.Run(tt.name, func(t *testing.T) {
			g, _, replicas := newReplicas(t, 3, setup{})
			inOrder(replicas, tt.faults...)
			var writes, heads atomic.Int64
			for _, r := range replicas {
				next := r.fault
				r.fault = func(req *http.Request) (fault, int) {
					if req.Method == http.MethodHead {
						heads.Add(1)
					} else {
						writes.Add(1)
					}
					return next(req)
				}
			}
			c := tt.call
			c.method, c.auth, c.path = "PUT", bearer("ann", everything), g.ticketed("ann", c.path)
			res, body, _ := g.do(t, c)
			if res == nil || res.StatusCode != tt.want {
				t.Fatalf("answer %v %s, want %d", res, body, tt.want)
			}
			if writes.Load() != 1 || heads.Load() != tt.heads {
				t.Errorf("%d commits and %d questions, want 1 and %d", writes.Load(), heads.Load(), tt.heads)
			}
			if tt.want != 201 {
				return
			}
			if got, want := res.Header.Get("Location"), g.URL+blobs+someDigest; got != want {
				t.Errorf("location %s, want %s", got, want)
			}
			if got := res.Header.Get("Docker-Content-Digest"); got != someDigest {
				t.Errorf("digest %s", got)
			}
		})
	}
}

// TestEndOfUploadThatIsNotRead has a registry that dies while the client still
// sends: that there is such a blob says nothing of the one that is sent.
func TestEndOfUploadThatIsNotRead(t *testing.T) {
	g, s, replicas := newReplicas(t, 2, setup{http2: true})
	s.blobs[someDigest] = nil
	inOrder(replicas, refuse)
	res, body, _ := g.do(t, call{
		method: "PUT", path: g.ticketed("ann", upload), auth: bearer("ann", everything), body: io.LimitReader(zeros{}, 64<<20),
	})
	if res != nil && res.StatusCode < 500 { // who is busy sending may not see it
		t.Errorf("answer %v %s", res, body)
	}
	if g.line(t); replicas[0].requests()+replicas[1].requests() != 1 {
		t.Error("somebody was asked for the blob")
	}
}

// TestBodyIsWatchedAtTheNextReplica has one that is gone, and one that takes
// nothing.
func TestBodyIsWatchedAtTheNextReplica(t *testing.T) {
	t.Parallel()
	g, _, replicas := newReplicas(t, 2, setup{limits: impatient})
	end := make(chan struct{})
	defer close(end)
	replicas[0].Close()
	replicas[1].Config.Handler = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-end })
	for range 2 { // one of them goes to the dead one first
		g.forget()
		g.do(t, call{method: "POST", path: uploads, auth: bearer("ann", everything), body: io.LimitReader(zeros{}, 1<<30)})
		checkLine(t, g, "warn", errRegistryStalled.Error())
	}
}

// TestRegistryStallsAndAnotherGoesOn has a replica that sends no more, and
// lives.
func TestRegistryStallsAndAnotherGoesOn(t *testing.T) {
	t.Parallel()
	protocols(t, func(t *testing.T, http2 bool) {
		g, s, replicas := newReplicas(t, 2, setup{http2: http2, limits: Limits{Idle: 3 * time.Second}}) // a busy machine stalls, too
		content := noise(size)
		digest := s.put(content)
		var begun atomic.Bool
		for _, r := range replicas {
			r.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				if !begun.Swap(true) {
					s.ServeHTTP(&stuck{ResponseWriter: w, ctx: req.Context(), left: size / 2}, req)
					return
				}
				r.ServeHTTP(w, req)
			})
		}
		_, body, cut := g.do(t, call{path: blobs + digest, auth: bearer("ann", everything)})
		if cut || body != string(content) {
			t.Errorf("broken off: %v, %d bytes, want %d: %v", cut, len(body), size, g.line(t)["error"])
		}
	})
}

// stuck stops in the middle of a body, until the gate gives up.
type stuck struct {
	http.ResponseWriter
	ctx  context.Context
	left int
}

func (s *stuck) Write(p []byte) (int, error) {
	if len(p) > s.left {
		_, _ = s.ResponseWriter.Write(p[:s.left])
		_ = http.NewResponseController(s.ResponseWriter).Flush()
		<-s.ctx.Done()
		panic(http.ErrAbortHandler)
	}
	s.left -= len(p)
	return s.ResponseWriter.Write(p)
}

// TestManifestsHaveRoom fills the room for manifests: those that find none are
// sent once, and all is given back.
func TestManifestsHaveRoom(t *testing.T) {
	g, s, replicas := newReplicas(t, 2, setup{})
	push := func() int {
		res, body, _ := g.do(t, call{method: "PUT", path: "/v2/team/app/manifests/x", auth: bearer("ann", everything), body: strings.NewReader("{}")})
		if res == nil {
			t.Fatal(body)
		}
		return res.StatusCode
	}
	inOrder(replicas, late)
	if got := push(); got != 201 {
		t.Errorf("with room: %d", got)
	}
	g.gateway.manifests.taken.Add(mostManifests)
	inOrder(replicas, none, late)
	if got := push(); got != 201 || string(s.tags["x"]) != "{}" {
		t.Errorf("without room: %d, the manifest is %q", got, s.tags["x"])
	}
	if got := push(); got != 504 {
		t.Errorf("without room, at one that dies: %d", got)
	}
	for end := time.Now().Add(10 * time.Second); g.gateway.manifests.taken.Load() != mostManifests; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d bytes are still taken", g.gateway.manifests.taken.Load()-mostManifests)
		}
	}
}

// TestLargeManifestIsRefusedBeforeItIsSent has a body that nobody knows the
// length of.
func TestLargeManifestIsRefusedBeforeItIsSent(t *testing.T) {
	g, _, replicas := newReplicas(t, 2, setup{http2: true})
	res, body, _ := g.do(t, call{
		method: "PUT", path: "/v2/team/app/manifests/x", auth: bearer("ann", everything), body: io.LimitReader(zeros{}, maxManifest+1),
	})
	if res == nil || res.StatusCode != 413 || body != tooLarge413 {
		t.Errorf("answer %v %s", res, body)
	}
	if n := replicas[0].requests() + replicas[1].requests(); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
}

// TestManifestThatIsNotTaken has a registry that reads nothing of it.
func TestManifestThatIsNotTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, abort := context.WithCancelCause(t.Context())
		m := &manifest{text: make([]byte, 100)}
		r := m.reader(time.Minute, abort)
		if n, err := io.ReadFull(r, make([]byte, 60)); n != 60 || err != nil {
			t.Fatal(n, err)
		}
		<-ctx.Done()
		if cause := context.Cause(ctx); !errors.Is(cause, errRegistryStalled) {
			t.Errorf("ended with %v", cause)
		}
		_ = r.Close()
	})
}

// TestClientThatStopsAtAManifest sends half of one.
func TestClientThatStopsAtAManifest(t *testing.T) {
	t.Parallel()
	g, _, replicas := newReplicas(t, 2, setup{limits: impatient})
	c := g.dial(t)
	_, _ = io.WriteString(c, "PUT /v2/team/app/manifests/x HTTP/1.1\r\nHost: "+g.host()+"\r\nAuthorization: "+bearer("ann", everything)+"\r\nContent-Length: 10\r\n\r\n{")
	text, _ := io.ReadAll(c)
	if !strings.Contains(string(text), "400 Bad Request") {
		t.Errorf("answer %q", text)
	}
	checkLine(t, g, "info", errClientStalled.Error())
	if n := replicas[0].requests() + replicas[1].requests(); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
}

// TestSlowHeaderIsTriedElsewhere has a replica that takes too long to answer.
func TestSlowHeaderIsTriedElsewhere(t *testing.T) {
	t.Parallel()
	g, s, replicas := newReplicas(t, 2, setup{config: upstream.Config{HeaderTimeout: 100 * time.Millisecond}})
	s.tags["x"] = []byte("{}")
	replicas[0].Config.Handler = http.HandlerFunc(hang)
	for range 4 {
		res, body, _ := g.do(t, call{path: "/v2/team/app/manifests/x", auth: bearer("ann", everything)})
		if res == nil || res.StatusCode != 200 || body != "{}" {
			t.Errorf("answer %v %s", res, body)
		}
	}
}

// TestUploadWhoseServerIsGone is to begin anew.
func TestUploadWhoseServerIsGone(t *testing.T) {
	g, _, replicas := newReplicas(t, 2, setup{})
	for _, r := range replicas {
		r.Close()
	}
	res, body, _ := g.do(t, call{
		method: "PATCH", path: g.ticketed("ann", uploads+someUpload), auth: bearer("ann", everything), body: strings.NewReader("chunk"),
	})
	if res == nil || res.StatusCode != 404 || !strings.Contains(body, "BLOB_UPLOAD_") {
		t.Errorf("answer %v %s", res, body)
	}
}
