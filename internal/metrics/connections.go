package metrics

import "github.com/prometheus/client_golang/prometheus"

// connections are those that were refused before they could ask anything.
type connections struct {
	refused *prometheus.CounterVec
}

func newConnections() connections {
	return connections{
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace,
			Name:      "connections_refused_total",
			Help:      "Connections that were refused before they could ask anything, by listener and reason.",
		}, []string{"listener", "reason"}),
	}
}

// Refused counts a connection that was closed at once.
func (c *connections) Refused(listener, reason string) {
	c.refused.WithLabelValues(listener, reason).Inc()
}

// ShowConnections asks now, at each scrape, how many connections each listener has.
func (m *Metrics) ShowConnections(now func() map[string]int) {
	m.register(states{
		desc: desc("connections", "Connections that are open, by listener.", "listener"),
		list: func(emit emitter) {
			for listener, n := range now() {
				emit(float64(n), listener)
			}
		},
	})
}
