// Package metrics counts what the gate does and shows it at /metrics.
//
// Events come in through methods, states through functions that are asked at
// each scrape, and Prometheus' text format goes out. A label's values are
// always from a small set that the gate or its configuration fixes: never a
// repository, an account or anything else that clients choose. The package
// imports nothing of ours; whoever wires the gate connects it.
//
// There is one Metrics for the life of the process, so that counters outlive
// a reload.
package metrics

import (
	"net/http"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

const namespace = "regate"

// Build says which program this is.
type Build struct {
	Version  string
	Revision string // of the source
}

// Metrics has all that is counted. Its methods may be called by several
// goroutines at once.
type Metrics struct {
	registry *prometheus.Registry
	requests
	transfers
	tokens
	reloads
	connections
	upstreams
	remotes
}

// New returns Metrics in a registry of their own.
func New(b Build) *Metrics {
	m := &Metrics{
		registry:    prometheus.NewRegistry(),
		requests:    newRequests(),
		transfers:   newTransfers(),
		tokens:      newTokens(),
		reloads:     newReloads(),
		connections: newConnections(),
		upstreams:   newUpstreams(),
		remotes:     newRemotes(),
	}
	m.registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		buildInfo(b),
		m.requests.total, m.requests.took, m.requests.running, m.requests.refused,
		m.transfers.bytes,
		m.tokens.issued, m.tokens.refused, m.tokens.limited,
		m.reloads.total, m.reloads.ok, m.reloads.last,
		m.connections.refused,
		m.upstreams.retried, m.upstreams.resumed,
		m.remotes.denied, m.remotes.redirects,
	)
	return m
}

func buildInfo(b Build) prometheus.Collector {
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace:   namespace,
		Name:        "build_info",
		Help:        "What runs here; always 1.",
		ConstLabels: prometheus.Labels{"version": b.Version, "revision": b.Revision, "goversion": runtime.Version()},
	})
	info.Set(1)
	return info
}

// Handler serves the metrics. A state that cannot be read is left out, rather
// than hiding all others.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorHandling:       promhttp.ContinueOnError,
		MaxRequestsInFlight: 4,
		Timeout:             10 * time.Second,
		EnableOpenMetrics:   true,
	})
}

// register adds a collector of states. It panics if there is one of that name
// already, which is a mistake in the wiring.
func (m *Metrics) register(c prometheus.Collector) { m.registry.MustRegister(c) }
