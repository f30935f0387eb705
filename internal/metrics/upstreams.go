package metrics

import "github.com/prometheus/client_golang/prometheus"

// upstreams are the failures of servers that clients have not noticed.
type upstreams struct {
	retried *prometheus.CounterVec
	resumed *prometheus.CounterVec
}

// remotes are what registries of somebody else, and the storage of registries,
// have let the gate have.
type remotes struct {
	denied    *prometheus.CounterVec
	redirects *prometheus.CounterVec
}

func newRemotes() remotes {
	return remotes{
		denied: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace,
			Name:      "mirror_refused_total",
			Help:      "Requests that a registry of somebody else has given no answer to that clients could have.",
		}, []string{"registry", "reason"}),
		redirects: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace,
			Name:      "redirects_followed_total",
			Help:      "Redirects of a registry that the gate has followed for a client, by what became of it.",
		}, []string{"registry", "outcome"}),
	}
}

// MirrorRefused counts a request to a registry of somebody else.
func (r *remotes) MirrorRefused(registry, reason string) {
	r.denied.WithLabelValues(registry, reason).Inc()
}

// RedirectFollowed counts a redirect.
func (r *remotes) RedirectFollowed(registry, outcome string) {
	r.redirects.WithLabelValues(registry, outcome).Inc()
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
