package proxy

import (
	"fmt"
	"net/http"

	"github.com/regate/regate/internal/edge"
	"github.com/regate/regate/internal/oci"
)

// admit counts a request in until leave is called, which is when its answer is
// over. One that is forwarded takes a connection to the registry for as long as
// its client takes, and a connection of HTTP/2 has a hundred of them.
func (g *Gateway) admit(r *http.Request, route *Route) (leave func(), err error) {
	client := edge.Client(r)
	leaveRegistry, reason := route.Pool.Enter(client)
	if reason != "" {
		return nil, crowded("of the registry", reason)
	}
	leaveAll, reason := g.all.Enter(client)
	if reason != "" {
		leaveRegistry()
		return nil, crowded("of the gate", reason)
	}
	return func() { leaveAll(); leaveRegistry() }, nil
}

// crowded is the error of a request beyond a limit.
func crowded(whose, reason string) error {
	return oci.Errorf(oci.TooMany, "too many requests at once, try again").
		Because(fmt.Errorf("the limit %s is reached: %s", whose, reason)).
		With("Retry-After", "1")
}
