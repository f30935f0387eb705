package proxy

import (
	"errors"
	"io"
	"net/http"

	"github.com/regate/regate/internal/oci"
	"github.com/regate/regate/proxy/upstream"
)

// pick chooses the endpoint that shall answer: the one that has the upload, if
// the request goes on with one. No other can, unless the registry's servers
// share their storage and a secret, so if that one is gone the client has to
// begin anew, with whichever is left.
func pick(r *http.Request, x exchange) (ep *upstream.Endpoint, done func(), err error) {
	ep, done, err = x.route.Pool.Pick(upstream.Want{Repository: x.sent.Repo, Backend: x.ticket.backend})
	switch {
	case errors.Is(err, upstream.ErrNoBackend), errors.Is(err, upstream.ErrBackendDown):
		return nil, nil, serverGone(r, x.req, err)
	case err != nil:
		return nil, nil, unavailable(err)
	}
	return ep, done, nil
}

// unavailable is the error of a request that cannot be sent to any endpoint
// for now.
func unavailable(err error) error {
	return oci.Errorf(oci.Unavailable, "registry unavailable").Because(err).With("Retry-After", "10")
}

// pong answers GET /v2/ for somebody who is let in. No registry is asked:
// clients want to know whether there is one, and whether their token is good.
func pong(w http.ResponseWriter, r *http.Request) error {
	h := w.Header()
	setOwn(h, oci.Ping)
	h["Content-Type"] = jsonType
	h["Content-Length"] = pongLength
	if r.Method == http.MethodHead {
		return nil
	}
	_, err := io.WriteString(w, "{}")
	return err
}

var (
	jsonType   = []string{"application/json"}
	pongLength = []string{"2"}
)
