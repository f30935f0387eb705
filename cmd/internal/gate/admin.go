package gate

import (
	"net/http"

	"go.uber.org/zap"

	"github.com/regate/regate/acme"
	"github.com/regate/regate/internal/edge"
	"github.com/regate/regate/internal/metrics"
	"github.com/regate/regate/internal/oci"
)

// admin is what the admin listener serves. It changes nothing and shows no
// name of a repository or an account, so a cluster may see it.
func (p *process) admin() http.Handler {
	p.showStates()
	measured := p.meter.Handler()
	return edge.Stack(edge.Handler(func(w http.ResponseWriter, r *http.Request) error {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			return oci.Errorf(oci.Unsupported, "this address is read-only").With("Allow", "GET, HEAD")
		}
		switch r.URL.Path {
		case "/healthz": // while it drains it is well, and must not be killed
			return new(edge.Draining).ServeHealth(w, r)
		case "/readyz":
			return p.serveReady(w, r)
		case "/metrics":
			measured.ServeHTTP(w, r)
			return nil
		}
		return oci.Errorf(oci.NoSuchPath, "no such path")
	}), edge.Log(quiet(p.log.Named("admin")), nil), edge.Recover)
}

// showStates registers what is read when the metrics are.
func (p *process) showStates() {
	p.meter.ShowDraining(p.draining.On)
	p.meter.ShowEnding(p.desk.ending.Counts)
	p.meter.ShowFleet(p.fleet)
	p.meter.ShowCertificates(reasons(), func() (all []metrics.Certificate) {
		for _, c := range p.certs.Certificates() {
			all = append(all, metrics.Certificate{Host: c.Host, NotAfter: c.NotAfter, Reason: string(c.Trouble.Reason)})
		}
		return all
	})
	p.meter.ShowUpstreams(func() []metrics.Upstream { return p.board.live.Load().upstreams() })
	p.meter.ShowLeft(func() []metrics.Left { return p.board.live.Load().left() })
}

func reasons() (all []string) {
	for _, r := range acme.Reasons() {
		all = append(all, string(r))
	}
	return all
}

// quiet leaves out the lines of what is asked every few seconds.
func quiet(log *zap.Logger) *zap.Logger { return log.WithOptions(zap.IncreaseLevel(zap.WarnLevel)) }
