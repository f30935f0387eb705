package proxy

import (
	"errors"
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
