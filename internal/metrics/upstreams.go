package metrics

import "github.com/prometheus/client_golang/prometheus"

// upstreams are the failures of servers that clients have not noticed.
type upstreams struct {
	retried *prometheus.CounterVec
	resumed *prometheus.CounterVec
}

func newUpstreams() upstreams {
	return upstreams{
		retried: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace,
			Name:      "upstream_retries_total",
			Help:      "Requests that were sent to another server of a registry, by what the one before has done.",
		}, []string{"registry", "reason"}),
		resumed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace,
			Name:      "upstream_resumes_total",
			Help:      "Blobs that broke off and went on from another server of a registry.",
		}, []string{"registry"}),
	}
}

// UpstreamRetry counts a request that was sent again.
func (u *upstreams) UpstreamRetry(registry, reason string) {
	u.retried.WithLabelValues(registry, reason).Inc()
}

// UpstreamResume counts a blob that went on from another server.
func (u *upstreams) UpstreamResume(registry string) { u.resumed.WithLabelValues(registry).Inc() }
