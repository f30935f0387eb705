package gate

import (
	"net/http"
	"strings"

	"go.uber.org/zap"

	"github.com/regate/regate/authsvc/browser"
	"github.com/regate/regate/internal/edge"
	"github.com/regate/regate/internal/metrics"
	"github.com/regate/regate/internal/oci"
)

// ServeHTTP serves the https listener with the generation that is live. There
// is no ServeMux: it redirects before we can refuse.
func (g *generation) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, _, _ := strings.Cut(r.RequestURI, "?")
	switch {
	case oci.IsV2(r.RequestURI):
		g.gateway.ServeHTTP(w, r)
	case path == "/auth" || path == "/auth/token":
		g.tokens.ServeHTTP(w, r)
	case path == "/.well-known/jwks.json":
		g.keys.ServeHTTP(w, r)
	case g.pages != nil && browser.Owns(path):
		g.pages.ServeHTTP(w, r)
	case path == caPath:
		g.authority.ServeHTTP(w, r)
	default:
		g.nowhere.ServeHTTP(w, r)
	}
}

// site is what the https listener serves: every request gets a record, a line
// in the log, and a check of its Host, but for the health of the gate, which
// balancers ask for under any name, and often.
func (p *process) site() http.Handler {
	log := p.log.Named("https")
	live := p.stack(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.board.live.Load().checked.ServeHTTP(w, r)
	}), log)
	health := edge.Stack(edge.Handler(p.draining.ServeHealth), edge.Log(quiet(log), nil), edge.Recover, edge.LimitFields)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.RequestURI == "/healthz" {
			health.ServeHTTP(w, r)
			return
		}
		live.ServeHTTP(w, r)
	})
}

// plainSite is what the http listener serves.
func (p *process) plainSite() http.Handler {
	live := edge.Handler(func(w http.ResponseWriter, r *http.Request) error {
		return p.board.live.Load().servePlain(w, r)
	})
	return p.stack(live, p.log.Named("http"))
}

// stack puts around h what concerns every request, the outermost first.
func (p *process) stack(h http.Handler, log *zap.Logger) http.Handler {
	observe := func(o edge.Outcome) {
		p.meter.Request(o.Op, o.Status, o.Took)
		p.meter.Bytes(metrics.In, o.In)
		p.meter.Bytes(metrics.Out, o.Out)
	}
	return edge.Stack(h, edge.Log(log, observe), p.meter.InFlight, edge.Recover, edge.LimitFields, p.draining.TurnAway,
		edge.Clients(p.first.Listen.Proxies()))
}
