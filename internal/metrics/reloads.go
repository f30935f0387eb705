package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// reloads are the configurations that were loaded, the first one included.
type reloads struct {
	total *prometheus.CounterVec
	ok    prometheus.Gauge
	last  prometheus.Gauge
}

func newReloads() reloads {
	r := reloads{
		total: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace,
			Name:      "reloads_total",
			Help:      "Configurations that were loaded, by result.",
		}, []string{"result"}),
		ok: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: namespace,
			Name:      "reload_successful",
			Help:      "Whether the last reload succeeded; at 0, an older configuration is in use than the one on disk.",
		}),
		last: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: namespace,
			Name:      "reload_success_timestamp_seconds",
			Help:      "When the configuration in use was loaded.",
		}),
	}
	for _, result := range []string{"success", "failure"} {
		r.total.WithLabelValues(result)
	}
	return r
}

// Reload notes that a configuration was loaded, or was not because of err.
func (r *reloads) Reload(at time.Time, err error) {
	if err != nil {
		r.total.WithLabelValues("failure").Inc()
		r.ok.Set(0)
		return
	}
	r.total.WithLabelValues("success").Inc()
	r.ok.Set(1)
	r.last.Set(float64(at.UnixMilli()) / 1000)
}
