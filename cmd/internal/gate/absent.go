package gate

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"

	"go.uber.org/zap"

	"github.com/regate/regate/authsvc/secret"
	"github.com/regate/regate/authsvc/token"
	"github.com/regate/regate/configs"
	"github.com/regate/regate/internal/edge"
	"github.com/regate/regate/internal/oci"
	"github.com/regate/regate/internal/state"
	"github.com/regate/regate/internal/state/redis"
)

// ControlOf returns a Control over the gate that runs with file. Where none
// does, what needs nothing but the state is done in the state that the fleet
// shares, if there is one: all its gates follow.
func ControlOf(file *configs.File) *Control {
	c := NewControl(file.ControlSocket())
	if file.State.Redis != nil {
		c.http.Transport = &absent{file, c.http.Transport}
	}
	return c
}

// An absent gate is one that runs elsewhere.
type absent struct {
	file *configs.File
	next http.RoundTripper
}

// RoundTrip asks the gate, and does it itself if there is none.
func (a *absent) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := a.next.RoundTrip(r)
	if !errors.Is(err, ErrNotRunning) || !isOfState(r.URL.Path) {
		return res, err
	}
	p, err := openAbsent(r.Context(), a.file)
	if err != nil {
		return nil, err
	}
	defer p.store.Close()
	again := r.Clone(r.Context())
	if r.GetBody != nil {
		if again.Body, err = r.GetBody(); err != nil {
			return nil, err
		}
	}
	w := &answer{header: make(http.Header), status: http.StatusOK}
	edge.Stack(edge.Handler(p.serveControl)).ServeHTTP(w, again)
	return &http.Response{StatusCode: w.status, Header: w.header, Body: io.NopCloser(&w.body), Request: r}, nil
}

// isOfState reports whether a request needs no generation, and no gate that
// listens.
func isOfState(path string) bool {
	if rest, ok := strings.CutPrefix(path, tokenPath); ok {
		return rest == "list" || rest == "show" || rest == "delete"
	}
	return path == revokePath
}

// openAbsent is the part of a process that the state makes.
func openAbsent(ctx context.Context, file *configs.File) (*process, error) {
	key, err := file.State.Redis.Key()
	if err != nil {
		return nil, err
	}
	far, err := redis.Open(ctx, *file.State.Redis, nil)
	if err != nil {
		return nil, err
	}
	p := &process{first: file, log: zap.NewNop(), store: state.Seal(far, key, sealedAfar...)}
	p.desk.book = secret.New(p.store, nil, nil)
	if p.revoked, err = token.OpenRevocations(ctx, p.store, nil, nil); err != nil {
		return nil, errors.Join(oci.Errorf(oci.Unavailable, "the state cannot be asked: %v", err), p.store.Close())
	}
	return p, nil
}

// An answer is kept until all of it is there.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *answer) Header() http.Header         { return a.header }
func (a *answer) WriteHeader(status int)      { a.status = status }
func (a *answer) Write(p []byte) (int, error) { return a.body.Write(p) }
