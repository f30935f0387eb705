package metrics

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// requests are what clients ask and how it ends.
type requests struct {
	total   *prometheus.CounterVec
	took    *prometheus.HistogramVec
	running prometheus.Gauge
	refused *prometheus.CounterVec
}

func newRequests() requests {
	return requests{
		total: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace,
			Name:      "requests_total",
			Help:      "Requests that are over, by operation and class of the status.",
		}, []string{"op", "status"}),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: namespace,
			Name:      "request_duration_seconds",
			Help:      "Time from a request's header to the end of its answer, by operation.",
			Buckets:   []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 5, 30, 120, 600},
		}, []string{"op"}),
		running: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: namespace,
			Name:      "requests_in_flight",
			Help:      "Requests that are being served.",
		}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace,
			Name:      "requests_refused_total",
			Help:      "Requests that were answered 429 because too many are forwarded, by whose limit it is and why.",
		}, []string{"limit", "reason"}),
	}
}

// Request counts a request that is over. An op of "" is one that was refused
// before it was understood.
func (q *requests) Request(op string, status int, took time.Duration) {
	if op == "" {
		op = "none"
	}
	q.total.WithLabelValues(op, class(status)).Inc()
	q.took.WithLabelValues(op).Observe(took.Seconds())
}

// RefusedRequest counts a request beyond a limit: that of the gate or of a
// registry.
func (q *requests) RefusedRequest(limit, reason string) {
	q.refused.WithLabelValues(limit, reason).Inc()
}

// InFlight is a middleware that counts the requests being served.
func (q *requests) InFlight(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q.running.Inc()
		defer q.running.Dec()
		next.ServeHTTP(w, r)
	})
}

// class is the status without its last two digits: "2xx". A request that was
// cut off before it had a status is "none", and one whose client went away
// first is "499", since it says nothing about the gate.
func class(status int) string {
	switch {
	case status == 499:
		return "499"
	case status < 100 || status > 599:
		return "none"
	}
	return strconv.Itoa(status/100) + "xx"
}
