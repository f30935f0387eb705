package proxy

import (
	"io"
	"net/http"

	"github.com/regate/regate/internal/edge"
	"github.com/regate/regate/internal/oci"
)

// own reports whether the gate answers by itself: what concerns no repository,
// no registry can answer for all that there are under one host.
func (x exchange) own() bool {
	return (x.req.Op == oci.Ping || x.req.Op == oci.ListCatalog) && x.route.Pool.Checked()
}

// reply is the gate's own answer.
func (g *Gateway) reply(w http.ResponseWriter, r *http.Request, x exchange) error {
	if x.req.Op == oci.Ping {
		return pong(w, r)
	}
	leave, reason := g.catalog.waiting.Enter(edge.Client(r))
	if reason != "" {
		return crowded("of the catalog", reason)
	}
	defer leave()
	return g.list(w, r, x)
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
